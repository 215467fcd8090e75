"""Nightly jobs: each once per day of the programme, in order, in bites that may be cut off."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from loyalty.errors import JobBusyError, JobOverError
from loyalty.models import JobRun, Program
from loyalty.services.periodic import awards, notices, pending, upkeep
from loyalty.services.periodic.steps import Step
from loyalty_site.outbox.gateways import wake
from loyalty_site.staff.models import User

logger = structlog.get_logger(__name__)

NIGHTLY_TASK = "loyalty.tasks.run_nightly_jobs"
LEASE = timedelta(minutes=5)
BITE = 1000

# The order matters: points become usable before they may expire, and tiers are lowered before
# points of theirs expire; a review sees what all of them left.
JOBS: Mapping[JobRun.Job, Step] = {
    JobRun.Job.ACTIVATE: pending.ACTIVATE,
    JobRun.Job.CANCEL: pending.CANCEL,
    JobRun.Job.TIER_PERIODS: upkeep.TIER_PERIODS,
    JobRun.Job.EXPIRE: upkeep.EXPIRE,
    JobRun.Job.TIER_REVIEW: upkeep.TIER_REVIEW,
    JobRun.Job.BIRTHDAYS: awards.BIRTHDAYS,
    JobRun.Job.ANNIVERSARIES: awards.ANNIVERSARIES,
    JobRun.Job.NOTICES: notices.NOTICES,
}


def run_nightly(
    *,
    program: Program,
    on: date,
    keep_going: Callable[[], bool] = lambda: True,
    limit: int = BITE,
) -> bool:
    """Do what is still undone of a day's jobs, in order; True if all are done.

    Each bite of up to `limit` accounts commits with the place it reached, so a process may die
    anywhere: the next call goes on from there. A job that another process has, that failed, or
    for which `keep_going` left no time, ends the call; the jobs behind it wait.
    """
    JobRun.objects.bulk_create(
        [JobRun(program=program, job=job, on=on) for job in JOBS], ignore_conflicts=True
    )
    return all(_run(program, job, on, keep_going, limit) for job in JOBS)


def _run(
    program: Program, job: JobRun.Job, on: date, keep_going: Callable[[], bool], limit: int
) -> bool:
    run = _claim(program, job, on)
    if run is None:
        done = JobRun.objects.filter(program=program, job=job, on=on, state=JobRun.State.DONE)
        return done.exists()
    try:
        if not run.position:
            JobRun.objects.filter(pk=run.pk).update(total=JOBS[job].count(program, on))
        while not (is_done := _bite(run, program, limit)) and keep_going():
            pass
    except Exception as error:  # the worker's edge: recorded, and tried again by the next run
        logger.exception("nightly job failed", job=job.value, on=str(on))
        JobRun.objects.filter(pk=run.pk).update(
            state=JobRun.State.FAILED,
            error=f"{type(error).__name__}: {error}"[:2000],
            leased_until=None,
        )
        return False
    if not is_done:
        JobRun.objects.filter(pk=run.pk, state=JobRun.State.RUNNING).update(leased_until=None)
    return is_done


def _claim(program: Program, job: JobRun.Job, on: date) -> JobRun | None:
    """Take a run that is not done and that nobody has; one conditional update decides."""
    now = timezone.now()
    free = JobRun.objects.filter(program=program, job=job, on=on).filter(
        ~Q(state=JobRun.State.DONE), Q(leased_until=None) | Q(leased_until__lte=now)
    )
    taken = free.update(
        state=JobRun.State.RUNNING,
        leased_until=now + LEASE,
        started_at=Coalesce("started_at", now),
        tries=F("tries") + 1,
        error="",
    )
    return JobRun.objects.get(program=program, job=job, on=on) if taken else None


@transaction.atomic
def _bite(claimed: JobRun, program: Program, limit: int) -> bool:
    """Do one bite and note how far it came, together; True when nothing is left."""
    run = JobRun.objects.select_for_update().get(pk=claimed.pk)
    if run.state != JobRun.State.RUNNING:
        return run.state == JobRun.State.DONE
    now = timezone.now()
    bite = JOBS[JobRun.Job(run.job)].take(
        program=program, on=run.on, now=now, after=run.position, limit=limit
    )
    run.done += bite.taken
    run.position = max(run.position, bite.position)
    run.leased_until = now + LEASE
    for name, count in bite.figures.items():
        run.figures[name] = run.figures.get(name, 0) + count
    if not bite.taken:
        run.state, run.finished_at, run.leased_until = JobRun.State.DONE, now, None
    run.save(update_fields=["done", "position", "leased_until", "figures", "state", "finished_at"])
    return run.state == JobRun.State.DONE


@transaction.atomic
def restart_job(*, run: JobRun, acting_user: User | None = None) -> JobRun:
    """Let a job of today run again from the start; what it did already is not done twice.

    Raises:
        JobBusyError: it is running.
        JobOverError: it is of another day.
    """
    now = timezone.now()
    locked = JobRun.objects.select_for_update(of=("self",)).select_related("program").get(pk=run.pk)
    if locked.on != locked.program.day_of(now):
        raise JobOverError()
    if locked.leased_until and locked.leased_until > now:
        raise JobBusyError()
    locked.state, locked.position, locked.done, locked.error = JobRun.State.WAITING, 0, 0, ""
    locked.started_at = locked.finished_at = locked.leased_until = None
    locked.save()
    logger.info(
        "nightly job asked for", job=locked.job, user=acting_user.pk if acting_user else None
    )
    transaction.on_commit(lambda: wake(NIGHTLY_TASK))
    return locked


def ask_for_nightly_jobs() -> None:
    """Wake a worker for what is undone of today's jobs; a lost wake-up costs minutes."""
    wake(NIGHTLY_TASK)
