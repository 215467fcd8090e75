"""The supervisor, run for real in a process of its own with small stub programs."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.faults

SUPERVISOR = """
import os, sys
from pathlib import Path
from loyalty_site.common.supervisor import Program, Supervisor, python

folder = Path(sys.argv[1])

def write(text):
    print(text, flush=True)

def stub(name, code):
    return Program(name=name, command=python("-u", "-c", code), environment=os.environ)

with Supervisor(folder=folder, log_folder=folder / "log", write=write, is_coloured=False) as it:
    {body}
write("Stopped.")
"""
# Stub programs; those that note their pid do it when they are ready.
STEADY = "import time; print('up'); time.sleep(60)"
NOTING = """
import os, time
from pathlib import Path
Path(f"pid-{os.getpid()}").touch()
time.sleep(60)
"""
STUBBORN = f"""
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
{NOTING}
"""
WITH_CHILD = f"""
import subprocess, sys
from pathlib import Path
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
Path(f"pid-{{child.pid}}").touch()
{NOTING}
"""


class Running:
    """A supervisor under test: its output so far, and the pids that its stubs wrote down."""

    def __init__(self, folder: Path, body: str) -> None:
        self.folder = folder
        self._output = folder / "output"
        code = SUPERVISOR.format(body=textwrap.indent(textwrap.dedent(body), "    ").strip())
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdout=self._output.open("w"),
            stderr=subprocess.STDOUT,
        )

    def output(self) -> str:
        return self._output.read_text()

    def pids(self) -> list[int]:
        return [int(path.name.removeprefix("pid-")) for path in self.folder.glob("pid-*")]

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Send a signal; returns the seconds until the end."""
        begin = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=15)
        return time.monotonic() - begin


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    started: list[Running] = []

    def start(body: str) -> Running:
        started.append(Running(tmp_path, body))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        for pid in running.pids():
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(holds: Callable[[], bool], seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "took too long"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_every_process_and_leaves_no_orphan(
    supervise: Callable[[str], Running], number: int
) -> None:
    running = supervise(
        f"""
        it.start(stub("one", {WITH_CHILD!r}))
        it.start(stub("two", {WITH_CHILD!r}))
        it.wait_until(lambda: False)
        """
    )
    wait_for(lambda: len(running.pids()) == 4)
    assert running.stop(number) < 10
    assert running.process.returncode == 0
    assert running.output().splitlines()[-2:] == ["Stopping …", "Stopped."]
    assert not any(is_alive(pid) for pid in running.pids())


def test_a_process_that_will_not_end_is_killed_within_ten_seconds(
    supervise: Callable[[str], Running],
) -> None:
    running = supervise(
        f"""
        it.start(stub("stubborn", {STUBBORN!r}))
        it.wait_until(lambda: False)
        """
    )
    wait_for(lambda: len(running.pids()) == 1)
    assert 7 < running.stop() < 10
    assert not is_alive(running.pids()[0])


def test_a_second_signal_does_not_wait(supervise: Callable[[str], Running]) -> None:
    running = supervise(
        f"""
        it.start(stub("stubborn", {STUBBORN!r}))
        it.wait_until(lambda: False)
        """
    )
    wait_for(lambda: len(running.pids()) == 1)
    running.process.send_signal(signal.SIGINT)
    wait_for(lambda: "Stopping" in running.output())
    assert running.stop(signal.SIGINT) < 3
    assert not is_alive(running.pids()[0])


def test_a_process_that_dies_is_started_again_and_it_says_so(
    supervise: Callable[[str], Running],
) -> None:
    running = supervise(
        """
        it.start(stub("brief", "print('no luck'); raise SystemExit(3)"))
        it.wait_until(lambda: False)
        """
    )
    wait_for(lambda: "starting it again in 2 s" in running.output())
    running.stop()
    lines = running.output().splitlines()
    assert lines[:2] == [
        "    brief │ no luck",
        "brief stopped (exit code 3); starting it again in 1 s.",
    ]
    assert (running.folder / "log" / "brief.log").read_text() == "no luck\n" * 2


def test_kill_9_of_a_process_brings_it_back_at_once(supervise: Callable[[str], Running]) -> None:
    running = supervise(
        f"""
        it.start(stub("worker", {NOTING!r}))
        it.wait_until(lambda: False)
        """
    )
    wait_for(lambda: len(running.pids()) == 1)
    os.kill(running.pids()[0], signal.SIGKILL)
    wait_for(lambda: len(running.pids()) == 2, 5)
    running.stop()
    assert "worker stopped (signal 9); starting it again in 1 s." in running.output()


def test_logs_are_prefixed_and_kept(supervise: Callable[[str], Running]) -> None:
    running = supervise(
        f"""
        it.is_talkative = True
        it.start(stub("web", {STEADY!r}))
        it.wait_until(lambda: False)
        """
    )
    wait_for(lambda: "up" in running.output())
    running.stop()
    assert "      web │ up" in running.output().splitlines()
    assert (running.folder / "log" / "web.log").read_text() == "up\n"


def test_a_foreground_program_prints_by_itself_and_returns_its_code(
    supervise: Callable[[str], Running],
) -> None:
    running = supervise(
        f"""
        it.start(stub("web", {STEADY!r}))
        write(str(it.run(stub("sync", "print('half'); raise SystemExit(5)"))))
        """
    )
    running.process.wait(timeout=15)
    assert running.output().splitlines() == ["half", "5", "Stopped."]


def test_a_signal_during_a_foreground_program_ends_it(
    supervise: Callable[[str], Running],
) -> None:
    running = supervise(
        f"""
        it.run(stub("sync", {NOTING!r}))
        """
    )
    wait_for(lambda: len(running.pids()) == 1)
    assert running.stop() < 5
    assert not is_alive(running.pids()[0])


def test_waiting_gives_up_after_its_time(supervise: Callable[[str], Running]) -> None:
    running = supervise("write(str(it.wait_until(lambda: False, timeout_s=0.2)))")
    running.process.wait(timeout=15)
    assert running.output().splitlines() == ["False", "Stopped."]


def test_a_taken_port_is_named_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=rf"port {port} \(web\)\. Nothing was started"):
            call_command("up", port=port, without_sandbox=True)
