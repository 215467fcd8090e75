"""The nginx configuration, run for real in front of two gunicorn replicas."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
CONFIGURATION = Path(__file__).resolve().parent.parent / "deploy" / "nginx"
# Answers with what it was sent; /die ends the process before any answer.
REPLICA = """
import json, os

def application(environ, start_response):
    if environ["PATH_INFO"] == "/die":
        with open("died", "a") as file:
            file.write(environ["REQUEST_METHOD"] + "\\n")
        os._exit(1)
    body = {name: value for name, value in environ.items() if isinstance(value, str)}
    body["pid"] = os.getppid()
    body["length"] = len(environ["wsgi.input"].read())
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]
"""


@dataclass
class Site:
    """nginx on a port of its own, and the folder in which the replicas run."""

    port: int
    folder: Path

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request; returns the answer's status, headers and body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body or None, {"Host": "shop.test"} | (headers or {}))
        answer = connection.getresponse()
        received = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return received


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for_port(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if NGINX is None:
        pytest.skip("needs the program nginx")
    folder = tmp_path_factory.mktemp("nginx")
    shutil.copytree(CONFIGURATION, folder / "conf")
    (folder / "replica.py").write_text(REPLICA)
    port, *replicas = (free_port() for _ in range(3))
    main = folder / "conf" / "nginx.conf"
    text = main.read_text().replace("listen 8000;", f"listen 127.0.0.1:{port};")
    main.write_text(text.replace("/dev/stdout", f"{folder}/access.log"))
    servers = "".join(f"server 127.0.0.1:{replica} max_fails=0;" for replica in replicas)
    (folder / "conf" / "upstream.conf").write_text(
        f'upstream replicas {{ {servers} }}\nmap "" $backend {{ default http://replicas; }}\n'
    )
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    (folder / "conf" / "extra" / "temporary.conf").write_text(
        "".join(f"{name}_temp_path {folder}/{name};\n" for name in temporary)
    )
    with ExitStack() as stack:
        for replica in replicas:
            command = [
                sys.executable,
                "-m",
                "gunicorn",
                "replica",
                "--bind",
                f"127.0.0.1:{replica}",
            ]
            start(stack, [*command, "--no-control-socket", "--log-level", "error"], folder)
            wait_for_port(replica)
        # nginx run by root would hand its work to a user who may not read the test's folder.
        user = "user root;" if os.geteuid() == 0 else ""
        settings = f"daemon off; pid {folder}/pid; {user}"
        start(
            stack, [NGINX, "-p", f"{folder}", "-c", f"{main}", "-g", settings, "-e", "err"], folder
        )
        wait_for_port(port)
        yield Site(port, folder)


def start(stack: ExitStack, command: list[str], folder: Path) -> None:
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)


def received(site: Site, headers: dict[str, str] | None = None) -> dict[str, str]:
    """The WSGI environment that a replica was given."""
    status, _, body = site.request("GET", "/", headers=headers)
    assert status == 200
    found: dict[str, str] = json.loads(body)
    return found


def test_the_shipped_configuration_is_valid() -> None:
    if NGINX is None:
        pytest.skip("needs the program nginx")
    command = [NGINX, "-t", "-c", str(CONFIGURATION / "nginx.conf"), "-e", "/dev/null"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "syntax is ok" in checked.stderr


def test_requests_reach_both_replicas(site: Site) -> None:
    assert len({received(site)["pid"] for _ in range(10)}) == 2


@pytest.mark.security
def test_what_a_client_claims_about_itself_is_overwritten(site: Site) -> None:
    claims = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "ftp",
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Port": "1",
        "X-Real-IP": "203.0.113.9",
        "Forwarded": "for=203.0.113.9",
        "X-Request-ID": "chosen",
    }
    seen = received(site, claims)
    assert seen["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert seen["HTTP_X_FORWARDED_PROTO"] == "https"
    assert seen["HTTP_HOST"] == "shop.test"
    assert len(seen["HTTP_X_REQUEST_ID"]) == 32
    for name in ("HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT", "HTTP_X_REAL_IP"):
        assert name not in seen
    assert "HTTP_FORWARDED" not in seen


def test_a_body_of_4_mb_passes_and_a_larger_one_does_not(site: Site) -> None:
    assert site.request("POST", "/webhooks/whatsapp/", b"x" * 4 * 1024 * 1024)[0] == 200
    assert site.request("POST", "/webhooks/whatsapp/", b"x" * (4 * 1024 * 1024 + 1))[0] == 413


def test_metrics_are_not_public(site: Site) -> None:
    assert site.request("GET", "/metrics")[0] == 404


def test_a_write_is_never_delivered_twice_but_a_read_may_be(site: Site) -> None:
    for method, tries in (("POST", 1), ("GET", 2)):
        (site.folder / "died").write_text("")
        status, headers, body = site.request(method, "/die", b"x" if method == "POST" else b"")
        assert status == 503
        assert headers["Retry-After"] == "5"
        assert headers["Content-Type"] == "application/problem+json"
        assert b'"code":"unavailable"' in body
        assert (site.folder / "died").read_text().split() == [method] * tries


def test_a_flood_from_one_address_is_slowed_down_but_webhooks_are_not(site: Site) -> None:
    time.sleep(1)
    statuses = [site.request("GET", "/")[0] for _ in range(400)]
    assert 429 in statuses
    assert {site.request("POST", "/webhooks/whatsapp/", b"{}")[0] for _ in range(200)} == {200}


def test_query_strings_are_not_logged(site: Site) -> None:
    site.request("GET", "/r/abc?token=private")
    time.sleep(0.1)
    assert "private" not in (site.folder / "access.log").read_text()
