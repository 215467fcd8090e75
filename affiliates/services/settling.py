"""From bills to commissions: attribute each order once, post only differences."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Count, Max, Sum

from affiliates.engine import (
    MINOR_UNIT,
    Attribution,
    Bill,
    Candidate,
    Commission,
    Kind,
    Party,
    Rung,
    Terms,
    attribute,
    commission,
    correction,
    normal_code,
)
from affiliates.events import CommissionPosted
from affiliates.models import Affiliate, Code, CommissionEntry, Conversion, Enrolment, PlanVersion
from customers.models import Customer, Purchase
from loyalty_site.outbox.services import publish

_NOTHING = Decimal("0.00")
_DECISION = ["enrolment", "plan_version", "held_until", "state", "candidates", "decided_on"]


@transaction.atomic
def settle_commissions(*, purchase_ids: Collection[int]) -> list[CommissionEntry]:
    """Bring the commissions of these bills to their present state; returns the new entries.

    A return settles the sale it belongs to. Each sale is recomputed from its current state and
    all its returns, and only the difference to what was credited is posted, so repeated and
    out-of-order calls change nothing. The number of queries does not depend on the bills.
    """
    orders = _lock_orders(purchase_ids)
    conversions = _attribute_orders(orders)
    entries = CommissionEntry.objects.bulk_create(_corrections(conversions, orders))
    publish(
        CommissionPosted(
            entry_id=entry.pk,
            affiliate_id=entry.affiliate_id,
            customer_id=entry.affiliate.customer_id,
            amount=entry.amount,
            currency=entry.currency,
            purchase_number=entry.conversion.purchase.number,
            occurred_at=entry.occurred_at,
        )
        for entry in entries
    )
    return entries


@dataclass(frozen=True, slots=True)
class _Order:
    """A sale with what came back of it; `returned_net` is zero or negative."""

    sale: Purchase
    returned_net: Decimal = _NOTHING
    last_returned_at: datetime | None = None

    @property
    def remaining_net(self) -> Decimal:
        kept = self.sale.net + self.returned_net
        return kept if self.sale.is_active and kept > 0 else _NOTHING

    @property
    def codes(self) -> list[str]:
        return [normal_code(code) for code in self.sale.codes if isinstance(code, str)]

    @property
    def facts(self) -> dict[str, Any]:
        """What the attribution of this order rests on."""
        return {"customer_id": self.sale.customer_id, "codes": self.codes}

    @property
    def may_convert(self) -> bool:
        return bool(self.codes) and self.sale.net > 0


def _lock_orders(purchase_ids: Collection[int]) -> dict[int, _Order]:
    named = Purchase.objects.filter(pk__in=purchase_ids).values_list("pk", "kind", "sale_id")
    sale_ids = {pk if kind == Purchase.Kind.SALE else sale_id for pk, kind, sale_id in named}
    sales = (
        Purchase.objects.select_for_update(of=("self",), no_key=True)
        .select_related("customer")
        .filter(pk__in=sale_ids - {None})
        .order_by("pk")
    )
    orders = {sale.pk: _Order(sale) for sale in sales}
    returns = (
        Purchase.objects.filter(sale_id__in=orders, status=Purchase.Status.ACTIVE)
        .values_list("sale_id")
        .annotate(net=Sum("net"), last=Max("occurred_at"))
    )
    for sale_id, net, last in returns:
        orders[sale_id] = _Order(orders[sale_id].sale, net.quantize(MINOR_UNIT), last)
    return orders


# --- Who brought it ---------------------------------------------------------------------------


def _attribute_orders(orders: Mapping[int, _Order]) -> dict[int, Conversion]:
    """The conversions of these orders, decided anew only where the facts of the bill changed."""
    known = {
        conversion.purchase_id: conversion
        for conversion in Conversion.objects.filter(purchase_id__in=orders).select_related(
            "enrolment__affiliate", "plan_version__plan"
        )
    }
    undecided = [
        order
        for pk, order in orders.items()
        if (known[pk].decided_on != order.facts if pk in known else order.may_convert)
    ]
    field = _Field.load(undecided)
    new: dict[int, Conversion] = {}
    changed: set[int] = set()
    for order in undecided:
        pk = order.sale.pk
        candidates = field.candidates(order)
        if pk in known:
            changed.add(pk)
        elif candidates:
            new[pk] = Conversion(purchase=order.sale)
        else:
            continue
        field.decide(known.get(pk) or new[pk], order, candidates)
    conversions = known | new
    for pk, conversion in conversions.items():
        conversion.purchase = orders[pk].sale
        state = _state(conversion, orders[pk])
        if conversion.state != state:
            conversion.state = state
            changed.add(pk)
    Conversion.objects.bulk_create(new.values())
    Conversion.objects.bulk_update([known[pk] for pk in changed & known.keys()], _DECISION)
    return conversions


def _state(conversion: Conversion, order: _Order) -> Conversion.State:
    if conversion.enrolment_id is None:
        return Conversion.State.REJECTED
    if order.remaining_net == 0:
        return Conversion.State.CANCELLED
    return Conversion.State.QUALIFIED


@dataclass(frozen=True, slots=True)
class _Field:
    """The codes that stand on a set of bills, and what the plans behind them say."""

    codes: Mapping[str, Code]
    versions: Mapping[int, Sequence[PlanVersion]]

    @classmethod
    def load(cls, orders: Iterable[_Order]) -> "_Field":
        texts = {text for order in orders for text in order.codes}
        codes = {
            code.text: code
            for code in Code.objects.filter(text__in=texts).select_related(
                "enrolment__affiliate__customer"
            )
        }
        plans = {code.enrolment.plan_id for code in codes.values()}
        versions: dict[int, list[PlanVersion]] = defaultdict(list)
        for version in PlanVersion.objects.filter(plan_id__in=plans).select_related("plan"):
            versions[version.plan_id].append(version)
        return cls(codes, versions)

    def candidates(self, order: _Order) -> list[Candidate]:
        return [
            self._candidate(self.codes[text], order)
            for text in dict.fromkeys(order.codes)
            if text in self.codes
        ]

    def _candidate(self, code: Code, order: _Order) -> Candidate:
        enrolment = code.enrolment
        affiliate = enrolment.affiliate
        version = self._version(enrolment.plan_id, order.sale.occurred_at)
        return Candidate(
            rung=Rung.CODE,
            code=code.text,
            enrolment_id=enrolment.pk,
            affiliate_id=affiliate.pk,
            is_approved=affiliate.state == Affiliate.State.APPROVED,
            is_enrolled=enrolment.state == Enrolment.State.ACTIVE,
            valid_from=code.valid_from,
            plan_version_id=version.pk if version else None,
            party=Party(
                customer_id=affiliate.customer_id,
                phone=affiliate.phone or getattr(affiliate.customer, "phone", ""),
                email=affiliate.email or getattr(affiliate.customer, "email", ""),
            ),
        )

    def _version(self, plan_id: int, at: datetime) -> PlanVersion | None:
        return next((one for one in self.versions[plan_id] if one.valid_from <= at), None)

    def decide(
        self, conversion: Conversion, order: _Order, candidates: Sequence[Candidate]
    ) -> None:
        """Write the decision into a conversion; a winner who stays keeps what was pinned."""
        bill = Bill(occurred_at=order.sale.occurred_at, buyer=_buyer(order.sale.customer))
        attribution = attribute(bill, candidates)
        conversion.decided_on = order.facts
        conversion.candidates = self._written(attribution)
        winner = attribution.winner
        if winner is None:
            conversion.enrolment = conversion.plan_version = conversion.held_until = None
        elif winner.enrolment_id != conversion.enrolment_id:
            enrolment = self.codes[winner.code].enrolment
            conversion.enrolment = enrolment
            conversion.plan_version = self._version(enrolment.plan_id, order.sale.occurred_at)
            conversion.held_until = _held_until(order.sale, enrolment)

    def _written(self, attribution: Attribution) -> list[dict[str, Any]]:
        return [
            {
                "rung": verdict.candidate.rung.value,
                "code": verdict.candidate.code,
                "affiliate_id": verdict.candidate.affiliate_id,
                "affiliate": self.codes[verdict.candidate.code].enrolment.affiliate.name,
                "enrolment_id": verdict.candidate.enrolment_id,
                "reason": verdict.reason.value,
            }
            for verdict in attribution.verdicts
        ]


def _held_until(sale: Purchase, enrolment: Enrolment) -> datetime:
    return sale.occurred_at + timedelta(days=enrolment.hold_days)


def _buyer(customer: Customer | None) -> Party:
    if customer is None:
        return Party(customer_id=None)
    return Party(customer_id=customer.pk, phone=customer.phone, email=customer.email)


# --- What it pays -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Credit:
    """What an enrolment was credited for a conversion so far."""

    enrolment: Enrolment
    amount: Decimal = _NOTHING
    held_until: datetime | None = None
    lines: int = 0


def _corrections(
    conversions: Mapping[int, Conversion], orders: Mapping[int, _Order]
) -> list[CommissionEntry]:
    """The entries that take each conversion from what was credited to what is earned now."""
    credits = _credits(conversions.values())
    entries = []
    for pk, conversion in conversions.items():
        order = orders[pk]
        of_one = credits[conversion.pk]
        lines = sum(credit.lines for credit in of_one.values())
        winner, version = conversion.enrolment, conversion.plan_version
        if winner is not None:
            of_one.setdefault(winner.pk, _Credit(winner))
        for credit in of_one.values():
            wins = winner is not None and credit.enrolment.pk == winner.pk
            paid = commission(_terms(version), order.remaining_net) if wins and version else None
            amount = correction(credited=credit.amount, earned=paid.amount if paid else _NOTHING)
            if amount:
                lines += 1
                entries.append(_entry(conversion, order, credit, paid, amount, line=lines))
    return entries


def _credits(conversions: Collection[Conversion]) -> dict[int, dict[int, _Credit]]:
    sums = list(
        CommissionEntry.objects.filter(conversion__in=conversions)
        .values_list("conversion_id", "enrolment_id")
        .annotate(amount=Sum("amount"), held_until=Max("held_until"), lines=Count("pk"))
    )
    enrolments = Enrolment.objects.select_related("affiliate").in_bulk({row[1] for row in sums})
    credits: dict[int, dict[int, _Credit]] = defaultdict(dict)
    for conversion_id, enrolment_id, amount, held_until, lines in sums:
        credits[conversion_id][enrolment_id] = _Credit(
            enrolments[enrolment_id], amount.quantize(MINOR_UNIT), held_until, lines
        )
    return credits


def _terms(version: PlanVersion) -> Terms:
    return Terms(kind=Kind(version.kind), rate=version.rate)


def _entry(
    conversion: Conversion,
    order: _Order,
    credit: _Credit,
    paid: Commission | None,
    amount: Decimal,
    *,
    line: int,
) -> CommissionEntry:
    version = conversion.plan_version if paid else None
    cause = _cause(order, credit, paid, amount)
    sale = order.sale
    return CommissionEntry(
        conversion=conversion,
        enrolment=credit.enrolment,
        affiliate=credit.enrolment.affiliate,
        kind=CommissionEntry.Kind.CORRECT if credit.lines else CommissionEntry.Kind.EARN,
        amount=amount,
        currency=sale.currency,
        reference=f"purchase:{sale.pk}:{line}",
        explanation={
            "cause": cause,
            "plan": str(version) if version else "",
            "kind": version.kind if version else "",
            "rate": _plain(version.rate) if version else "",
            "sale_net": str(sale.net),
            "returned_net": str(order.returned_net),
            "remaining_net": str(order.remaining_net),
            "exact": _plain(paid.exact) if paid else "0",
            "earned": str(paid.amount if paid else _NOTHING),
            "credited_before": str(credit.amount),
        },
        occurred_at={"earned": sale.occurred_at, "returned": order.last_returned_at}.get(cause)
        or sale.updated_at,
        held_until=credit.held_until or _held_until(sale, credit.enrolment),
    )


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _cause(order: _Order, credit: _Credit, paid: Commission | None, amount: Decimal) -> str:
    if paid is None:
        return "lost"
    if not credit.lines:
        return "earned"
    if not order.sale.is_active:
        return "cancelled"
    return "returned" if order.returned_net and amount < 0 else "changed"
