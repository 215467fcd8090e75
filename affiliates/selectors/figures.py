"""How far affiliates reach, and what comes of it, by day."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from affiliates.engine import MINOR_UNIT
from affiliates.models import Affiliate, CommissionEntry, Conversion, ReachDay, Touch
from customers.models import Purchase
from loyalty.models import Program

_NOTHING = Decimal("0.00")
WHATSAPP = "whatsapp"
"""The place of a touch by which somebody wrote to the shop with an affiliate's code."""


@dataclass(slots=True, kw_only=True)
class AffiliateFigures:
    """What happened for an affiliate on a day, or on many: how a share becomes commission.

    `bills` are those that earned and were not returned whole; `sales` is their net amount after
    returns, each on its own day; `commission` counts corrections too.
    """

    shares: int = 0
    clicks: int = 0
    chats: int = 0
    bills: int = 0
    sales: Decimal = _NOTHING
    commission: Decimal = _NOTHING

    def add(self, other: "AffiliateFigures") -> None:
        """Take up the figures of another day."""
        self.shares += other.shares
        self.clicks += other.clicks
        self.chats += other.chats
        self.bills += other.bills
        # SQLite adds in binary fractions.
        self.sales = (self.sales + other.sales).quantize(MINOR_UNIT)
        self.commission = (self.commission + other.commission).quantize(MINOR_UNIT)

    @property
    def conversion_rate(self) -> Decimal | None:
        """Bills for a hundred clicks and chats; None where nobody came."""
        reached = self.clicks + self.chats
        return round(Decimal(self.bills * 100) / reached, 1) if reached else None

    @property
    def return_on_spend(self) -> Decimal | None:
        """Sales for one unit of commission; None where none was paid."""
        return round(self.sales / self.commission, 1) if self.commission > 0 else None


DayFigures = dict[tuple[date, int], AffiliateFigures]


def program_zone() -> str:
    """The zone whose calendar counts where no store is concerned."""
    zone = Program.objects.order_by("pk").values_list("zone", flat=True).first()
    return zone or settings.TIME_ZONE


def figures_by_day(
    *, days: Collection[tuple[date, date]], zone: str, affiliate: Affiliate | None = None
) -> DayFigures:
    """Figures by day and affiliate, of all or of one; five queries.

    `days` are spans (first day, day after the last). Quiet days are left out.
    """
    figures: DayFigures = defaultdict(AffiliateFigures)
    info = ZoneInfo(zone)
    instants = [
        (datetime.combine(first, time.min, info), datetime.combine(after, time.min, info))
        for first, after in days
    ]

    def fill(rows: QuerySet[Any], day: TruncDate | F, whose: str, **columns: Sum | Count) -> None:
        for row in _grouped(rows, affiliate, day, whose).annotate(**columns):
            of_day = figures[row["on"], row["whose"]]
            of_day.add(AffiliateFigures(**{name: row[name] for name in columns}))

    fill(
        ReachDay.objects.filter(_within("day", days)),
        F("day"),
        "link__enrolment__affiliate",
        shares=Sum("count", filter=Q(kind=ReachDay.Kind.SHARE), default=0),
        clicks=Sum("count", filter=Q(kind=ReachDay.Kind.PERSON), default=0),
    )
    fill(
        Touch.objects.filter(_within("touched_at", instants), way=Touch.Way.CLAIM, place=WHATSAPP),
        TruncDate("touched_at", tzinfo=info),
        "enrolment__affiliate",
        chats=Count("pk"),
    )
    bills = Purchase.objects.filter(_within("occurred_at", instants))
    bill_day = TruncDate("occurred_at", tzinfo=info)
    fill(
        bills.filter(Exists(_earning().filter(purchase=OuterRef("pk")))),
        bill_day,
        "conversion__enrolment__affiliate",
        bills=Count("pk"),
        sales=Sum("net"),
    )
    fill(
        bills.filter(
            Exists(_earning().filter(purchase=OuterRef("sale"))),
            kind=Purchase.Kind.RETURN,
            status=Purchase.Status.ACTIVE,
        ),
        bill_day,
        "sale__conversion__enrolment__affiliate",
        sales=Sum("net"),
    )
    fill(
        CommissionEntry.objects.filter(_within("occurred_at", instants)),
        bill_day,
        "affiliate",
        commission=Sum("amount"),
    )
    return dict(figures)


def funnel(*, first: date, last: date, affiliate: Affiliate) -> AffiliateFigures:
    """An affiliate's figures from one day to another, both included; six queries."""
    by_day = figures_by_day(
        days=[(first, last + timedelta(days=1))], zone=program_zone(), affiliate=affiliate
    )
    return summed(by_day.values())


def recent_figures(affiliate: Affiliate) -> tuple[AffiliateFigures, AffiliateFigures]:
    """An affiliate's last thirty days, and the last 365; six queries."""
    zone = program_zone()
    after = timezone.localdate(timezone=ZoneInfo(zone)) + timedelta(days=1)
    by_day = figures_by_day(
        days=[(after - timedelta(days=365), after)], zone=zone, affiliate=affiliate
    )
    newest = [one for (day, _), one in by_day.items() if day >= after - timedelta(days=30)]
    return summed(newest), summed(by_day.values())


def summed(figures: Iterable[AffiliateFigures]) -> AffiliateFigures:
    """All of these figures together."""
    total = AffiliateFigures()
    for one in figures:
        total.add(one)
    return total


def _earning() -> QuerySet[Conversion]:
    """Bills that earned for whoever brought them and were not given back whole or refused."""
    earned = CommissionEntry.objects.filter(conversion=OuterRef("pk"))
    return Conversion.objects.filter(Exists(earned), state=Conversion.State.QUALIFIED).exclude(
        review=Conversion.Review.REFUSED
    )


def _within(field: str, spans: Iterable[tuple[date, date]]) -> Q:
    within = Q(pk__in=[])
    for start, end in spans:
        within |= Q(**{f"{field}__gte": start, f"{field}__lt": end})
    return within


def _grouped(
    rows: QuerySet[Any], affiliate: Affiliate | None, day: TruncDate | F, whose: str
) -> QuerySet[Any]:
    if affiliate is not None:
        rows = rows.filter(**{whose: affiliate})
    grouped: QuerySet[Any] = rows.order_by().annotate(on=day, whose=F(whose))
    return grouped.values("on", "whose")
