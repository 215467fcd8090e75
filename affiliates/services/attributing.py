"""Who brought each order: collects candidates, lets the engine decide, writes it down."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from affiliates.engine import (
    Attribution,
    Bill,
    Candidate,
    Rung,
    attribute,
    read_ladder,
)
from affiliates.models import Conversion, Enrolment, PlanVersion
from affiliates.selectors import attribution_policy
from affiliates.services.bindings import BindingBook
from affiliates.services.evidence import Evidence, Named, Teams
from affiliates.services.orders import Order
from customers.models import Purchase

_DECISION = [
    "enrolment",
    "plan_version",
    "held_until",
    "rung",
    "state",
    "shares",
    "candidates",
    "decided_on",
]
_TRIES = 3


def attribute_orders(orders: Mapping[int, Order]) -> dict[int, Conversion]:
    """The conversions of these orders, decided anew only where the facts of the bill changed.

    The first order that is attributed binds its customer, if the plan says so. The number of
    queries does not depend on the number of orders.
    """
    conversions = {
        conversion.purchase_id: conversion
        for conversion in Conversion.objects.filter(purchase__in=orders).select_related(
            "enrolment__affiliate", "plan_version__plan"
        )
    }
    named = Named.load(orders)
    facts = {pk: named.facts(order) for pk, order in orders.items()}
    undecided = {
        pk: order
        for pk, order in orders.items()
        if (conversions[pk].decided_on != facts[pk] if pk in conversions else order.sale.net > 0)
    }
    new: dict[int, Conversion] = {}
    if undecided:
        hearing = _Hearing(undecided, conversions, named)
        for pk, attribution in hearing.decide().items():
            if pk not in conversions and not (attribution.verdicts or "manual" in facts[pk]):
                continue
            conversion = conversions.get(pk) or new.setdefault(
                pk, Conversion(purchase=orders[pk].sale)
            )
            conversion.decided_on = facts[pk]
            hearing.apply(attribution, conversion)
    changed = undecided.keys() & conversions.keys()
    conversions |= new
    for pk, conversion in conversions.items():
        conversion.purchase = orders[pk].sale
        state = _state(conversion, orders[pk])
        if conversion.state != state:
            conversion.state = state
            changed |= {pk}
    Conversion.objects.bulk_create(new.values())
    Conversion.objects.bulk_update(
        [conversions[pk] for pk in sorted(changed - new.keys())], _DECISION
    )
    return conversions


def _state(conversion: Conversion, order: Order) -> Conversion.State:
    if conversion.enrolment_id is None:
        return Conversion.State.REJECTED
    if order.remaining_net == 0:
        return Conversion.State.CANCELLED
    return Conversion.State.QUALIFIED


class _Hearing:
    """Orders to be decided, with all that speaks for somebody."""

    def __init__(
        self, orders: Mapping[int, Order], conversions: Mapping[int, Conversion], named: Named
    ) -> None:
        self._orders = dict(sorted(orders.items(), key=lambda item: _when(item[1])))
        self._conversions = conversions
        self._named = named
        self._policy = attribution_policy()
        self._ladder = read_ladder(self._policy.ladder)
        self._evidence = Evidence.load(list(orders.values()), named)
        self._teams = Teams({}, {})

    def decide(self) -> dict[int, Attribution]:
        """A decision on each order, taken in the order in which they were made.

        When another process binds one of the customers meanwhile, all is decided again with
        that binding.
        """
        for _ in range(_TRIES):
            book = BindingBook(self._evidence.people, self._orders)
            self._teams = Teams.load(self._evidence.enrolment_ids() | book.enrolment_ids)
            decided = {pk: self._decide(order, book) for pk, order in self._orders.items()}
            if book.write():
                break
        return decided

    def _decide(self, order: Order, book: BindingBook) -> Attribution:
        sale = order.sale
        conversion = self._conversions.get(sale.pk)
        manual = self._named.manual.get(sale.pk)
        attribution = attribute(
            Bill(
                occurred_at=sale.occurred_at,
                buyer_id=sale.customer_id,
                is_nobodys=manual is not None and manual.enrolment_id is None,
            ),
            self._evidence.candidates(
                order, book.of(sale.customer_id), self._teams, _paid(conversion)
            ),
            ladder=self._ladder,
            is_split=self._policy.winner_share < 100,
        )
        winner = attribution.winner
        if order.remaining_net > 0 and (winner is None or winner.rung != Rung.BINDING):
            version = self._version(winner, sale) if winner else None
            book.note(
                sale,
                enrolment_id=winner.enrolment_id if winner else None,
                bind_days=version.bind_days if version else 0,
            )
        return attribution

    def apply(self, attribution: Attribution, conversion: Conversion) -> None:
        """Write a decision down; what was pinned for an enrolment that stays is kept."""
        sale = conversion.purchase
        winner, before = attribution.winner, conversion.enrolment_id
        conversion.rung = winner.rung if winner else ""
        conversion.shares = self._shares(attribution, conversion)
        if winner is None:
            conversion.enrolment = conversion.plan_version = conversion.held_until = None
        elif winner.enrolment_id != before:
            enrolment = self._teams.enrolments[winner.enrolment_id]
            conversion.enrolment = enrolment
            conversion.plan_version = self._version(winner, sale)
            conversion.held_until = hold_end(sale, enrolment)
        conversion.candidates = [
            {
                "rung": verdict.candidate.rung.value,
                "code": verdict.candidate.code,
                "at": verdict.candidate.valid_from.isoformat(),
                "affiliate_id": verdict.candidate.affiliate_id,
                "affiliate": self._teams.enrolments[verdict.candidate.enrolment_id].affiliate.name,
                "enrolment_id": verdict.candidate.enrolment_id,
                "reason": verdict.reason.value,
            }
            for verdict in attribution.verdicts
        ]

    def _shares(self, attribution: Attribution, conversion: Conversion) -> list[dict[str, Any]]:
        """Who is paid how much of a hundred; empty while one winner takes all.

        A winner who stays keeps their percentage, and a parent's share with it.
        """
        winner, second = attribution.winner, attribution.runner_up
        if winner is None:
            return []
        old: dict[int, dict[str, Any]] = {
            share["enrolment_id"]: share for share in conversion.shares if share["role"] != "parent"
        }
        stays = winner.enrolment_id == conversion.enrolment_id
        parents = [share for share in conversion.shares if stays and share["role"] == "parent"]
        if second is None and not (stays and old):
            return parents
        percent = Decimal(100)
        if second is not None:
            known = old.get(winner.enrolment_id, {}) if stays else {}
            percent = Decimal(known.get("percent", 100))
            percent = percent if percent < 100 else Decimal(self._policy.winner_share)
        shares = [self._share("winner", winner, percent, conversion, old)]
        if second is not None:
            shares.append(self._share("split", second, 100 - percent, conversion, old))
        return [*shares, *parents]

    def _share(
        self,
        role: str,
        candidate: Candidate,
        percent: Decimal,
        conversion: Conversion,
        old: Mapping[int, dict[str, Any]],
    ) -> dict[str, Any]:
        pinned = old.get(candidate.enrolment_id)
        if pinned is None:
            enrolment, sale = self._teams.enrolments[candidate.enrolment_id], conversion.purchase
            is_old_winner = candidate.enrolment_id == conversion.enrolment_id
            held_until = conversion.held_until if is_old_winner else hold_end(sale, enrolment)
            pinned = {
                "enrolment_id": candidate.enrolment_id,
                "plan_version_id": conversion.plan_version_id
                if is_old_winner
                else candidate.plan_version_id,
                "held_until": held_until.isoformat() if held_until else None,
            }
        return {**pinned, "role": role, "percent": f"{percent.normalize():f}"}

    def _version(self, candidate: Candidate, sale: Purchase) -> PlanVersion | None:
        enrolment = self._teams.enrolments[candidate.enrolment_id]
        return self._teams.version_at(enrolment, sale.occurred_at)


def _when(order: Order) -> tuple[datetime, int]:
    return order.sale.occurred_at, order.sale.pk


def _paid(conversion: Conversion | None) -> set[int]:
    """The enrolments that a decision pays by now: later changes of theirs do not undo it."""
    if conversion is None or conversion.enrolment_id is None:
        return set()
    shared = {share["enrolment_id"] for share in conversion.shares if share["role"] != "parent"}
    return {conversion.enrolment_id, *shared}


def hold_end(sale: Purchase, enrolment: Enrolment) -> datetime:
    """Until when commission of this bill waits for returns."""
    return sale.occurred_at + timedelta(days=enrolment.hold_days)
