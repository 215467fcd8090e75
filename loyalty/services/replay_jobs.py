"""Replays as jobs: claimed with a lease, run in slices, stopped, finished. For any kind of row."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from loyalty.errors import ReplayFinishedError, TooManyReplaysError
from loyalty.models import Replay

MOST_DAYS = 1100
MOST_OPEN = 10
_LEASE = timedelta(seconds=60)
_SAVE_EVERY_S = 2.0
_MOST_ATTEMPTS = 5
_OPEN = (Replay.State.QUEUED, Replay.State.RUNNING)

Job = TypeVar("Job", bound=Replay)


class Run(Protocol):
    """A replay as it goes."""

    done: int

    def take_chunk(self) -> bool:
        """Compute some more bills; False when there are none left."""

    def to_json(self) -> dict[str, Any]:
        """What a later run goes on from."""

    def result(self) -> dict[str, Any]:
        """The figures."""


def refuse_too_many(kind: type[Replay]) -> None:
    """Keep the queue short.

    Raises:
        TooManyReplaysError: too many wait already.
    """
    open_count = kind._default_manager.filter(state__in=_OPEN).count()
    if open_count >= MOST_OPEN:
        raise TooManyReplaysError(count=open_count)


@transaction.atomic
def cancel_job(job: Job) -> Job:
    """Stop a replay that waits or runs; what it had found is dropped.

    Raises:
        ReplayFinishedError: it is over already.
    """
    locked = type(job)._default_manager.select_for_update().get(pk=job.pk)
    if locked.state not in _OPEN:
        raise ReplayFinishedError()
    locked.state = Replay.State.CANCELLED
    locked.finished_at = timezone.now()
    locked.progress = {}
    locked.save(update_fields=["state", "finished_at", "progress"])
    return locked


def claim_job(kind: type[Job], *, with_row: str, now: datetime | None = None) -> Job | None:
    """The oldest replay that waits, or whose worker vanished, with its `with_row`; None if none."""
    now = now or timezone.now()
    due = Q(state=Replay.State.QUEUED) | Q(state=Replay.State.RUNNING, leased_until__lt=now)
    with transaction.atomic():
        job = (
            kind._default_manager.filter(due)
            .order_by("pk")
            .select_for_update(skip_locked=True, of=("self",))
            .select_related(with_row)
            .first()
        )
        if job is None:
            return None
        job.attempts += 1
        job.state, job.leased_until = Replay.State.RUNNING, now + _LEASE
        if job.attempts > _MOST_ATTEMPTS:
            job.state, job.finished_at = Replay.State.FAILED, now
            job.error = "It was cut off again and again."
        job.save(update_fields=["attempts", "state", "leased_until", "error", "finished_at"])
    if job.state == Replay.State.RUNNING:
        return job
    return claim_job(kind, with_row=with_row, now=now)


def run_job(job: Job, run: Run, *, slice_s: float) -> Job:
    """Go on until the replay is done, stopped, or its slice of time is over."""
    started = saved = time.monotonic()
    while run.take_chunk():
        now = time.monotonic()
        if now - started >= slice_s:
            return _save(job, run, state=Replay.State.QUEUED)
        if now - saved >= _SAVE_EVERY_S:
            if _save(job, run).state != Replay.State.RUNNING:
                return job
            saved = now
    return finish_job(job, Replay.State.DONE, result=run.result(), done=run.done)


def _save(job: Job, run: Run, *, state: str = Replay.State.RUNNING) -> Job:
    """Write the progress down, unless somebody stopped the job meanwhile."""
    job.state, job.done, job.progress = state, run.done, run.to_json()
    job.leased_until = timezone.now() + _LEASE
    written = (
        type(job)
        ._default_manager.filter(pk=job.pk, state=Replay.State.RUNNING)
        .update(
            state=state,
            done=job.done,
            progress=job.progress,
            leased_until=job.leased_until,
            attempts=0 if state == Replay.State.QUEUED else job.attempts,
        )
    )
    if not written:
        job.refresh_from_db()
    return job


def finish_job(
    job: Job, state: str, *, result: Mapping[str, Any] | None = None, **changes: Any
) -> Job:
    """Close a running replay with what came out."""
    type(job)._default_manager.filter(pk=job.pk, state=Replay.State.RUNNING).update(
        state=state,
        result=result or {},
        progress={},
        leased_until=None,
        finished_at=timezone.now(),
        **changes,
    )
    job.refresh_from_db()
    return job
