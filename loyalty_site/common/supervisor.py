"""Keeps a few processes running side by side on one machine, and stops them together."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

_COLOURS = (36, 32, 33, 35, 34, 96, 92)
_STOP_S = 8
_LONGEST_PAUSE_S = 30
_HEALTHY_S = 60
_LOG_BYTES = 10 * 1024 * 1024
_TAIL_LINES = 8
_TICK_S = 0.1


class Stopped(Exception):
    """Somebody asked the supervisor to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run: a short name for the logs, the command, and its whole environment."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass
class _Child:
    program: Program
    colour: int
    process: subprocess.Popen[bytes] | None = None
    reader: threading.Thread | None = None
    started_at: float = 0.0
    starts_at: float = 0.0
    failures: int = 0
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL_LINES))


class Supervisor:
    """Use as a context: leaving it, also by SIGINT, SIGTERM or SIGHUP, ends every process.

    Each process leads a group of its own, so nothing that it started can stay behind. What a
    process prints goes to `<log_folder>/<name>.log` and, once `is_talkative` is set, to `write`.
    """

    def __init__(
        self, *, folder: Path, log_folder: Path, write: Callable[[str], None], is_coloured: bool
    ) -> None:
        self.is_talkative = False
        self._folder = folder
        self._log_folder = log_folder
        self._write = write
        self._is_coloured = is_coloured
        self._print_lock = threading.Lock()
        self._children: list[_Child] = []
        self._signals_seen = 0

    def __enter__(self) -> Self:
        self._log_folder.mkdir(parents=True, exist_ok=True)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if kind is Stopped:
            self.say("Stopping …")
        self._stop_all()
        return kind is Stopped

    def start(self, program: Program) -> None:
        """Start a process that is to run until the end; it is started again when it dies."""
        child = _Child(program, colour=_COLOURS[len(self._children) % len(_COLOURS)])
        self._children.append(child)
        self._launch(child)

    def run(self, program: Program, *, output: IO[bytes] | None = None) -> int:
        """Run a process to its end in the foreground and return its exit code.

        It prints to the terminal, or into `output`.

        Raises:
            Stopped: the process was ended half-way.
        """
        process = self._spawn(program, output)
        try:
            self.wait_until(lambda: process.poll() is not None)
        finally:
            _end([process])
        return process.returncode

    def wait_until(self, holds: Callable[[], bool], *, timeout_s: float = float("inf")) -> bool:
        """Look after the processes until a condition holds; False when that took too long.

        Raises:
            Stopped: a signal came.
        """
        until = time.monotonic() + timeout_s
        while not holds():
            if self._signals_seen:
                raise Stopped
            if time.monotonic() > until:
                return False
            self._revive()
            time.sleep(_TICK_S)
        return True

    def say(self, text: str) -> None:
        """Print a line of the supervisor's own."""
        with self._print_lock:
            self._write(text)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals_seen += 1

    def _spawn(self, program: Program, output: IO[bytes] | int | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603
            program.command,
            cwd=self._folder,
            env=program.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            start_new_session=True,
        )

    def _launch(self, child: _Child) -> None:
        child.started_at = time.monotonic()
        child.process = self._spawn(child.program, subprocess.PIPE)
        child.reader = threading.Thread(
            target=self._copy_output, args=(child, child.process.stdout), daemon=True
        )
        child.reader.start()

    def _copy_output(self, child: _Child, stream: IO[bytes]) -> None:
        path = self._log_folder / f"{child.program.name}.log"
        if path.exists() and path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab", buffering=0) as log, stream:
            for line in stream:
                log.write(line)
                text = line.decode(errors="replace").rstrip()
                child.tail.append(text)
                if self.is_talkative:
                    self._print(child, text)

    def _print(self, child: _Child, text: str) -> None:
        prefix = f"{child.program.name:>9} │"
        if self._is_coloured:
            prefix = f"\x1b[{child.colour}m{prefix}\x1b[0m"
        self.say(f"{prefix} {text}")

    def _revive(self) -> None:
        for child in self._children:
            if child.process is None:
                if time.monotonic() >= child.starts_at:
                    self._launch(child)
            elif (code := child.process.poll()) is not None:
                self._bury(child, child.process, code)

    def _bury(self, child: _Child, process: subprocess.Popen[bytes], code: int) -> None:
        now = time.monotonic()
        _end([process])
        child.process = None
        child.failures = 1 if now - child.started_at > _HEALTHY_S else child.failures + 1
        pause = min(2 ** (child.failures - 1), _LONGEST_PAUSE_S)
        child.starts_at = now + pause
        reason = f"signal {-code}" if code < 0 else f"exit code {code}"
        if not self.is_talkative:
            for text in list(child.tail):
                self._print(child, text)
        self.say(f"{child.program.name} stopped ({reason}); starting it again in {pause} s.")

    def _stop_all(self) -> None:
        signals_before = self._signals_seen
        running = [child.process for child in self._children if child.process is not None]
        # A second signal means that whoever sent it does not want to wait.
        _end(running, is_urgent=lambda: self._signals_seen > signals_before)
        for child in self._children:
            if child.reader is not None:
                child.reader.join(timeout=1)


def _end(
    processes: list[subprocess.Popen[bytes]], *, is_urgent: Callable[[], bool] = lambda: False
) -> None:
    """Ask processes to end, newest first; kill what is left of their groups after a while."""
    for process in reversed(processes):
        process.terminate()
    until = time.monotonic() + _STOP_S
    while any(process.poll() is None for process in processes):
        if is_urgent() or time.monotonic() > until:
            break
        time.sleep(0.05)
    for process in processes:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        finally:
            process.wait()


def python(*arguments: str) -> tuple[str, ...]:
    """A command run by this very interpreter."""
    return (sys.executable, *arguments)
