"""The message broker, only ever used to wake a worker early: a lost wake-up costs seconds."""

import logging
import threading
from queue import SimpleQueue

from celery import current_app
from django.conf import settings

logger = logging.getLogger(__name__)


class Waker:
    """Sends wake-ups from a thread of its own, so that no request waits for the broker.

    Equal wake-ups that are still waiting are sent once. The thread starts on first use, so each
    forked process has its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[tuple[str, tuple[str, ...]]] = set()
        self._queue: SimpleQueue[tuple[str, tuple[str, ...]]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def wake(self, task: str, *args: str) -> None:
        """Ask for a task to run soon. Never raises, never waits."""
        if not settings.WAKE_WORKERS:
            return
        with self._lock:
            if (task, args) in self._waiting:
                return
            self._waiting.add((task, args))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="waker", daemon=True)
                self._thread.start()
        self._queue.put((task, args))

    def _run(self) -> None:
        while True:
            task, args = self._queue.get()
            with self._lock:
                self._waiting.discard((task, args))
            try:
                current_app.send_task(task, args=args, retry=False, expires=60)
            except Exception as error:  # noqa: BLE001 - any broker trouble: the sweep will do it
                logger.warning("wake-up of %s not sent: %s", task, type(error).__name__)


_waker = Waker()
wake = _waker.wake
