"""`manage.py up`, the real one, on an SQLite file of its own."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.test_nginx import free_port

pytestmark = [pytest.mark.faults, pytest.mark.integration]
ROOT = Path(__file__).resolve().parent.parent.parent


class Up:
    """A running `manage.py up` without stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._output = folder / "output"
        outside = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "ERP_HOST")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--without-sandbox", "--port", str(self.port)],
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if name not in outside},
                "VAR_DIR": str(folder / "var"),
                "WAKE_WORKERS": "true",
            },
            stdout=self._output.open("w"),
            stderr=subprocess.STDOUT,
        )

    def output(self) -> str:
        return self._output.read_text()

    def children(self) -> dict[str, int]:
        """Process ids by what the processes are."""
        found: dict[str, int] = {}
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in pids.split():
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            for name in ("gunicorn", "worker", "beat"):
                if name in words:
                    found[name] = int(pid)
        return found


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path)
    yield running
    running.process.terminate()
    running.process.wait(timeout=20)


def wait_for(holds: Callable[[], bool], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "took too long"
        time.sleep(0.1)


def test_it_starts_survives_a_killed_worker_and_ends_without_orphans(up: Up) -> None:
    wait_for(lambda: "Ctrl-C stops everything" in up.output())
    with urllib.request.urlopen(f"http://127.0.0.1:{up.port}/readyz", timeout=5) as answer:
        assert answer.status == 200
    wait_for(lambda: set(up.children()) == {"gunicorn", "worker", "beat"})
    killed = up.children()["worker"]
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: up.children().get("worker", killed) != killed, 20)
    assert "worker stopped (signal 9); starting it again in 1 s." in up.output()
    children = up.children()
    up.process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    up.process.wait(timeout=20)
    assert time.monotonic() - begin < 10
    assert up.process.returncode == 0
    assert up.output().endswith("Stopped.\n")
    assert not any(Path(f"/proc/{pid}").exists() for pid in children.values())
