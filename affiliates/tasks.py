import time

from celery import shared_task

from affiliates import services

_REPLAY_SLICE_S = 120.0


@shared_task
def run_plan_replays() -> None:
    """Go on with replays that wait, for at most a slice of time; the next sweep does the rest."""
    until = time.monotonic() + _REPLAY_SLICE_S
    while (left := until - time.monotonic()) > 0 and (job := services.next_plan_replay()):
        services.run_plan_replay(job=job, slice_s=left)
