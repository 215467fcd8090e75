"""What this app can be asked of customers in segments."""

from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

from django.db.models import F, Q, Sum

from customers.engine import Kind, Operator, Test
from customers.selectors import Scope, SegmentField, register_segment_field
from customers.selectors.segments import compared, figure_condition
from loyalty.engine import NEVER
from loyalty.models import Account, Lot, Program, Tier

_GROUP = "Points"
_FAR = 3660


def _figure(column: str) -> Callable[[Test, Scope], Q]:
    def condition(test: Test, scope: Scope) -> Q:
        accounts = scope.narrow(Account.objects.all())
        return figure_condition(accounts, Sum(column), test, empty=0)

    return condition


def _available(test: Test, scope: Scope) -> Q:
    accounts = scope.narrow(Account.objects.all())
    return figure_condition(accounts, Sum(F("balance") - F("held")), test, empty=0)


def _tier(test: Test, scope: Scope) -> Q:
    accounts = scope.narrow(Account.objects.filter(tier_id__in=[int(str(v)) for v in test.values]))
    inside = Q(pk__in=accounts.values("customer_id"))
    return ~inside if test.operator == Operator.NONE_OF else inside


def _tier_choices() -> list[tuple[str, str]]:
    return [(str(pk), name) for pk, name in Tier.objects.values_list("pk", "name")[:200]]


def _expiring(test: Test, scope: Scope) -> Q:
    """Points whose last usable day is within the days of the test, 30 unless it says other."""
    program = Program.objects.order_by("pk").first()
    zone = ZoneInfo(program.zone) if program else None
    today = scope.now.astimezone(zone).date()
    until = today + timedelta(days=min(test.days or 30, _FAR))
    lots = Lot.objects.filter(
        remaining__gt=0, expires_on__gte=today, expires_on__lte=until, expires_on__lt=NEVER
    )
    return figure_condition(
        scope.narrow(lots, path="account__customer_id"),
        Sum("remaining"),
        test,
        empty=0,
        customer="account__customer_id",
    )


def _opened_on(test: Test, scope: Scope) -> Q:
    accounts = scope.narrow(Account.objects.filter(compared("opened_at__date", test)))
    return Q(pk__in=accounts.values("customer_id"))


def register_fields() -> None:
    """Called from `apps.ready()`."""
    for field in (
        SegmentField(
            key="tier",
            label="tier",
            kind=Kind.CHOICE,
            group=_GROUP,
            choices=_tier_choices,
            condition=_tier,
        ),
        SegmentField(
            key="balance",
            label="points balance",
            kind=Kind.WHOLE,
            group=_GROUP,
            condition=_figure("balance"),
        ),
        SegmentField(
            key="available_points",
            label="points that can be spent",
            kind=Kind.WHOLE,
            group=_GROUP,
            condition=_available,
        ),
        SegmentField(
            key="pending_points",
            label="points on their way",
            kind=Kind.WHOLE,
            group=_GROUP,
            condition=_figure("pending"),
        ),
        SegmentField(
            key="expiring_points",
            label="points about to expire",
            kind=Kind.WHOLE,
            group=_GROUP,
            takes_days=True,
            days_words="within {days} days",
            condition=_expiring,
            help_text="Within so many days from now; 30 unless you say other.",
        ),
        SegmentField(
            key="joined_programme_on",
            label="day of the first points",
            kind=Kind.DAY,
            group=_GROUP,
            condition=_opened_on,
        ),
    ):
        register_segment_field(field)
