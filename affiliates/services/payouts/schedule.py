"""Batches that the calendar makes; people submit and approve them as any other."""

from datetime import date, datetime

from django.db import transaction
from django.utils import timezone

from affiliates.engine import Method
from affiliates.errors import NothingToPayError
from affiliates.models import PayoutBatch, PayoutPolicy
from affiliates.selectors import payout_policy
from affiliates.services.payouts.batches import make_batch
from loyalty_site.outbox.services import claim_period

_JOB = "affiliates.payouts"
_DAYS_TO_CATCH_UP = 3


def make_scheduled_batches(*, now: datetime | None = None) -> list[PayoutBatch]:
    """Make the batches of this week or month, one for each method, once.

    Runs often; after the first time in a period it finds everything done. A day that was missed
    is made up for within three days. Must not run inside a transaction.

    Raises:
        NoTaxRateError: tax is to be withheld, and no rate is known.
    """
    now = now or timezone.now()
    period = _period(payout_policy().schedule, timezone.localdate(now))
    if period is None:
        return []
    made = [_make_once(method, period, now) for method in Method]
    return [batch for batch in made if batch is not None]


def _period(schedule: str, on: date) -> str | None:
    """The week or month whose batches are to be made today; None: not today."""
    if schedule == PayoutPolicy.Schedule.WEEKLY and on.weekday() < _DAYS_TO_CATCH_UP:
        year, week, _day = on.isocalendar()
        return f"{year}-W{week:02}"
    if schedule == PayoutPolicy.Schedule.MONTHLY and on.day <= _DAYS_TO_CATCH_UP:
        return f"{on:%Y-%m}"
    return None


@transaction.atomic
def _make_once(method: Method, period: str, now: datetime) -> PayoutBatch | None:
    if not claim_period(job=_JOB, period=f"{period}:{method}"):
        return None
    try:
        with transaction.atomic():
            return make_batch(method=method, acting_user=None, now=now)
    except NothingToPayError:
        return None
