"""Real servers for tests: one that answers byte by byte as told, and the WhatsApp stand-in."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Script = Callable[[socket.socket], None]


@contextmanager
def scripted_server(script: Script) -> Iterator[tuple[str, list[bytes]]]:
    """Serve each connection with a script, after reading one request; yields address and
    requests."""
    requests: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            requests.append(_read_request(connection))
            script(connection)

    def accept() -> None:
        while not stopping.is_set():
            with suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        stopping.set()
        listener.close()


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(status: int, body: object, *, headers: str = "") -> Script:
    """Answer every request alike; a text goes out as it is, anything else as JSON."""
    content = (body if isinstance(body, str) else json.dumps(body)).encode()

    def script(connection: socket.socket) -> None:
        connection.sendall(
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n{headers}"
            "Connection: close\r\n\r\n".encode()
            + content
        )

    return script


def accepted(wamid: str = "wamid.TEST1") -> dict[str, Any]:
    """The answer to a message that was taken."""
    return {"messaging_product": "whatsapp", "messages": [{"id": wamid}]}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


class StandIn:
    """The WhatsApp stand-in as a process of its own, spoken to over HTTP."""

    def __init__(self, *, state_dir: Path, webhook_url: str, status_delay: float) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sandbox.whatsapp", "--port", str(port)),
                *("--state-dir", str(state_dir), "--webhook-url", webhook_url),
                *("--status-delay", str(status_delay)),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._is_up)

    def _is_up(self) -> bool:
        with suppress(OSError):
            return bool(self.get("/_sandbox/health")["status"] == "ok")
        return False

    def get(self, path: str) -> Any:
        """Read one of the stand-in's own addresses."""
        with _opener.open(f"{self.url}{path}", timeout=5) as response:
            return json.load(response)

    def ledger(self) -> list[dict[str, Any]]:
        """What was really accepted, oldest first."""
        lines: list[dict[str, Any]] = self.get("/_sandbox/ledger")
        return lines

    def write(self, phone: str, text: str) -> None:
        """Let a person write to the shop."""
        body = urllib.parse.urlencode({"text": text}).encode()
        _opener.open(f"{self.url}/chat/{phone.removeprefix('+')}", data=body, timeout=5).close()

    def stop(self) -> None:
        """End the process."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)


def wait_until(condition: Callable[[], bool], *, seconds: float = 15) -> None:
    """Wait for something to become true."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
