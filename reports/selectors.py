"""Reads for dashboards and reports: rollups only, never bills or ledgers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Q, QuerySet, Sum, Value
from django.utils import timezone
from django.utils.translation import gettext as _

from affiliates.models import Dispute, HeldConversion
from customers.models import Store
from erp.models import Connection, Quarantine
from loyalty.models import Program
from loyalty_site.outbox.models import Delivery
from messaging.models import Channel, Message, WebhookBody
from reports.engine import Change, Period, by_bucket, local_day
from reports.models import (
    AffiliateDay,
    MemberDay,
    PointsDay,
    RegistrationDay,
    SalesDay,
    TemplateDay,
)

_CENT = Decimal("0.01")


def program_zone() -> str:
    """The zone whose calendar counts where no store is concerned."""
    zone = Program.objects.order_by("pk").values_list("zone", flat=True).first()
    return zone or settings.TIME_ZONE


def stores() -> QuerySet[Store]:
    """The branches to choose from."""
    return Store.objects.order_by("name", "pk").only("pk", "name", "code")


# --- The dashboard ----------------------------------------------------------------------------


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
        now=Count("customer", filter=_during(period), distinct=True),
        before=Count("customer", filter=_during(period.previous), distinct=True),
    )
    affiliates = AffiliateDay.objects.filter(day__range=both).aggregate(
        **_sums(period, "commission", "conversions")
    )
    messages = TemplateDay.objects.filter(day__range=both).aggregate(
        **_sums(period, "queued", "sent", "delivered", "read", "failed")
    )
    totals = sum((F(name) for name in _MOVEMENTS[1:]), F(_MOVEMENTS[0]))
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
        sales=Change(net.now.quantize(_CENT), net.before.quantize(_CENT)),
        bills=bills,
        active_members=_pair(members),
        issued=issued,
        redeemed=redeemed,
        liability=Change(
            (open_points["now"] * value).quantize(_CENT),
            (open_points["before"] * value).quantize(_CENT),
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


_MOVEMENTS = ("awarded", "redeemed", "expired", "clawed_back", "reversed", "adjusted")


def _during(period: Period) -> Q:
    return Q(day__range=(period.first, period.last))


def _sums(period: Period, *names: str) -> dict[str, Any]:
    return {
        f"{name}_{when}": Sum(name, filter=_during(days), default=0)
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


# --- What needs a person ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """Rows that wait for a person, and the admin list that shows them."""

    key: str
    title: str
    advice: str
    rows: QuerySet[Any]
    model: str
    filters: dict[str, str]

    @property
    def permission(self) -> str:
        """What one needs to be shown it."""
        app, model = self.model.split(".")
        return f"{app}.view_{model}"


@dataclass(frozen=True, slots=True)
class Attention:
    """A concern that has rows now."""

    concern: Concern
    count: int


def concerns() -> list[Concern]:
    """Everything that the dashboard watches, the most urgent first."""
    return [
        Concern(
            key="channels",
            title=_("WhatsApp numbers stopped"),
            advice=_("No messages go out until this is put right."),
            rows=Channel.objects.filter(state=Channel.State.STOPPED),
            model="messaging.channel",
            filters={"state__exact": "stopped"},
        ),
        Concern(
            key="connections",
            title=_("ERP connections stopped"),
            advice=_("No bills come in until this is put right."),
            rows=Connection.objects.filter(state=Connection.State.NEEDS_ATTENTION),
            model="erp.connection",
            filters={"state__exact": "needs_attention"},
        ),
        Concern(
            key="parked",
            title=_("Events that could not be handled"),
            advice=_("Ten tries failed. Look at the reason, then try again."),
            rows=Delivery.objects.filter(state=Delivery.State.PARKED),
            model="outbox.delivery",
            filters={"state__exact": "parked"},
        ),
        Concern(
            key="set_aside",
            title=_("ERP documents set aside"),
            advice=_("They could not be read. Correct the mapping, then try them again."),
            rows=Quarantine.objects.filter(state=Quarantine.State.OPEN),
            model="erp.quarantine",
            filters={"state__exact": "open"},
        ),
        Concern(
            key="unconfirmed",
            title=_("Messages without confirmation"),
            advice=_("WhatsApp's answer was lost. They are not sent again by themselves."),
            rows=Message.objects.filter(state=Message.State.UNCONFIRMED),
            model="messaging.message",
            filters={"state__exact": "unconfirmed"},
        ),
        Concern(
            key="held_commissions",
            title=_("Commissions held"),
            advice=_("Something looked odd. Release or refuse them; until then nothing is paid."),
            rows=HeldConversion.objects.filter(
                review=HeldConversion.Review.OPEN, enrolment__isnull=False
            ),
            model="affiliates.heldconversion",
            filters={},
        ),
        Concern(
            key="disputes",
            title=_("Questions of affiliates"),
            advice=_("Somebody misses a commission and waits for an answer."),
            rows=Dispute.objects.filter(state=Dispute.State.OPEN),
            model="affiliates.dispute",
            filters={"state__exact": "open"},
        ),
        Concern(
            key="webhooks",
            title=_("WhatsApp notices that could not be read"),
            advice=_("They are kept and can be applied again."),
            rows=WebhookBody.objects.filter(state=WebhookBody.State.PARKED),
            model="messaging.webhookbody",
            filters={"state__exact": "parked"},
        ),
    ]


def attention(watched: Sequence[Concern]) -> list[Attention]:
    """Those concerns that have rows, in one query."""
    if not watched:
        return []
    counts = [
        concern.rows.order_by()
        .annotate(concern=Value(concern.key))
        .values("concern")
        .annotate(count=Count("pk"))
        for concern in watched
    ]
    found = {row["concern"]: row["count"] for row in counts[0].union(*counts[1:], all=True)}
    return [Attention(concern, found[concern.key]) for concern in watched if found.get(concern.key)]


# --- Figures per day --------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class DailyFigures:
    """One day of the shop, or of one store. Points are signed as in the ledger.

    Affiliates, messages and registrations belong to no store: with a store they are None.
    """

    day: date
    bills: int = 0
    returns: int = 0
    net_sales: Decimal = Decimal("0.00")
    lines: int = 0
    customers: int = 0
    points_awarded: int = 0
    points_redeemed: int = 0
    points_expired: int = 0
    points_clawed_back: int = 0
    points_reversed: int = 0
    points_adjusted: int = 0
    new_customers: int | None = 0
    conversions: int | None = 0
    commission: Decimal | None = Decimal("0.00")
    messages_sent: int | None = 0
    messages_delivered: int | None = 0

    def leave_out_shop_wide(self) -> None:
        """Forget the figures that belong to no store."""
        self.new_customers = self.conversions = self.commission = None
        self.messages_sent = self.messages_delivered = None


_SALES_COLUMNS = {
    "bills": "bills",
    "returns": "returns",
    "net_sales": "net",
    "lines": "lines",
    "customers": "customers",
}
_POINTS_COLUMNS = {f"points_{name}": name for name in _MOVEMENTS}
_AFFILIATE_COLUMNS = {"conversions": "conversions", "commission": "commission"}
_MESSAGE_COLUMNS = {"messages_sent": "sent", "messages_delivered": "delivered"}


def daily_figures(*, first: date, last: date, store_id: int | None = None) -> list[DailyFigures]:
    """One row a day from `first` to `last`, quiet days included; five queries at most."""
    period = Period(first, last)
    of_store = Q(store_id=store_id) if store_id else Q()
    days = {
        day: DailyFigures(day=day)
        for day in (first + timedelta(days=index) for index in range(period.days))
    }
    sources: list[tuple[QuerySet[Any], dict[str, str]]] = [
        (SalesDay.objects.filter(of_store), _SALES_COLUMNS),
        (PointsDay.objects.filter(of_store), _POINTS_COLUMNS),
    ]
    if store_id:
        for figures in days.values():
            figures.leave_out_shop_wide()
    else:
        sources += [
            (RegistrationDay.objects.all(), {"new_customers": "customers"}),
            (AffiliateDay.objects.all(), _AFFILIATE_COLUMNS),
            (TemplateDay.objects.all(), _MESSAGE_COLUMNS),
        ]
    for rows, columns in sources:
        sums = {f"sum_{name}": Sum(column) for name, column in columns.items()}
        for row in rows.filter(_during(period)).order_by().values("day").annotate(**sums):
            for name in columns:
                figure = row[f"sum_{name}"]
                is_money = isinstance(figure, Decimal)
                setattr(days[row["day"]], name, figure.quantize(_CENT) if is_money else figure)
    return list(days.values())


def today() -> date:
    """The shop's present day."""
    return local_day(timezone.now(), program_zone())
