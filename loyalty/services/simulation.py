"""Try rules before they are published: on an imagined bill, and on one that was real."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from customers.models import Customer, Purchase
from loyalty.engine import NO_FACTS, Bill, Earning, Facts, Rule, earn, remaining_bill
from loyalty.errors import PurchaseNotFoundError
from loyalty.models import Account, Program
from loyalty.selectors import earned_of_sales
from loyalty.services.bills import load_bills
from loyalty.services.facts import Asked, FactBook
from loyalty.services.rules import RuleBook


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRule:
    """What a rule might say; `rule_id` is the rule that it would replace, None for a new one."""

    name: str
    definition: Mapping[str, Any]
    rule_id: int | None = None

    def parse(self, place: int) -> Rule:
        """The engine's form; new rules get numbers of their own, below zero.

        Raises:
            InvalidRuleError: the definition is not complete.
        """
        return Rule.from_definition(
            self.definition, rule_id=self.rule_id or -1 - place, version=0, name=self.name
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a bill earns by the rules in force, and with the drafts in their place."""

    at: datetime
    now: Earning
    draft: Earning | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TryOut:
    """A real bill: what it has earned, and what it would have earned with the drafts."""

    purchase: Purchase
    earned: int
    simulation: Simulation


def with_drafts(rules: Sequence[Rule], drafts: Sequence[Rule]) -> list[Rule]:
    """The rules, with drafts in the place of those that they replace."""
    replaced = {draft.rule_id for draft in drafts}
    return sorted(
        [*(rule for rule in rules if rule.rule_id not in replaced), *drafts],
        key=lambda rule: (rule.rule_id < 0, abs(rule.rule_id)),
    )


def simulate_bill(
    *,
    program: Program,
    bill: Bill,
    at: datetime,
    customer: Customer | None = None,
    drafts: Sequence[DraftRule] = (),
) -> Simulation:
    """What an imagined bill would earn; writes nothing.

    Without a customer, or for one who has no account yet, nothing is known about him.

    Raises:
        InvalidRuleError: a draft is not complete.
    """
    parsed = [draft.parse(place) for place, draft in enumerate(drafts)]
    rules = RuleBook.load(program).in_force(at)
    account = _account(program, customer.pk if customer else None)
    return _simulate(program, bill, at, account, rules, parsed, None)


def try_on_purchase(*, program: Program, number: str, drafts: Sequence[DraftRule] = ()) -> TryOut:
    """What a real bill has earned, beside what it would earn with the drafts; writes nothing.

    `number` is the bill's; of several with one number the newest is taken. What came back is
    left out.

    Raises:
        PurchaseNotFoundError: there is no such sale.
        InvalidRuleError: a draft is not complete.
    """
    parsed = [draft.parse(place) for place, draft in enumerate(drafts)]
    purchase = (
        Purchase.objects.filter(number=number, kind=Purchase.Kind.SALE)
        .select_related("store", "customer")
        .order_by("-occurred_at", "-pk")
        .first()
    )
    if purchase is None:
        raise PurchaseNotFoundError(number=number)
    returns = list(
        purchase.returns.filter(
            status=Purchase.Status.ACTIVE, standing=Purchase.Standing.APPLIED
        ).order_by("occurred_at", "pk")
    )
    bills = load_bills([(purchase, returns)])
    bill = remaining_bill(bills[purchase.pk], [bills[returned.pk] for returned in returns])
    earned = earned_of_sales([purchase.pk])
    paid_at = min((one.paid_at for one in earned), default=None)
    rules = RuleBook.load(program).in_force(purchase.occurred_at, paid_at=paid_at)
    account = _account(program, purchase.customer_id)
    simulation = _simulate(program, bill, purchase.occurred_at, account, rules, parsed, purchase)
    return TryOut(
        purchase=purchase, earned=sum(one.points for one in earned), simulation=simulation
    )


def _account(program: Program, customer_id: int | None) -> Account | None:
    if customer_id is None:
        return None
    return Account.objects.filter(program=program, customer_id=customer_id).first()


def _simulate(
    program: Program,
    bill: Bill,
    at: datetime,
    account: Account | None,
    rules: Sequence[Rule],
    drafts: Sequence[Rule],
    purchase: Purchase | None,
) -> Simulation:
    tried = with_drafts(rules, drafts)
    facts = facts_for(program, account, at, rules, purchase)
    draft_facts = facts_for(program, account, at, tried, purchase)
    return Simulation(
        at=at,
        now=earn(bill, rules, facts),
        draft=earn(bill, tried, draft_facts) if drafts else None,
    )


def facts_for(
    program: Program,
    account: Account | None,
    at: datetime,
    rules: Sequence[Rule],
    purchase: Purchase | None,
) -> Facts:
    """What is known about a customer for a bill, pinned facts of a recorded one included."""
    if account is None or not any(rule.needs_facts for rule in rules):
        return NO_FACTS if account else Facts(nth=1)
    asked = Asked(account=account, at=at, rules=rules, purchase=purchase)
    return FactBook.load(program, [asked], writes=False).facts(asked)
