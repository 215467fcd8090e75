"""Limits and budgets under real threads."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from customers.models import Customer
from loyalty.models import Account, PointsEntry, RuleBudget, RuleGrant
from loyalty.selectors import verify_ledger
from loyalty.services import EventOccasion, Settlement, award_events, settle_purchases
from loyalty.tests.factories import make_program, make_rule
from loyalty.tests.test_occasions import make_event_rule
from loyalty.tests.test_settle_purchases import AT, give_back, line, sale
from tests.support.threads import run_together

pytestmark = [
    pytest.mark.integration,
    pytest.mark.needs_postgresql,
    pytest.mark.django_db(transaction=True),
]
THREADS = 32


def customers(count: int) -> list[Customer]:
    make_program()
    return [Customer.objects.create(name=f"Customer {n}") for n in range(count)]


def settle_one(customer: Customer, number: str, net: str) -> Settlement:
    return settle_purchases(states=[sale(customer, line("a", net), number=number)])[0]


def test_a_budget_is_never_exceeded_by_32_threads() -> None:
    """Each thread's bill asks for 100 of the 1,033 that are left; also an odd rest is used."""
    people = customers(8)
    rule = make_rule(budget=1033)
    make_rule(name="No budget", points=1, amount="10.00")
    answers = run_together(
        [partial(settle_one, people[n % len(people)], f"B{n}", "100.00") for n in range(THREADS)]
    )
    assert all(isinstance(answer, Settlement) for answer in answers), answers
    given = sum(RuleGrant.objects.filter(rule=rule).values_list("points", flat=True))
    assert given == RuleBudget.objects.get(rule=rule).given == 1033
    posted = sum(PointsEntry.objects.values_list("points", flat=True))
    assert posted == 1033 + THREADS * 10
    assert not verify_ledger()


def test_a_budget_holds_while_bills_come_back() -> None:
    people = customers(8)
    rule = make_rule(budget=400)
    for n in range(8):
        settle_one(people[n], f"B{n}", "50.00")
    assert RuleBudget.objects.get(rule=rule).given == 400

    def take_back(n: int) -> Settlement:
        back = give_back(
            people[n],
            line("x", "-50.00", returns_key="a"),
            number=f"R{n}",
            sale_external_id=f"B{n}",
            occurred_at=AT + timedelta(days=1),
        )
        return settle_purchases(states=[back])[0]

    jobs = [partial(take_back, n) for n in range(8)]
    jobs += [partial(settle_one, people[n % 8], f"C{n}", "50.00") for n in range(16)]
    answers = run_together(jobs)
    assert all(isinstance(answer, Settlement) for answer in answers), answers
    given = RuleBudget.objects.get(rule=rule).given
    assert given == sum(PointsEntry.objects.values_list("points", flat=True)) <= 400
    assert not verify_ledger()


def test_a_customers_limit_is_never_exceeded_by_many_tills() -> None:
    (customer,) = customers(1)
    make_rule(limit_points=250, limit_period="day")
    answers = run_together([partial(settle_one, customer, f"B{n}", "40.00") for n in range(16)])
    assert all(isinstance(answer, Settlement) for answer in answers), answers
    assert Account.objects.get().balance == 250


def test_only_one_of_many_first_purchases_gets_the_bonus() -> None:
    (customer,) = customers(1)
    make_rule(kind="first_purchase", points=200, amount=None, name="First")
    answers = run_together([partial(settle_one, customer, f"B{n}", "40.00") for n in range(12)])
    assert all(isinstance(answer, Settlement) for answer in answers), answers
    assert Account.objects.get().balance in (0, 200)
    assert PointsEntry.objects.count() <= 1


def test_an_event_is_rewarded_once_though_told_by_many() -> None:
    (customer,) = customers(1)
    make_event_rule("review", budget=1000)
    at = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
    occasion = EventOccasion(customer_id=customer.pk, key="7", occurred_at=at)
    answers = run_together(
        [
            partial(award_events, program=make_program(), event="review", occasions=[occasion])
            for _ in range(16)
        ]
    )
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    assert PointsEntry.objects.count() == 1
    assert RuleBudget.objects.get().given == 25
