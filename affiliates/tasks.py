import time

from celery import shared_task

from affiliates import services

_SLICE_S = 60.0


@shared_task
def drain_clicks() -> None:
    """Bring noted clicks into the database, for at most a slice of time."""
    until = time.monotonic() + _SLICE_S
    while services.drain_journal().files and time.monotonic() < until:
        pass


@shared_task
def prune_old_clicks() -> None:
    """Remove the rows of old clicks; the counts of their days stay."""
    while services.prune_clicks():
        pass


_REPLAY_SLICE_S = 120.0


@shared_task
def run_plan_replays() -> None:
    """Go on with replays that wait, for at most a slice of time; the next sweep does the rest."""
    until = time.monotonic() + _REPLAY_SLICE_S
    while (left := until - time.monotonic()) > 0 and (job := services.next_plan_replay()):
        services.run_plan_replay(job=job, slice_s=left)


@shared_task
def make_scheduled_payouts() -> None:
    """Make the week's or month's batches once, if the shop's rules for payouts say so."""
    services.make_scheduled_batches()
