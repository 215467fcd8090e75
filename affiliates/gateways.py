"""The click journal: files on this machine that hold clicks until the database has them.

A process appends to a file of its own, one `write(2)` a line, before it answers. What was written
survives the death of the process in any way; a thread brings it to the disk and closes the file
within `SEAL_S`, so that is what a loss of power may cost. An open file is locked (`flock`, which
ends with its process), so whoever can lock a file knows that nobody writes to it any more.
"""

import fcntl
import os
import secrets
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SEAL_S = 1.0
_ENDING = ".log"


class ClickJournal:
    """The writing side; one in each process, shared by its threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._file: int | None = None
        os.register_at_fork(after_in_child=self._forget)

    def append(self, text: str) -> None:
        """Write one line of text without line ends.

        Raises:
            OSError: it is not written; nothing of it will be read back.
        """
        line = f"{zlib.crc32(text.encode()):08x} {text}\n".encode()
        with self._lock:
            if self._file is None:
                self._file = self._open()
            try:
                written = os.write(self._file, line)
                if written != len(line):
                    raise OSError(f"only {written} of {len(line)} bytes were written")
            except OSError:
                # What may stand there of the line is damaged; the next one gets a new file.
                os.close(self._file)
                self._file = None
                raise

    def seal(self) -> None:
        """Bring what was written to the disk, and let readers have it."""
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def _open(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        while True:
            name = f"{time.time_ns():020d}-{secrets.token_hex(4)}{_ENDING}"
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
            file = os.open(self.folder / name, flags, 0o600)
            # A reader may have come between, and removes the empty file.
            if _locks(file, fcntl.LOCK_SH):
                break
            os.close(file)
        timer = threading.Timer(SEAL_S, self.seal)
        timer.daemon = True
        timer.start()
        return file

    def _forget(self) -> None:
        """In a forked child: the file is the parent's, and so may be the lock's holder."""
        self._lock = threading.Lock()
        if self._file is not None:
            os.close(self._file)
            self._file = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a closed file holds: whole lines in their order, and how many were damaged."""

    path: Path
    lines: tuple[str, ...]
    damaged: int


@contextmanager
def claimed_sheets(folder: Path, *, limit: int) -> Iterator[list[Sheet]]:
    """The oldest files that nobody writes to, held against other readers until the end.

    Files are removed when the block ends without an exception; otherwise they stay.
    """
    held: list[int] = []
    sheets: list[Sheet] = []
    try:
        for path in sorted(folder.glob(f"*{_ENDING}")):
            if len(sheets) == limit:
                break
            file = _claim(path)
            if file is not None:
                held.append(file)
                sheets.append(_read(path, file))
        yield sheets
        for sheet in sheets:
            sheet.path.unlink(missing_ok=True)
    finally:
        for file in held:
            os.close(file)


def _claim(path: Path) -> int | None:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    if _locks(file, fcntl.LOCK_EX):
        return file
    os.close(file)
    return None


def _locks(file: int, kind: int) -> bool:
    """Whether a lock is ours now, on a file that is still there."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(file).st_nlink > 0


def _read(path: Path, file: int) -> Sheet:
    with os.fdopen(os.dup(file), "rb") as stream:
        parts = stream.read().split(b"\n")
    # After the last line end comes nothing, or what was torn off.
    texts = [_checked(part) for part in parts if part]
    lines = tuple(text for text in texts if text is not None)
    return Sheet(path, lines, damaged=len(texts) - len(lines))


def _checked(line: bytes) -> str | None:
    """The text of a line whose check sum holds."""
    check, _blank, text = line.partition(b" ")
    if check != f"{zlib.crc32(text):08x}".encode():
        return None
    try:
        return text.decode()
    except UnicodeDecodeError:
        return None
