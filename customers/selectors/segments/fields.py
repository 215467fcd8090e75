"""The fields of this app."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db.models import Avg, CharField, Count, Max, Q, QuerySet, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils import timezone

from customers.engine import (
    Kind,
    Operator,
    Test,
)
from customers.models import Consent, Customer, Purchase, PurchaseLine, RfmScore, Store
from customers.selectors.consents import consent_exists
from customers.selectors.people import Occasion, occasion_indexes
from customers.selectors.segments.conditions import compared, figure_condition, has_rows
from customers.selectors.segments.registry import Scope, SegmentField, register_segment_field

_STORES_OFFERED = 500
_YEAR = 366


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
