"""Who brought each order: collects candidates, lets the engine decide, writes it down."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from affiliates.engine import (
    Attribution,
    Bill,
    Candidate,
    Party,
    Rung,
    attribute,
)
from affiliates.models import Code, Conversion, Enrolment, PlanVersion
from affiliates.services.orders import Order
from customers.models import Customer, Purchase

_DECISION = ["enrolment", "plan_version", "held_until", "state", "candidates", "decided_on"]


def attribute_orders(orders: Mapping[int, Order]) -> dict[int, Conversion]:
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


def _state(conversion: Conversion, order: Order) -> Conversion.State:
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
    def load(cls, orders: Iterable[Order]) -> "_Field":
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

    def candidates(self, order: Order) -> list[Candidate]:
        return [
            self._candidate(self.codes[text], order)
            for text in dict.fromkeys(order.codes)
            if text in self.codes
        ]

    def _candidate(self, code: Code, order: Order) -> Candidate:
        enrolment = code.enrolment
        affiliate = enrolment.affiliate
        version = self._version(enrolment.plan_id, order.sale.occurred_at)
        return Candidate(
            rung=Rung.CODE,
            code=code.text,
            enrolment_id=enrolment.pk,
            affiliate_id=affiliate.pk,
            is_approved=affiliate.may_earn,
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

    def decide(self, conversion: Conversion, order: Order, candidates: Sequence[Candidate]) -> None:
        """Write the decision into a conversion; a winner who stays keeps what was pinned."""
        bill = Bill(occurred_at=order.sale.occurred_at, buyer=party_of(order.sale.customer))
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
            conversion.held_until = hold_end(order.sale, enrolment)

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


def hold_end(sale: Purchase, enrolment: Enrolment) -> datetime:
    return sale.occurred_at + timedelta(days=enrolment.hold_days)


def party_of(customer: Customer | None) -> Party:
    """The buyer on a bill, as one record of a person."""
    if customer is None:
        return Party(customer_id=None)
    return Party(customer_id=customer.pk, phone=customer.phone, email=customer.email)
