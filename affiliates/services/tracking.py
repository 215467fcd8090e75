"""Leads, sales and returns that a web shop or another system reports.

A sale becomes a bill, named by its source and order id like any other: sent twice, or sent by
the ERP as well, it is one bill. Here it has one line; the ERP's own picture of it counts more and
is never overwritten. What the report said of affiliates stays with the order as a touch.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, Sum
from django.utils import timezone

from affiliates.engine import MINOR_UNIT, normal_code
from affiliates.errors import (
    ClickNotFoundError,
    CodeNotFoundError,
    NobodyNamedError,
    ReturnExceedsSaleError,
    SaleNotFoundError,
)
from affiliates.models import Click, CommissionEntry, Conversion, Enrolment, Touch
from affiliates.selectors import clicks_by_id, codes_by_text
from affiliates.services.bindings import refuse_idle
from affiliates.services.buyers import Buyer, find_buyers
from affiliates.services.settling import settle_commissions
from affiliates.services.touches import record_touches, write_touches
from customers.errors import InvalidPurchaseError
from customers.models import Customer, Purchase, PurchaseLine
from customers.services import LineState, PurchaseState, validate_purchase
from loyalty.services import settle_purchases
from loyalty_site.common.errors import DomainError
from loyalty_site.staff.models import User

TRACKED_LINE = "tracked"
"""The key of the one line that a reported sale has."""
DEFAULT_STORE = "online"
_PLACE = "api"

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedSale:
    """An order as a shop reports it; `amount` is what it received, less discount and tax.

    `click_id` and `code` say who brought it; a click that is not known says nothing.
    """

    source: str
    order_id: str
    amount: Decimal
    number: str = ""
    currency: str = "INR"
    store_code: str = DEFAULT_STORE
    occurred_at: datetime | None = None
    buyer: Buyer = field(default_factory=Buyer)
    click_id: str = ""
    code: str = ""

    @property
    def key(self) -> Key:
        """What names its bill."""
        return self.source, self.order_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedResult:
    """What became of a reported sale: its bill, who brought it, and the commission by now.

    Without a bill nothing was written: nobody known bought and nobody brought them, or there
    was no amount. `refusal` says what was wrong with it.
    """

    purchase: Purchase | None = None
    conversion: Conversion | None = None
    commission: Decimal = Decimal("0.00")
    refusal: DomainError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Means:
    """What a report says of an affiliate: a click of a person, or else a code."""

    enrolment: Enrolment
    click: Click | None

    def touch(self, *, at: datetime, **who: Any) -> Touch:
        return Touch(
            enrolment=self.enrolment,
            way=Touch.Way.CLICK if self.click else Touch.Way.CLAIM,
            click=self.click,
            place=_PLACE,
            touched_at=self.click.clicked_at if self.click else at,
            **who,
        )


@transaction.atomic
def track_sales(
    *, sales: Sequence[TrackedSale], acting_user: User | None = None, now: datetime | None = None
) -> list[TrackedResult]:
    """Record reported sales with their points and commissions; one result per sale, in order.

    A buyer who is not known yet is registered if an affiliate who may earn brought them. Of an
    order that is given twice the last one counts. The number of queries does not depend on the
    number of sales.
    """
    now = now or timezone.now()
    means = _means([(sale.click_id, sale.code) for sale in sales])
    buyers = find_buyers(
        [sale.buyer for sale in sales],
        registers=[
            sale.amount > 0 and any(one.enrolment.affiliate.may_earn for one in of_one)
            for sale, of_one in zip(sales, means, strict=True)
        ],
    )
    known, tracked = _known_bills([sale.key for sale in sales])
    refusals: dict[int, DomainError] = {}
    states: dict[Key, PurchaseState] = {}
    touches: list[Touch] = []
    for place, (sale, of_one, buyer) in enumerate(zip(sales, means, buyers, strict=True)):
        bill = known.get(sale.key)
        if isinstance(buyer, DomainError):
            refusals[place] = buyer
        elif sale.amount > 0 and (bill or buyer or of_one):
            state = _sale_state(sale, buyer, bill if sale.key in tracked else None, now)
            try:
                _refuse_odd(state, bill)
            except DomainError as error:
                refusals[place] = error
                continue
            if bill is None or sale.key in tracked:
                states[sale.key] = state
            at = bill.occurred_at if bill else state.occurred_at
            who = {"order_source": sale.source, "order_key": sale.order_id}
            touches += [one.touch(at=at, **who) for one in of_one]
    write_touches(touches, acting_user=acting_user)
    if states:
        settled = settle_purchases(states=list(states.values()), acting_user=acting_user)
        for one in settled:
            known[one.purchase.source, one.purchase.external_id] = one.purchase
    results = _settled([known[sale.key] for sale in sales if sale.key in known])
    return [
        TrackedResult(refusal=refusals[place])
        if place in refusals
        else results.get(sale.key, TrackedResult())
        if sale.amount > 0
        else TrackedResult()
        for place, sale in enumerate(sales)
    ]


@transaction.atomic
def track_lead(
    *,
    buyer: Buyer,
    click_id: str = "",
    code: str = "",
    occurred_at: datetime | None = None,
    acting_user: User | None = None,
) -> Customer:
    """Note that an affiliate brought somebody who has bought nothing yet; answers who it is.

    They are registered if nobody knows them.

    Raises:
        NobodyNamedError: nothing says who was brought.
        ClickNotFoundError, CodeNotFoundError: nothing says by whom.
        AffiliateNotEarningError: the affiliate is not approved or no longer on the plan.
        DomainError: the customer is unknown, or cannot be registered so.
    """
    (means,) = _means([(click_id, code)])
    if not means:
        raise ClickNotFoundError() if click_id else CodeNotFoundError(text=code)
    for one in means:
        refuse_idle(one.enrolment)
    (customer_id,) = find_buyers([buyer], registers=[True])
    if isinstance(customer_id, DomainError):
        raise customer_id
    if customer_id is None:
        raise NobodyNamedError(field="customer")
    at = occurred_at or timezone.now()
    customer = Customer.objects.get(pk=customer_id)
    touches = [one.touch(at=at, customer=customer) for one in means]
    record_touches(touches=touches, acting_user=acting_user)
    return customer


@transaction.atomic
def track_return(
    *,
    source: str,
    order_id: str,
    return_id: str,
    amount: Decimal | None = None,
    occurred_at: datetime | None = None,
    acting_user: User | None = None,
) -> TrackedResult:
    """Record that goods of an order came back, all that is left or for `amount` (net, positive).

    A return that comes before its sale waits for it. Sent again it changes nothing.

    Raises:
        SaleNotFoundError: the sale is unknown, and so is what came back.
        ReturnExceedsSaleError: more than what is left of the sale.
        InvalidPurchaseError: it is not plausible.
    """
    sale = (
        Purchase.objects.select_for_update(of=("self",), no_key=True)
        .select_related("store")
        .filter(source=source, external_id=order_id, kind=Purchase.Kind.SALE)
        .first()
    )
    bills, tracked = _known_bills([(source, return_id), (source, order_id)])
    known = bills.get((source, return_id))
    if amount is None and known is not None:
        amount = -known.net
    if sale is not None:
        left = sale.net + _came_back(sale, but=return_id)
        amount = left if amount is None else amount
        if not 0 < amount <= left:
            raise ReturnExceedsSaleError(order=order_id, left=f"{left} {sale.currency}")
    if amount is None:
        raise SaleNotFoundError(order=order_id)
    if known is None or (source, return_id) in tracked:
        is_line_known = (source, order_id) in tracked
        state = PurchaseState(
            source=source,
            external_id=return_id,
            number=return_id[:60],
            kind=Purchase.Kind.RETURN.value,
            status=Purchase.Status.ACTIVE.value,
            store_code=sale.store.code if sale else DEFAULT_STORE,
            store_name="",
            customer_id=sale.customer_id if sale else None,
            occurred_at=occurred_at or (known.occurred_at if known else timezone.now()),
            currency=sale.currency if sale else settings.DEFAULT_CURRENCY,
            lines=(_line(-amount, returns_key=TRACKED_LINE if is_line_known else ""),),
            sale_external_id=order_id,
        )
        (settled,) = settle_purchases(states=[state], acting_user=acting_user)
        known = settled.purchase
    return _settled([known])[known.source, known.external_id]


def _means(given: Sequence[tuple[str, str]]) -> list[list[_Means]]:
    """Who is named by clicks and codes; two queries."""
    clicks = clicks_by_id([click_id for click_id, _ in given if click_id])
    codes = codes_by_text(code for _, code in given)
    found: list[list[_Means]] = []
    for click_id, text in given:
        click, code = clicks.get(click_id), codes.get(normal_code(text))
        found.append([])
        if click is not None and click.kind == Click.Kind.PERSON:
            found[-1].append(_Means(enrolment=click.link.enrolment, click=click))
        if code is not None:
            found[-1].append(_Means(enrolment=code.enrolment, click=None))
    return found


def _known_bills(keys: Sequence[Key]) -> tuple[dict[Key, Purchase], set[Key]]:
    """The bills that are there already, and those of them that came by a report; two queries."""
    by_source: dict[str, set[str]] = defaultdict(set)
    for source, external_id in keys:
        by_source[source].add(external_id)
    if not by_source:
        return {}, set()
    named = reduce(or_, (Q(source=one, external_id__in=ids) for one, ids in by_source.items()))
    bills = {(bill.source, bill.external_id): bill for bill in Purchase.objects.filter(named)}
    lines = PurchaseLine.objects.filter(
        purchase__in=[bill.pk for bill in bills.values()], key=TRACKED_LINE
    )
    reported = set(lines.values_list("purchase_id", flat=True))
    return bills, {key for key, bill in bills.items() if bill.pk in reported}


def _sale_state(
    sale: TrackedSale, customer_id: int | None, known: Purchase | None, now: datetime
) -> PurchaseState:
    """The bill of a report; what it does not say stays as it is known."""
    return PurchaseState(
        source=sale.source,
        external_id=sale.order_id,
        number=sale.number or (known.number if known else sale.order_id[:60]),
        kind=Purchase.Kind.SALE.value,
        status=known.status if known else Purchase.Status.ACTIVE.value,
        store_code=sale.store_code,
        store_name="",
        customer_id=customer_id or (known.customer_id if known else None),
        customer_phone="" if customer_id else sale.buyer.phone,
        occurred_at=sale.occurred_at or (known.occurred_at if known else now),
        currency=sale.currency,
        lines=(_line(sale.amount),),
        codes=tuple(known.codes) if known else (),
    )


def _refuse_odd(state: PurchaseState, known: Purchase | None) -> None:
    validate_purchase(state)
    if known is not None and known.kind != Purchase.Kind.SALE:
        raise InvalidPurchaseError(
            field="order_id", number=state.number, reason="This is the number of a return."
        )


def _line(net: Decimal, *, returns_key: str = "") -> LineState:
    return LineState(
        key=TRACKED_LINE,
        sku="ORDER",
        product_name="Order, goods not listed",
        category="",
        brand="",
        quantity=Decimal(-1 if net < 0 else 1),
        gross=net,
        discount=Decimal(0),
        tax=Decimal(0),
        net=net,
        returns_key=returns_key,
    )


def _came_back(sale: Purchase, *, but: str) -> Decimal:
    """What came back of a sale, zero or negative, one return left out."""
    others = sale.returns.filter(status=Purchase.Status.ACTIVE).exclude(
        source=sale.source, external_id=but
    )
    return Decimal(others.aggregate(net=Sum("net"))["net"] or 0).quantize(MINOR_UNIT)


def _settled(bills: Sequence[Purchase]) -> dict[Key, TrackedResult]:
    """Settle the commissions of bills; what they and their sales came to."""
    if not bills:
        return {}
    settle_commissions(purchase_ids=[bill.pk for bill in bills])
    sale_ids = {bill.pk: bill.sale_id or bill.pk for bill in bills}
    conversions = {
        conversion.purchase_id: conversion
        for conversion in Conversion.objects.filter(
            purchase__in=set(sale_ids.values())
        ).select_related("enrolment__affiliate")
    }
    sums = dict(
        CommissionEntry.objects.filter(conversion__in=conversions.values())
        .values_list("conversion_id")
        .annotate(Sum("amount"))
        .order_by()
    )
    return {
        (bill.source, bill.external_id): TrackedResult(
            purchase=bill,
            conversion=(conversion := conversions.get(sale_ids[bill.pk])),
            commission=Decimal(sums.get(conversion.pk, 0) if conversion else 0).quantize(
                MINOR_UNIT
            ),
        )
        for bill in bills
    }
