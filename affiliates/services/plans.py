"""Plans and their versions."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from affiliates.engine import Kind
from affiliates.errors import (
    InvalidTermsError,
)
from affiliates.models import Plan, PlanVersion
from loyalty_site.staff.models import User


@transaction.atomic
def publish_plan(
    *,
    plan: Plan,
    kind: Kind,
    rate: Decimal,
    hold_days: int,
    valid_from: datetime | None = None,
    acting_user: User | None = None,
) -> PlanVersion:
    """Give a plan its next version: `rate` is a percentage, or an amount of money a bill.

    Bills made before `valid_from` (default: now) keep the earlier version; so do orders that
    were attributed already.

    Raises:
        InvalidTermsError: the rate is not above zero, or a percentage is above 100.
    """
    if rate <= 0:
        raise InvalidTermsError(field="rate", problem="The rate must be above zero.")
    if kind == Kind.PERCENT and rate > 100:
        raise InvalidTermsError(field="rate", problem="A percentage cannot be above 100.")
    locked = Plan.objects.select_for_update().get(pk=plan.pk)
    newest = locked.versions.aggregate(number=Max("number"))["number"] or 0
    return PlanVersion.objects.create(
        plan=locked,
        number=newest + 1,
        kind=kind,
        rate=rate,
        hold_days=hold_days,
        valid_from=valid_from or timezone.now(),
        published_by=acting_user,
    )
