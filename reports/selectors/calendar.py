"""Days and places that every figure is counted by."""

from datetime import date
from decimal import Decimal

from django.db.models import Q, QuerySet
from django.utils import timezone

from affiliates.selectors import program_zone
from customers.models import Store
from reports.engine import Period, local_day

CENT = Decimal("0.01")


def stores() -> QuerySet[Store]:
    """The branches to choose from."""
    return Store.objects.order_by("name", "pk").only("pk", "name", "code")


def today() -> date:
    """The shop's present day."""
    return local_day(timezone.now(), program_zone())


def during(period: Period) -> Q:
    """Rows of the days of a period."""
    return Q(day__range=(period.first, period.last))
