"""Real threads with their own database connections."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def run_together(jobs: Sequence[Callable[[], T]]) -> list[T | BaseException]:
    """Start all jobs at one moment, each in a thread; answers or exceptions, in order."""
    barrier = threading.Barrier(len(jobs))
    answers: list[T | BaseException] = [RuntimeError("did not run")] * len(jobs)

    def run(place: int, job: Callable[[], T]) -> None:
        try:
            barrier.wait(timeout=30)
            answers[place] = job()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            answers[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place, job)) for place, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return answers
