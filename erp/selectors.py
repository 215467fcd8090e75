from dataclasses import dataclass
from datetime import datetime

from erp.models import SyncRun


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is: documents, documents a second, and, where it can be told, the share."""

    fetched: int
    rate: float
    share: float | None
    seconds_left: float | None


def run_progress(run: SyncRun, *, now: datetime) -> RunProgress:
    """Measure a run. Where no total is known, the dates of its bills tell the share."""
    started = run.started_at or run.requested_at
    seconds = max(((run.finished_at or now) - started).total_seconds(), 0.001)
    share = _share(run, started)
    left = seconds * (1 - share) / share if share and not run.finished_at else None
    return RunProgress(run.fetched, run.fetched / seconds, share, left)


def _share(run: SyncRun, started: datetime) -> float | None:
    if run.state == SyncRun.State.DONE:
        return 1.0
    if run.expected:
        return min(run.fetched / run.expected, 1.0)
    if run.first_bill_at and run.last_bill_at and run.first_bill_at < started:
        return min((run.last_bill_at - run.first_bill_at) / (started - run.first_bill_at), 1.0)
    return None
