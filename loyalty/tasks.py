import time
from datetime import date

import structlog
from celery import shared_task
from django.db import transaction
from django.utils import timezone

from loyalty import services
from loyalty.models import Program
from loyalty.selectors import verify_ledger, verify_seals
from loyalty_site.outbox.services import claim_period

logger = structlog.get_logger(__name__)

_SLICE_S = 240.0
_REPLAY_SLICE_S = 120.0


@shared_task
def run_nightly_jobs() -> None:
    """Do what is undone of today's jobs, once each programme's new day has begun.

    Runs often; after the first time on a day it finds everything done. It stops after a slice of
    time, and the next call goes on.
    """
    until = time.monotonic() + _SLICE_S
    for program in Program.objects.order_by("pk"):
        services.run_nightly(
            program=program,
            on=program.day_of(timezone.now()),
            keep_going=lambda: time.monotonic() < until,
        )


@shared_task
def release_overdue_holds() -> None:
    """Free points that were set aside for redemptions which nobody completed in time."""
    for program in Program.objects.order_by("pk"):
        services.release_overdue_holds(program=program, now=timezone.now())


@shared_task
def verify_ledger_daily() -> None:
    """Seal the finished days, check the ledger's promises once a day and log every broken one."""
    with transaction.atomic():
        if not claim_period(job="verify_ledger", period=str(date.today())):
            return
    services.seal_days(now=timezone.now())
    for fault in (*verify_ledger(), *verify_seals()):
        logger.error("ledger promise broken", promise=fault.promise, subject=fault.subject)


@shared_task
def expire_reservations() -> None:
    """Let go of what was reserved and not fetched within its 15 minutes."""
    while services.expire_reservations():
        pass


@shared_task
def expire_vouchers() -> None:
    """End vouchers whose last day is over in their programme's zone."""
    for program in Program.objects.order_by("pk"):
        today = program.day_of(timezone.now())
        while services.expire_vouchers(on=today, program_id=program.pk):
            pass


@shared_task(name=services.MAKE_TASK)
def make_voucher_codes() -> None:
    """Make the codes that were asked for; a call that was cut off is continued by the next one."""
    while services.make_codes():
        pass


@shared_task
def run_replays() -> None:
    """Go on with replays that wait, for at most a slice of time; the next sweep does the rest."""
    until = time.monotonic() + _REPLAY_SLICE_S
    while (left := until - time.monotonic()) > 0 and (job := services.next_replay()):
        services.run_replay(job=job, slice_s=left)


@shared_task
def claim_bills_by_phone() -> None:
    """Give waiting bills to customers who have the phone on them now."""
    while services.claim_waiting_bills():
        pass


@shared_task
def settle_referrals() -> None:
    """Give the points of friends whose first bill is final; give up on those who did not buy."""
    while services.review_due_referrals():
        pass
