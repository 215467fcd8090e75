"""The dashboard's figures: rollups only, never bills or ledgers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Q, Sum

from loyalty.models import Program
from reports.engine import Change, Period, by_bucket
from reports.models import (
    AffiliateDay,
    MemberDay,
    PointsDay,
    SalesDay,
    TemplateDay,
)
from reports.selectors.calendar import CENT, during


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything the dashboard shows; sums of the period beside those of the one before.

    `liability` is what the open points are worth at the end of either period. Points,
    sales and members follow the store; affiliates, messages and liability are the whole shop's.
    """

    period: Period
    currency: str
    sales: Change
    bills: Change
    active_members: Change
    issued: Change
    redeemed: Change
    liability: Change
    commission: Change
    conversions: Change
    queued: Change
    sent: Change
    delivered: Change
    read: Change
    failed: Change
    columns: Sequence[date]
    sales_by_column: Sequence[Decimal]
    members_by_column: Sequence[int]
    issued_by_column: Sequence[int]
    redeemed_by_column: Sequence[int]

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all has happened in either period."""
        figures = (self.bills, self.issued, self.redeemed, self.queued, self.commission)
        return not any(figure.now or figure.before for figure in figures)


def overview(*, period: Period, store_id: int | None = None) -> Overview:
    """The dashboard's figures in seven queries, however much there is."""
    program = Program.objects.order_by("pk").first()
    both = (period.previous.first, period.last)
    of_store = Q(store_id=store_id) if store_id else Q()
    sales = list(
        SalesDay.objects.filter(of_store, day__range=both)
        .values_list("day")
        .annotate(net=Sum("net"), bills=Sum("bills"), customers=Sum("customers"))
    )
    points = list(
        PointsDay.objects.filter(of_store, day__range=both)
        .values_list("day")
        .annotate(awarded=Sum("awarded"), redeemed=-Sum("redeemed"))
    )
    members = MemberDay.objects.filter(of_store, day__range=both, bills__gt=0).aggregate(
        now=Count("customer", filter=during(period), distinct=True),
        before=Count("customer", filter=during(period.previous), distinct=True),
    )
    affiliates = AffiliateDay.objects.filter(day__range=both).aggregate(
        **_sums(period, "commission", "conversions")
    )
    messages = TemplateDay.objects.filter(day__range=both).aggregate(
        **_sums(period, "queued", "sent", "delivered", "read", "failed")
    )
    totals = sum((F(name) for name in MOVEMENTS[1:]), F(MOVEMENTS[0]))
    open_points = PointsDay.objects.aggregate(
        now=Sum(totals, filter=Q(day__lte=period.last), default=0),
        before=Sum(totals, filter=Q(day__lte=period.previous.last), default=0),
    )
    value = program.point_value if program else Decimal(0)
    net, bills = (_change(period, sales, index) for index in (1, 2))
    issued, redeemed = (_change(period, points, index) for index in (1, 2))
    sales_columns = by_bucket(period, ((row[0], (row[1], row[3])) for row in sales), 2)
    points_columns = by_bucket(period, ((row[0], row[1:]) for row in points), 2)
    return Overview(
        period=period,
        currency=program.currency if program else settings.DEFAULT_CURRENCY,
        sales=Change(net.now.quantize(CENT), net.before.quantize(CENT)),
        bills=bills,
        active_members=_pair(members),
        issued=issued,
        redeemed=redeemed,
        liability=Change(
            (open_points["now"] * value).quantize(CENT),
            (open_points["before"] * value).quantize(CENT),
        ),
        **{name: _pair(affiliates, name) for name in ("commission", "conversions")},
        **{
            name: _pair(messages, name)
            for name in ("queued", "sent", "delivered", "read", "failed")
        },
        columns=period.buckets(),
        sales_by_column=[Decimal(net) for net, _ in sales_columns],
        members_by_column=[int(members) for _, members in sales_columns],
        issued_by_column=[int(issued) for issued, _ in points_columns],
        redeemed_by_column=[int(redeemed) for _, redeemed in points_columns],
    )


MOVEMENTS = ("awarded", "redeemed", "expired", "clawed_back", "reversed", "adjusted")


def _sums(period: Period, *names: str) -> dict[str, Any]:
    return {
        f"{name}_{when}": Sum(name, filter=during(days), default=0)
        for name in names
        for when, days in (("now", period), ("before", period.previous))
    }


def _pair(sums: dict[str, Any], name: str = "") -> Change:
    prefix = f"{name}_" if name else ""
    return Change(Decimal(sums[f"{prefix}now"]), Decimal(sums[f"{prefix}before"]))


def _change(period: Period, rows: Sequence[tuple[Any, ...]], index: int) -> Change:
    now = sum((Decimal(row[index]) for row in rows if row[0] in period), Decimal(0))
    before = sum((Decimal(row[index]) for row in rows if row[0] not in period), Decimal(0))
    return Change(now, before)
