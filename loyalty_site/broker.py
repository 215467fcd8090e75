"""A message broker made of files, so that the embedded default needs no server.

Kombu's own filesystem transport shows readers half-written files and forgets what a killed worker
held (docs/adr/0050). Here a message appears by one rename, moves by one rename into its taker's
folder, and comes back when the taker is gone.
"""

import fcntl
import logging
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any
from urllib.parse import quote

from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)

_RECOVERY_PAUSE_S = 10
_ABANDONED_S = 60


class Spool:
    """One queue: messages wait in `ready/`, and each taker holds its own in `taken/<taker>/`.

    A taker keeps a lock on its folder. The system drops the lock when the process ends, however it
    ends, so a free lock means that nobody will finish what lies there; unlike a process id, it
    cannot be mistaken for somebody else's.
    """

    def __init__(self, folder: Path) -> None:
        self._ready = folder / "ready"
        self._taken = folder / "taken"
        self._ready.mkdir(parents=True, exist_ok=True)
        self._taken.mkdir(exist_ok=True)
        self._listed: list[str] = []
        self._mine: Path | None = None
        self._lock: int | None = None
        self._recovered_at = -float(_RECOVERY_PAUSE_S)

    def __len__(self) -> int:
        return len(self._names())

    def put(self, message: bytes) -> None:
        """Add a message; readers see it whole or not at all."""
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        part = self._ready / f".{name}"
        try:
            part.write_bytes(message)
            part.rename(self._ready / name)
        except OSError:
            part.unlink(missing_ok=True)
            raise

    def take(self) -> Path:
        """Hold the oldest message that nobody else holds.

        Raises:
            Empty: there is none.
        """
        if time.monotonic() - self._recovered_at >= _RECOVERY_PAUSE_S:
            self._recovered_at = time.monotonic()
            self.recover()
        # One listing serves until it is used up; a fresh one per message would be quadratic.
        if not self._listed:
            self._listed = sorted(self._names(), reverse=True)
        while self._listed:
            name = self._listed.pop()
            held = self._my_folder() / name
            try:
                (self._ready / name).rename(held)
            except FileNotFoundError:
                continue
            return held
        raise Empty

    def give_back(self, held: Path) -> None:
        """Put a held message back in its old place."""
        held.rename(self._ready / held.name)
        self._listed.clear()

    def recover(self) -> None:
        """Put back what dead takers held, and clear away what dead writers left half-written."""
        for folder in self._taken.glob("[!.]*"):
            with _lock_of_the_dead(folder) as is_dead:
                if is_dead:
                    for held in folder.iterdir():
                        self.give_back(held)
                    folder.rmdir()
        for part in self._ready.glob(".*"):
            try:
                if part.stat().st_mtime < time.time() - _ABANDONED_S:
                    part.unlink()
            except FileNotFoundError:
                continue

    def purge(self) -> int:
        """Remove what waits; returns how many messages that were."""
        names = self._names()
        for name in names:
            (self._ready / name).unlink(missing_ok=True)
        return len(names)

    def close(self) -> None:
        """Give back everything held; the spool can be used again."""
        if self._mine is None or self._lock is None:
            return
        for held in self._mine.iterdir():
            self.give_back(held)
        self._mine.rmdir()
        os.close(self._lock)
        self._mine = self._lock = None

    def _names(self) -> list[str]:
        return [name for name in os.listdir(self._ready) if not name.startswith(".")]

    def _my_folder(self) -> Path:
        if self._mine is None:
            # Locked under a name that nobody looks at, for an unlocked folder counts as abandoned.
            taker = uuid.uuid4().hex
            hidden = self._taken / f".{taker}"
            hidden.mkdir()
            self._lock = os.open(hidden, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._mine = hidden.rename(self._taken / taker)
        return self._mine


@contextmanager
def _lock_of_the_dead(folder: Path) -> Iterator[bool]:
    """Whether a taker's folder is abandoned; if so, nobody else clears it meanwhile."""
    try:
        lock = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        # The folder may have been cleared and removed by another process in the meantime.
        yield _locked(lock) and folder.exists()
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Channel(virtual.Channel):
    """Queues as spools. Exchanges live in memory: whoever sends or consumes declares its own."""

    def __init__(self, connection: "Transport", **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self._folder = connection.folder
        self._spools: dict[str, Spool] = {}
        self._held: dict[str, tuple[Spool, Path]] = {}

    def _spool(self, queue: str) -> Spool:
        if queue not in self._spools:
            self._spools[queue] = Spool(self._folder / quote(queue, safe=""))
        return self._spools[queue]

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        self._spool(queue).put(dumps(message).encode())

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        spool = self._spool(queue)
        while True:
            held = spool.take()
            try:
                message: dict[str, Any] = loads(held.read_bytes())
                tag = message["properties"]["delivery_tag"]
            except (ValueError, KeyError, TypeError):
                # Possible after a power cut. Whoever sent it works from rows, so dropping is safe.
                logger.warning("dropped an unreadable message of queue %s", queue)
                held.unlink()
                continue
            self._held[tag] = spool, held
            return message

    def _size(self, queue: str) -> int:
        return len(self._spool(queue))

    def _purge(self, queue: str) -> int:
        return self._spool(queue).purge()

    def _restore(self, message: virtual.Message) -> None:
        spool, held = self._held.pop(str(message.delivery_tag))
        spool.give_back(held)

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Forget a message that was dealt with."""
        super().basic_ack(delivery_tag, multiple)
        self._drop(delivery_tag)

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Return a message to its queue, or drop it."""
        super().basic_reject(delivery_tag, requeue)
        self._drop(delivery_tag)

    def _drop(self, delivery_tag: str) -> None:
        # Nothing is held any more when the message went back to its queue.
        _, held = self._held.pop(delivery_tag, (None, None))
        if held is not None:
            held.unlink(missing_ok=True)

    def close(self) -> None:
        """Give back whatever is still held."""
        super().close()
        for spool in self._spools.values():
            spool.close()
        self._spools.clear()


class Transport(virtual.Transport):
    """`safefs://`; its transport option `data_folder_in` names the folder of all queues."""

    Channel = Channel
    driver_type = driver_name = "safefs"
    default_connection_params: dict[str, Any] = {}

    def __init__(self, client: Connection, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.folder = Path((client.transport_options or {})["data_folder_in"])

    def driver_version(self) -> str:
        """There is no driver besides this module."""
        return "1"


def register() -> None:
    """Let Celery know `safefs://`."""
    TRANSPORT_ALIASES["safefs"] = f"{__name__}:Transport"
