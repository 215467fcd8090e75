"""How affiliates do, for the back office: rollups only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Sum

from affiliates.selectors import AffiliateFigures
from loyalty.models import Program
from reports.engine import Change, Period, by_bucket
from reports.models import AffiliateDay
from reports.selectors.calendar import CENT, during

_SUMS = {
    "shares": Sum("shares", default=0),
    "clicks": Sum("clicks", default=0),
    "chats": Sum("chats", default=0),
    "bills": Sum("conversions", default=0),
    "sales": Sum("sales", default=0),
    "commission": Sum("commission", default=0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AffiliatesOverview:
    """All affiliates in a period, and in the one before."""

    period: Period
    currency: str
    now: AffiliateFigures
    before: AffiliateFigures
    columns: Sequence[date]
    sales_by_column: Sequence[Decimal]
    commission_by_column: Sequence[Decimal]

    def change(self, name: str) -> Change:
        """A figure of both periods by its name; nothing counts as 0."""
        return Change(
            Decimal(getattr(self.now, name) or 0), Decimal(getattr(self.before, name) or 0)
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all has happened in either period."""
        return self.now == self.before == AffiliateFigures()


def affiliates_overview(*, period: Period) -> AffiliatesOverview:
    """How all affiliates do; four queries, however many there are."""
    program = Program.objects.order_by("pk").first()
    rows = (
        AffiliateDay.objects.filter(during(period))
        .order_by()
        .values_list("day")
        .annotate(net=Sum("sales"), credited=Sum("commission"))
    )
    columns = by_bucket(period, ((row[0], (row[1], row[2])) for row in rows), 2)
    return AffiliatesOverview(
        period=period,
        currency=program.currency if program else settings.DEFAULT_CURRENCY,
        now=_sums(period),
        before=_sums(period.previous),
        columns=period.buckets(),
        sales_by_column=[Decimal(net) for net, _ in columns],
        commission_by_column=[Decimal(credited) for _, credited in columns],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Leader:
    """An affiliate's place among the others."""

    affiliate_id: int
    name: str
    figures: AffiliateFigures


def leaderboard(*, period: Period, limit: int = 10) -> list[Leader]:
    """Those who earned most in a period, the best first; one query."""
    rows = (
        AffiliateDay.objects.filter(during(period))
        .order_by()
        .values("affiliate_id", "affiliate__name")
        .annotate(**_SUMS)
        .order_by("-commission", "-sales", "affiliate_id")[:limit]
    )
    return [
        Leader(affiliate_id=row["affiliate_id"], name=row["affiliate__name"], figures=_figures(row))
        for row in rows
    ]


def _sums(period: Period) -> AffiliateFigures:
    return _figures(AffiliateDay.objects.filter(during(period)).aggregate(**_SUMS))


def _figures(row: Mapping[str, Any]) -> AffiliateFigures:
    values = {name: row[name] for name in _SUMS}
    for name in ("sales", "commission"):
        values[name] = Decimal(values[name]).quantize(CENT)
    return AffiliateFigures(**values)
