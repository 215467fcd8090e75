"""What a changed bill means for points: the moves from what is posted to what it earns now."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.db.models import QuerySet

from customers.models import Purchase
from customers.services import PurchaseChange
from loyalty.engine import (
    NO_FACTS,
    NOTHING,
    Bill,
    Earning,
    Facts,
    Rule,
    earn,
    remaining_bill,
)
from loyalty.ledger import Award, ClawBack, Command, Expire, Outcome, Pend, Shortfall
from loyalty.models import Account, Program
from loyalty.services.accounts import local_date
from loyalty.services.bills import load_bills
from loyalty.services.expiry import last_day_to_wait, lifetime_of
from loyalty.services.facts import Asked, FactBook
from loyalty.services.rules import RuleBook
from loyalty_site.staff.models import User


@dataclass(slots=True)
class Sale:
    """A sale with all that decides its points; `posted` and `qualifying` are by customer.

    `paid_at` is when it first earned.
    """

    purchase: Purchase
    returns: list[Purchase] = field(default_factory=list)
    posted: dict[int, int] = field(default_factory=dict)
    qualifying: dict[int, int] = field(default_factory=dict)
    is_reversed_by_hand: bool = False
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A command to the ledger, and the bill that caused it."""

    cause_id: int
    command: Command


@dataclass(slots=True)
class _Terms:
    """Points that live alike: what is posted and what is earned, with its steps."""

    expiry: Mapping[str, Any] | None = None
    pending_days: int = 0
    awaits: str = ""
    cancel_days: int = 0
    key: str = ""
    before: int = 0
    target: int = 0
    rule_ids: set[int] = field(default_factory=set)


class Decision:
    """Decides for one batch; reads what its rules need, and only that."""

    def __init__(
        self,
        program: Program,
        sales: Mapping[int, Sale],
        accounts: Mapping[int, Account],
        *,
        now: datetime,
        acting_user: User | None,
    ) -> None:
        self._program = program
        self._sales = sales
        self._accounts = accounts
        self._now = now
        self._actor_id = acting_user.pk if acting_user else None
        book = RuleBook.load(program)
        self._rules: dict[int, list[Rule]] = {
            pk: book.in_force(sale.purchase.occurred_at, paid_at=sale.paid_at)
            for pk, sale in sales.items()
        }
        self._has_counted = book.has_counted
        self._facts: FactBook | None = None
        if book.needs_facts and sales:
            # Limits are read under the lock; the ledger locks in the same order later.
            _lock(Account.objects.filter(pk__in=[account.pk for account in accounts.values()]))

    @property
    def needs_tiers(self) -> bool:
        """Whether a rule at hand depends on the customer's tier."""
        return any(rule.conditions.tiers for rules in self._rules.values() for rule in rules)

    @cached_property
    def _bills(self) -> dict[int, Bill]:
        return load_bills((sale.purchase, sale.returns) for sale in self._sales.values())

    # --- deciding -----------------------------------------------------------------------------

    def decide(self, changes: Sequence[PurchaseChange]) -> list[Move]:
        """The moves that bring each sale's points to what it earns now, cause by cause."""
        self._facts = self._load_facts()
        changed = {change.purchase.pk: change.purchase for change in changes if change.is_changed}
        left: dict[int, list[Purchase]] = defaultdict(list)
        for change in changes:
            if change.previous_sale_id and change.previous_sale_id != change.purchase.sale_id:
                left[change.previous_sale_id].append(change.purchase)
        moves: list[Move] = []
        for sale in self._sales.values():
            kept = [returned for returned in sale.returns if returned.is_active]
            known = [returned for returned in kept if returned.pk not in changed]
            causes = [sale.purchase] if sale.purchase.pk in changed else []
            causes += left[sale.purchase.pk]
            causes += [returned for returned in sale.returns if returned.pk in changed]
            for cause in causes:
                if cause.is_active and cause.sale_id == sale.purchase.pk:
                    known.append(cause)
                moves += self._moves(sale, cause, self._earning(sale, known))
        return moves

    def _load_facts(self) -> FactBook | None:
        asked = [
            Asked(
                account=self._accounts[customer_id],
                at=sale.purchase.occurred_at,
                # Former owners keep nothing; theirs is only given back.
                rules=self._rules[pk] if customer_id == sale.purchase.customer_id else (),
                purchase=sale.purchase,
            )
            for pk, sale in self._sales.items()
            for customer_id in {sale.purchase.customer_id, *sale.posted}
            if customer_id is not None
        ]
        needed = self._has_counted or any(
            rule.needs_facts for rules in self._rules.values() for rule in rules
        )
        return FactBook.load(self._program, asked) if needed and asked else None

    def _earning(self, sale: Sale, returns: Sequence[Purchase]) -> Earning:
        purchase = sale.purchase
        if not purchase.is_active:
            return NOTHING
        bill = remaining_bill(
            self._bills[purchase.pk], [self._bills[returned.pk] for returned in returns]
        )
        return earn(bill, self._rules[purchase.pk], self._facts_of(sale))

    def _facts_of(self, sale: Sale) -> Facts:
        customer_id = sale.purchase.customer_id
        if self._facts is None or customer_id is None:
            return NO_FACTS
        return self._facts.facts(
            Asked(
                account=self._accounts[customer_id],
                at=sale.purchase.occurred_at,
                rules=self._rules[sale.purchase.pk],
                purchase=sale.purchase,
            )
        )

    # --- moving -------------------------------------------------------------------------------

    def _moves(self, sale: Sale, cause: Purchase, earning: Earning) -> list[Move]:
        """Awards and take-backs that lead from what is posted to the target, by account."""
        moves: list[Move] = []
        owner = sale.purchase.customer_id
        for customer_id in {*sale.posted, *([owner] if owner else [])}:
            earned = earning if customer_id == owner else NOTHING
            moves += self._moves_of(sale, cause, customer_id, earned)
        return moves

    def _moves_of(
        self, sale: Sale, cause: Purchase, customer_id: int, earning: Earning
    ) -> list[Move]:
        before = sale.posted.get(customer_id, 0)
        own = self._own(sale, customer_id)
        target = min(earning.points, before) if sale.is_reversed_by_hand else earning.points
        if target == before and not (own or self._has_counted):
            return []
        parts = self._parts(sale, before, target, own, earning)
        grown = [part for part in parts if part.target > part.before]
        shrunk = [part for part in parts if part.target < part.before]
        commands = [
            command
            for part in grown
            for command in self._award(sale, cause, customer_id, part, earning)
        ]
        if shrunk:
            key = ":back" if grown else ""
            commands.append(self._take_back(sale, cause, customer_id, shrunk, earning, key))
        sale.posted[customer_id] = target
        sale.qualifying[customer_id] = earning.qualifying
        if not sale.is_reversed_by_hand:
            self._take(sale, cause, customer_id, own, earning)
        return [Move(cause.pk, command) for command in commands]

    def _own(self, sale: Sale, customer_id: int) -> Mapping[int, int]:
        if self._facts is None:
            return {}
        return self._facts.own(sale.purchase.pk, self._accounts[customer_id].pk)

    def _parts(
        self, sale: Sale, before: int, target: int, own: Mapping[int, int], earning: Earning
    ) -> list[_Terms]:
        """Posted and earned points, apart by how long they live."""
        usual = _Terms(before=before, target=target)
        parts = {"": usual}
        if sale.is_reversed_by_hand:
            return [usual]
        for rule in self._rules[sale.purchase.pk]:
            if not rule.has_own_terms:
                continue
            terms = (rule.expiry, rule.pending_days, rule.awaits, rule.cancel_days)
            part = parts.setdefault(
                json.dumps(terms, sort_keys=True), _Terms(*terms, key=f":r{rule.rule_id}")
            )
            part.rule_ids.add(rule.rule_id)
            posted, earned = own.get(rule.rule_id, 0), earning.per_rule.get(rule.rule_id, 0)
            part.before += posted
            part.target += earned
            usual.before -= posted
            usual.target -= earned
            usual.rule_ids.add(rule.rule_id)
        return list(parts.values())

    def _award(
        self, sale: Sale, cause: Purchase, customer_id: int, part: _Terms, earning: Earning
    ) -> list[Command]:
        account = self._accounts[customer_id]
        points = part.target - part.before
        steps = _steps_of(earning, part)
        common = {
            **self._common(sale, cause, account, part.key, [part], steps),
            "reason": f"Bill {sale.purchase.number}",
            "points": points,
        }
        if trimmed := sum(step.desired - step.points for step in steps):
            common["desired"] = points + trimmed
        if self._has_silent(sale):
            counted = sale.qualifying.get(customer_id, 0)
            qualifying = min(points, max(0, earning.qualifying - counted))
            sale.qualifying[customer_id] = counted + qualifying
            common["qualifying"] = qualifying
        if part.awaits:
            return [
                Pend(
                    awaits=part.awaits,
                    cancels_on=last_day_to_wait(
                        self._program, sale.purchase.occurred_at, part.cancel_days
                    ),
                    lifetime=dict(part.expiry or {}),
                    **common,
                )
            ]
        today = local_date(self._program, self._now)
        usable_on = self._usable_on(sale, part)
        if usable_on is not None and usable_on > today:
            return [Pend(activates_on=usable_on, lifetime=dict(part.expiry or {}), **common)]
        begins = sale.purchase.occurred_at + timedelta(days=part.pending_days)
        award = Award(
            **lifetime_of(self._program, account, part.expiry, begins),
            **common,
        )
        if award.expires_on >= today:
            return [award]
        due = Expire(account_id=account.pk, on=today, occurred_at=cause.occurred_at)
        return [award, due]

    def _usable_on(self, sale: Sale, part: _Terms) -> date | None:
        if not part.pending_days:
            return None
        day = local_date(self._program, sale.purchase.occurred_at)
        return day + timedelta(days=part.pending_days)

    def _take_back(
        self,
        sale: Sale,
        cause: Purchase,
        customer_id: int,
        parts: Sequence[_Terms],
        earning: Earning,
        key: str,
    ) -> ClawBack:
        steps = [step for part in parts for step in _steps_of(earning, part)]
        measures: dict[str, Any] = {}
        if self._has_silent(sale):
            counted = sale.qualifying.get(customer_id, 0)
            measures["qualifying"] = max(0, counted - earning.qualifying)
        account = self._accounts[customer_id]
        return ClawBack(
            points=sum(part.before - part.target for part in parts),
            shortfall=Shortfall(self._program.shortfall),
            reason=_loss_reason(sale, cause),
            **measures,
            **self._common(sale, cause, account, key, parts, steps),
        )

    def _has_silent(self, sale: Sale) -> bool:
        """Whether some of the sale's points do not count for tiers."""
        return not all(rule.qualifies for rule in self._rules[sale.purchase.pk])

    def _common(
        self,
        sale: Sale,
        cause: Purchase,
        account: Account,
        key: str,
        parts: Sequence[_Terms],
        steps: Sequence[Any],
    ) -> dict[str, Any]:
        return {
            "account_id": account.pk,
            "reference": f"{_reference(sale, cause)}{key}",
            "occurred_at": cause.occurred_at,
            "purchase_id": sale.purchase.pk,
            "actor_id": self._actor_id,
            "details": {
                "bill": sale.purchase.number,
                "cause": cause.number,
                "earned_before": sum(part.before for part in parts),
                "earns_now": sum(part.target for part in parts),
                "steps": [step.to_json() for step in steps],
            },
        }

    # --- what rules gave ----------------------------------------------------------------------

    def _take(
        self,
        sale: Sale,
        cause: Purchase,
        customer_id: int,
        own: Mapping[int, int],
        earning: Earning,
    ) -> None:
        """Note what counted rules give now, and give back what those gave that no longer do."""
        if self._facts is None:
            return
        counted = {rule.rule_id for rule in self._rules[sale.purchase.pk] if rule.is_counted}
        per_rule = {
            rule_id: (earning.per_rule.get(rule_id, 0) if rule_id in counted else 0)
            - own.get(rule_id, 0)
            for rule_id in sorted(counted | own.keys())
        }
        self._facts.take(
            account_id=self._accounts[customer_id].pk,
            purchase_id=sale.purchase.pk,
            reference=_reference(sale, cause),
            on=local_date(self._program, sale.purchase.occurred_at),
            per_rule=per_rule,
            now=self._now,
        )

    def write_grants(self, moves: Sequence[Move], outcomes: Sequence[Outcome]) -> None:
        """Write down what counted rules gave, but for what an account did not take."""
        if self._facts is None:
            return
        refused = {
            (move.command.account_id, ":".join(move.command.reference.split(":")[:4]))
            for move, outcome in zip(moves, outcomes, strict=True)
            if outcome.refusal is not None
        }
        self._facts.save(refused=refused)


def _lock(accounts: QuerySet[Account]) -> None:
    list(accounts.order_by("pk").select_for_update().values_list("pk"))


def _reference(sale: Sale, cause: Purchase) -> str:
    return f"purchase:{sale.purchase.pk}:{cause.pk}:v{cause.version}"


def _steps_of(earning: Earning, part: _Terms) -> list[Any]:
    """The steps of a part: of its rules, or for the usual terms of all other rules."""
    if part.key:
        return [step for step in earning.steps if step.rule_id in part.rule_ids]
    return [step for step in earning.steps if step.rule_id not in part.rule_ids]


def _loss_reason(sale: Sale, cause: Purchase) -> str:
    if cause.kind == Purchase.Kind.RETURN:
        return f"Return {cause.number} of bill {sale.purchase.number}"
    if not cause.is_active:
        return f"Bill {cause.number} was cancelled"
    return f"Bill {cause.number} was changed"
