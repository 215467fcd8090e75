import time

from celery import shared_task

from reports import services

_SLICE_S = 20


@shared_task
def recompute_rollups() -> None:
    """Bring the figures of changed days up to date, for at most a slice of time."""
    until = time.monotonic() + _SLICE_S
    while services.recompute_dirty_days() and time.monotonic() < until:
        pass
