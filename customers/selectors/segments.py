"""Who meets a condition: the registry of fields, and conditions as one query.

An upper app adds what it knows of customers from its `apps.ready()`::

    register_segment_field(SegmentField(
        key="balance", label="points balance", kind=Kind.WHOLE, group="Points", condition=...))

`condition` turns a test into a `Q` over customers. It must decide by subqueries or columns, never
by reading rows, so that a segment stays one query.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from operator import and_, or_
from typing import Any

from django.conf import settings
from django.db.models import Aggregate, Avg, CharField, Count, Max, Q, QuerySet, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils import timezone

from customers.engine import (
    AllOf,
    AnyOf,
    Condition,
    FieldSpec,
    Kind,
    Not,
    Operator,
    Test,
    describe,
    parse,
)
from customers.errors import SegmentNotFoundError
from customers.models import Consent, Customer, Purchase, PurchaseLine, RfmScore, Segment, Store
from customers.selectors.consents import consent_exists
from customers.selectors.people import Occasion, occasion_indexes

_SAMPLE = 10
_STORES_OFFERED = 500
_YEAR = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """When is asked, and of whom: None means everybody."""

    now: datetime
    customer_ids: tuple[int, ...] | None = None

    def narrow(self, rows: QuerySet[Any], path: str = "customer_id") -> QuerySet[Any]:
        """Only rows of the customers in question; keeps the subqueries of a batch small."""
        return (
            rows if self.customer_ids is None else rows.filter(**{f"{path}__in": self.customer_ids})
        )

    def days_ago(self, days: int) -> datetime:
        """The moment so many days ago."""
        return self.now - timedelta(days=days)

    def start_of_day(self, days_ago: int) -> datetime:
        """The beginning of the shop's day so many days ago."""
        today = timezone.localtime(self.now).replace(hour=0, minute=0, second=0, microsecond=0)
        return today - timedelta(days=days_ago)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentField(FieldSpec):
    """A field with the way it is looked up."""

    condition: Callable[[Test, Scope], Q]


_fields: dict[str, SegmentField] = {}


def register_segment_field(field: SegmentField) -> None:
    """Add a field, or replace the one of that key; called from `apps.ready()`."""
    _fields[field.key] = field


def segment_fields() -> Mapping[str, SegmentField]:
    """Every registered field by its key."""
    return _fields


# --- asking -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPreview:
    """How many customers meet a condition, out of how many, and some of them."""

    count: int
    total: int
    sample: tuple[Customer, ...]

    @property
    def percent(self) -> Decimal:
        """The share in percent, to one decimal place."""
        return round(Decimal(100 * self.count) / self.total, 1) if self.total else Decimal(0)


def get_segment(segment_id: int) -> Segment:
    """A segment by its number.

    Raises:
        SegmentNotFoundError: there is none.
    """
    segment = Segment.objects.filter(pk=segment_id).first()
    if segment is None:
        raise SegmentNotFoundError()
    return segment


def segment_sentence(definition: Mapping[str, Any]) -> str:
    """A written condition in words.

    Raises:
        InvalidSegmentError: it is not understood, for a field that is no longer registered.
    """
    return describe(parse(definition, _fields), _fields)


def segment_members(
    definition: Mapping[str, Any],
    *,
    now: datetime | None = None,
    customer_ids: Collection[int] | None = None,
) -> QuerySet[Customer]:
    """The customers who meet a written condition, as one query.

    Raises:
        InvalidSegmentError: the condition is not understood.
    """
    ids = None if customer_ids is None else tuple(customer_ids)
    scope = Scope(now=now or timezone.now(), customer_ids=ids)
    members = scope.narrow(Customer.objects.live(), path="pk")
    return members.filter(_compile(parse(definition, _fields), scope))


def preview_segment(
    definition: Mapping[str, Any], *, now: datetime | None = None
) -> SegmentPreview:
    """Count and a few members of a written condition; three queries.

    Raises:
        InvalidSegmentError: the condition is not understood.
    """
    members = segment_members(definition, now=now)
    return SegmentPreview(
        count=members.count(),
        total=Customer.objects.live().count(),
        sample=tuple(members.select_related("home_store").order_by("-pk")[:_SAMPLE]),
    )


def members_of(
    segments: Iterable[Segment], customer_ids: Collection[int], *, now: datetime | None = None
) -> dict[int, set[int]]:
    """Which of the customers each segment holds, by segment id; one query for each segment."""
    now = now or timezone.now()
    return {
        segment.pk: set(
            segment_members(segment.definition, now=now, customer_ids=customer_ids).values_list(
                "pk", flat=True
            )
        )
        if customer_ids
        else set()
        for segment in segments
    }


def segments_of_customers(
    customer_ids: Collection[int], segment_ids: Collection[int], *, now: datetime | None = None
) -> dict[int, frozenset[int]]:
    """Which of the segments each customer is in, by customer id.

    One query, and one more for each segment. Segments that are no more hold nobody.
    """
    found: dict[int, set[int]] = defaultdict(set)
    if customer_ids and segment_ids:
        segments = Segment.objects.filter(pk__in=segment_ids)
        for segment_id, members in members_of(segments, customer_ids, now=now).items():
            for customer_id in members:
                found[customer_id].add(segment_id)
    return {customer_id: frozenset(found[customer_id]) for customer_id in customer_ids}


def _compile(condition: Condition, scope: Scope) -> Q:
    match condition:
        case AllOf(parts):
            return reduce(and_, (_compile(part, scope) for part in parts))
        case AnyOf(parts):
            return reduce(or_, (_compile(part, scope) for part in parts))
        case Not(part):
            # A plain negation would lose those for whom the part is unknown (NULL).
            held = scope.narrow(Customer.objects.all(), path="pk").filter(_compile(part, scope))
            return ~Q(pk__in=held.values("pk"))
        case Test():
            return _fields[condition.field].condition(condition, scope)


# --- what fields are made of --------------------------------------------------------------------


def compared(path: str, test: Test) -> Q:
    """A column or annotation compared with the test's values."""
    match test.operator:
        case Operator.AT_LEAST | Operator.SINCE:
            return Q(**{f"{path}__gte": test.values[0]})
        case Operator.AT_MOST | Operator.UNTIL:
            return Q(**{f"{path}__lte": test.values[0]})
        case Operator.BETWEEN:
            return Q(**{f"{path}__range": test.values})
        case Operator.NONE_OF:
            return ~Q(**{f"{path}__in": test.values})
        case Operator.YES:
            return Q(**{path: True})
        case Operator.NO:
            return ~Q(**{path: True})
        case _:
            return Q(**{f"{path}__in": test.values})


def figure_condition(
    rows: QuerySet[Any], figure: Aggregate, test: Test, *, empty: Any, customer: str = "customer_id"
) -> Q:
    """A figure over rows per customer, compared; `empty` is the figure of who has no rows.

    One aggregation over the rows, joined by set, not one look-up for each customer.
    """
    figures = rows.order_by().values(customer).annotate(_figure=figure)
    if test.matches(empty):
        return ~Q(pk__in=figures.exclude(compared("_figure", test)).values(customer))
    return Q(pk__in=figures.filter(compared("_figure", test)).values(customer))


def has_rows(rows: QuerySet[Any], test: Test, *, customer: str = "customer_id") -> Q:
    """Whether a customer has any of the rows; the values were already applied to them."""
    having = Q(pk__in=rows.order_by().values(customer))
    return ~having if test.operator in (Operator.NONE_OF, Operator.NO) else having


def _column(path: str) -> Callable[[Test, Scope], Q]:
    return lambda test, scope: compared(path, test)


def _bills(test: Test, scope: Scope) -> QuerySet[Purchase]:
    bills = scope.narrow(
        Purchase.objects.filter(status=Purchase.Status.ACTIVE, customer__isnull=False)
    )
    return bills.filter(occurred_at__gt=scope.days_ago(test.days)) if test.days else bills


_SALES = Q(kind=Purchase.Kind.SALE)


def _spend(test: Test, scope: Scope) -> Q:
    return figure_condition(_bills(test, scope), Sum("net"), test, empty=Decimal(0))


def _frequency(test: Test, scope: Scope) -> Q:
    return figure_condition(_bills(test, scope).filter(_SALES), Count("pk"), test, empty=0)


def _average_bill(test: Test, scope: Scope) -> Q:
    return figure_condition(_bills(test, scope).filter(_SALES), Avg("net"), test, empty=None)


def _recency(test: Test, scope: Scope) -> Q:
    """Whole days since the last bill, by the shop's calendar."""
    last = _bills(test, scope).filter(_SALES).order_by().values("customer_id")
    last = last.annotate(_last=Max("occurred_at"))
    low, high = _range(test)
    if high is not None:
        last = last.filter(_last__gte=scope.start_of_day(high))
    if low is not None and low > 0:
        last = last.filter(_last__lt=scope.start_of_day(low - 1))
    return Q(pk__in=last.values("customer_id"))


def _registered_days(test: Test, scope: Scope) -> Q:
    low, high = _range(test)
    condition = Q()
    if high is not None:
        condition &= Q(created_at__gte=scope.start_of_day(high))
    if low is not None and low > 0:
        condition &= Q(created_at__lt=scope.start_of_day(low - 1))
    return condition


def _range(test: Test) -> tuple[int | None, int | None]:
    """The test as bounds of a number of days, both inclusive."""
    values = [max(-1, min(int(value), 36_600)) for value in test.values]  # type: ignore[arg-type]
    match test.operator:
        case Operator.AT_LEAST:
            return values[0], None
        case Operator.AT_MOST:
            return None, values[0]
        case _:
            return values[0], values[-1]


def _registered_on(test: Test, scope: Scope) -> Q:
    return compared("created_at__date", test)


def _birthday(test: Test, scope: Scope) -> Q:
    """Days until the next birthday, today counting as 0; looked up by keyed hashes."""
    today = timezone.localtime(scope.now).date()
    days = [today + timedelta(days=ahead) for ahead in range(_YEAR) if test.matches(ahead)]
    indexes = {index for day in days for index in occasion_indexes(Occasion.BIRTHDAY, day)}
    return Q(birthday_index__in=sorted(indexes))


def _bought_at(test: Test, scope: Scope) -> Q:
    bills = _bills(test, scope).filter(_SALES)
    return has_rows(bills.filter(store__code__in=test.values), test)


def _bought_category(test: Test, scope: Scope) -> Q:
    """A category or one below it."""
    wanted = Q()
    for value in test.values:
        wanted |= Q(product__category__iexact=value) | Q(product__category__istartswith=f"{value}/")
    lines = PurchaseLine.objects.filter(wanted, purchase__in=_bills(test, scope).filter(_SALES))
    return has_rows(lines, test, customer="purchase__customer_id")


def _bought_brand(test: Test, scope: Scope) -> Q:
    wanted = Q()
    for value in test.values:
        wanted |= Q(product__brand__iexact=value)
    lines = PurchaseLine.objects.filter(wanted, purchase__in=_bills(test, scope).filter(_SALES))
    return has_rows(lines, test, customer="purchase__customer_id")


def _home_store(test: Test, scope: Scope) -> Q:
    inside = Q(home_store__code__in=test.values)
    if test.operator == Operator.NONE_OF:
        return Q(home_store__isnull=True) | ~inside
    return inside


def _city(test: Test, scope: Scope) -> Q:
    wanted = Q()
    for value in test.values:
        wanted |= Q(city__iexact=value)
    return ~wanted if test.operator == Operator.NONE_OF else wanted


def _attribute(test: Test, scope: Scope) -> Q:
    """An attribute's value, as a text."""
    return _among_attributes(test.key, Q(_value__in=[str(v) for v in test.values]), test, scope)


def _tag(test: Test, scope: Scope) -> Q:
    """One of the texts in the list `tags` of a customer's attributes."""
    wanted = Q()
    for value in test.values:
        # One database keeps other alphabets as they are, the other escapes them.
        for is_escaped in (True, False):
            wanted |= Q(_value__contains=json.dumps(value, ensure_ascii=is_escaped))
    return _among_attributes("tags", wanted, test, scope)


def _among_attributes(key: str, wanted: Q, test: Test, scope: Scope) -> Q:
    value = Cast(KT(f"attributes__{key}"), CharField())
    having = Customer.objects.alias(_value=value).filter(wanted)
    inside = Q(pk__in=scope.narrow(having, path="pk").values("pk"))
    return ~inside if test.operator == Operator.NONE_OF else inside


def _consent(test: Test, scope: Scope) -> Q:
    """The last word on a channel and purpose, written like `whatsapp:marketing`."""
    allowed = Q()
    for value in test.values:
        channel, _, purpose = str(value).partition(":")
        allowed |= Q(consent_exists("pk", channel=channel, purpose=purpose))
    return ~allowed if test.operator == Operator.NONE_OF else allowed


def _consent_choices() -> list[tuple[str, str]]:
    return [
        (f"{channel}:{purpose}", f"{channel.label}: {purpose.label}")
        for channel in Consent.Channel
        for purpose in Consent.Purpose
    ]


def _store_choices() -> list[tuple[str, str]]:
    return list(Store.objects.order_by("name").values_list("code", "name")[:_STORES_OFFERED])


def _language_choices() -> list[tuple[str, str]]:
    return [(code, str(name)) for code, name in settings.LANGUAGES]


def _rfm(column: str) -> Callable[[Test, Scope], Q]:
    def condition(test: Test, scope: Scope) -> Q:
        scores = scope.narrow(RfmScore.objects.filter(compared(column, test)))
        return Q(pk__in=scores.values("customer_id"))

    return condition


_BUYING, _PERSON, _RFM = "Buying", "Customer", "RFM"
for _field in (
    SegmentField(
        key="recency",
        label="days since the last purchase",
        kind=Kind.WHOLE,
        group=_BUYING,
        condition=_recency,
        help_text="Who never bought is never meant.",
    ),
    SegmentField(
        key="bills",
        label="number of purchases",
        kind=Kind.WHOLE,
        group=_BUYING,
        takes_days=True,
        condition=_frequency,
    ),
    SegmentField(
        key="spend",
        label="amount spent",
        kind=Kind.AMOUNT,
        group=_BUYING,
        takes_days=True,
        condition=_spend,
        help_text="Without tax, returns taken off.",
    ),
    SegmentField(
        key="average_bill",
        label="average bill",
        kind=Kind.AMOUNT,
        group=_BUYING,
        takes_days=True,
        condition=_average_bill,
    ),
    SegmentField(
        key="bought_at",
        label="bought at",
        kind=Kind.CHOICE,
        group=_BUYING,
        takes_days=True,
        choices=_store_choices,
        condition=_bought_at,
    ),
    SegmentField(
        key="bought_category",
        label="bought from category",
        kind=Kind.TEXT,
        group=_BUYING,
        takes_days=True,
        condition=_bought_category,
        help_text="As the products name it, like Grocery/Tea; what lies below counts too.",
    ),
    SegmentField(
        key="bought_brand",
        label="bought brand",
        kind=Kind.TEXT,
        group=_BUYING,
        takes_days=True,
        condition=_bought_brand,
    ),
    SegmentField(
        key="home_store",
        label="home store",
        kind=Kind.CHOICE,
        group=_PERSON,
        choices=_store_choices,
        condition=_home_store,
    ),
    SegmentField(key="city", label="city", kind=Kind.TEXT, group=_PERSON, condition=_city),
    SegmentField(
        key="language",
        label="language",
        kind=Kind.CHOICE,
        group=_PERSON,
        choices=_language_choices,
        condition=_column("language"),
    ),
    SegmentField(
        key="attribute",
        label="attribute",
        kind=Kind.TEXT,
        group=_PERSON,
        takes_key="attribute",
        condition=_attribute,
        help_text="A note of yours, by its name.",
    ),
    SegmentField(
        key="tag",
        label="tag",
        kind=Kind.TEXT,
        group=_PERSON,
        condition=_tag,
    ),
    SegmentField(
        key="birthday",
        label="days until the birthday",
        kind=Kind.WHOLE,
        group=_PERSON,
        condition=_birthday,
        help_text="0 is today.",
    ),
    SegmentField(
        key="registered_days",
        label="days since registration",
        kind=Kind.WHOLE,
        group=_PERSON,
        condition=_registered_days,
    ),
    SegmentField(
        key="registered_on",
        label="day of registration",
        kind=Kind.DAY,
        group=_PERSON,
        condition=_registered_on,
    ),
    SegmentField(
        key="consent",
        label="allows messages",
        kind=Kind.CHOICE,
        group=_PERSON,
        choices=_consent_choices,
        condition=_consent,
    ),
    SegmentField(
        key="rfm_recency",
        label="recency score (1 to 5)",
        kind=Kind.WHOLE,
        group=_RFM,
        condition=_rfm("recency"),
        help_text="5 bought most recently.",
    ),
    SegmentField(
        key="rfm_frequency",
        label="frequency score (1 to 5)",
        kind=Kind.WHOLE,
        group=_RFM,
        condition=_rfm("frequency"),
        help_text="5 bought most often.",
    ),
    SegmentField(
        key="rfm_spend",
        label="spend score (1 to 5)",
        kind=Kind.WHOLE,
        group=_RFM,
        condition=_rfm("spend"),
        help_text="5 spent most.",
    ),
):
    register_segment_field(_field)
