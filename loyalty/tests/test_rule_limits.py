"""Limits, budgets, lifetimes and facts of rules, through the settlement of bills."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.services import PurchaseState
from loyalty.models import (
    Account,
    EarningRule,
    PointsEntry,
    RuleBudget,
    RuleGrant,
    SaleFacts,
    Tier,
    TierChange,
)
from loyalty.selectors import explain_entry
from loyalty.services import open_accounts, publish_rule_version, settle_purchases
from loyalty.tests.factories import make_program, make_rule
from loyalty.tests.test_settle_purchases import (
    AT,
    give_back,
    line,
    make_customer,
    points_of,
    sale,
    settle,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _programme() -> None:
    make_program()


def bonus(name: str = "Bonus", **definition: Any) -> EarningRule:
    """A published bonus; `kind` is once a bill unless given."""
    rule = EarningRule.objects.create(program=make_program(), name=name)
    usual = {} if definition.get("kind") == "multiplier" else {"kind": "per_bill", "points": 50}
    publish_rule_version(
        rule=rule,
        definition={**usual, **definition},
        valid_from=datetime(2020, 1, 1, tzinfo=UTC),
    )
    return rule


def test_a_limit_for_each_bill_trims_and_keeps_what_was_desired() -> None:
    make_rule(max_per_bill=80)
    customer = make_customer()
    settle(sale(customer, line("a", "100")))
    entry = PointsEntry.objects.get()
    assert entry.points == 80
    assert entry.details["steps"][0]["desired"] == 100
    settle(give_back(customer, line("x", "-10", returns_key="a")))
    assert points_of(customer) == 80
    settle(give_back(customer, line("x", "-90", returns_key="a"), number="R2"))
    assert points_of(customer) == 0


def test_a_limit_for_each_customer_counts_within_its_period() -> None:
    make_rule(limit_points=150, limit_period="month")
    customer, other = make_customer(), make_customer()
    settle(sale(customer, line("a", "100")), sale(customer, line("a", "100"), number="B2"))
    settle(sale(other, line("a", "100"), number="B3"))
    assert (points_of(customer), points_of(other)) == (150, 100)
    settle(sale(customer, line("a", "100"), number="B4", occurred_at=AT + timedelta(days=31)))
    assert points_of(customer) == 250


def test_a_return_releases_what_it_took_for_later_bills() -> None:
    make_rule(limit_points=150, limit_period="month")
    customer = make_customer()
    settle(sale(customer, line("a", "100")), sale(customer, line("a", "100"), number="B2"))
    settle(give_back(customer, line("x", "-60", returns_key="a")))
    assert points_of(customer) == 90
    settle(sale(customer, line("a", "100"), number="B3"))
    assert points_of(customer) == 150
    assert sum(RuleGrant.objects.values_list("points", flat=True)) == 150


def test_a_bill_that_was_trimmed_stays_so_though_others_come_back() -> None:
    make_rule(limit_points=150, limit_period="month")
    customer = make_customer()
    settle(sale(customer, line("a", "100")), sale(customer, line("a", "100"), number="B2"))
    settle(give_back(customer, line("x", "-100", returns_key="a")))
    assert points_of(customer) == 50
    back = give_back(
        customer, line("x", "-40", returns_key="a"), number="R2", sale_external_id="B2"
    )
    settle(back)
    assert points_of(customer) == 50
    settle(give_back(customer, line("x", "-100", returns_key="a"), status="cancelled"))
    assert points_of(customer) == 150


def test_a_budget_is_used_to_the_point_and_given_back_by_returns() -> None:
    rule = make_rule(budget=150)
    first, second = make_customer(), make_customer()
    settle(sale(first, line("a", "100")), sale(second, line("a", "100"), number="B2"))
    assert (points_of(first), points_of(second)) == (100, 50)
    assert RuleBudget.objects.get(rule=rule).given == 150
    settle(give_back(first, line("x", "-70", returns_key="a")))
    assert RuleBudget.objects.get(rule=rule).given == 80
    settle(give_back(first, line("x", "-70", returns_key="a"), status="cancelled"))
    assert (points_of(first), points_of(second)) == (100, 50)
    settle(sale(second, line("a", "100"), number="B3"))
    assert points_of(second) == 50


def test_points_for_a_closed_account_do_not_use_the_budget() -> None:
    rule = make_rule(budget=150)
    customer = make_customer()
    account = open_accounts(program=make_program(), customer_ids=[customer.pk])[customer.pk]
    Account.objects.filter(pk=account.pk).update(closed_at=AT)
    (answer,) = settle(sale(customer, line("a", "100")))
    assert answer.refusal and answer.refusal.code == "account_closed"
    assert RuleBudget.objects.get(rule=rule).given == 0
    assert not RuleGrant.objects.exists()


def test_a_bill_moved_to_another_customer_moves_its_use_of_the_limit() -> None:
    make_rule(limit_points=100)
    first, second = make_customer(), make_customer()
    settle(sale(first, line("a", "100")))
    settle(sale(second, line("a", "100")))
    assert (points_of(first), points_of(second)) == (0, 100)
    settle(sale(first, line("a", "100"), number="B2"), sale(second, line("a", "9"), number="B3"))
    assert (points_of(first), points_of(second)) == (100, 100)


def test_a_visit_counts_once_a_day() -> None:
    bonus(kind="per_visit", points=5)
    customer = make_customer()
    settle(sale(customer), sale(customer, number="B2", occurred_at=AT + timedelta(hours=2)))
    assert points_of(customer) == 5
    settle(sale(customer, number="B3", occurred_at=AT + timedelta(days=1)))
    assert points_of(customer) == 10
    settle(give_back(customer, line("x", "-120.50", returns_key="a")))
    assert points_of(customer) == 5


def test_only_the_first_purchase_gets_its_bonus_whatever_arrives_when() -> None:
    bonus(kind="first_purchase", points=200)
    customer = make_customer()
    settle(sale(customer), sale(customer, number="B2", occurred_at=AT + timedelta(hours=2)))
    assert points_of(customer) == 200
    settle(sale(customer, number="B0", occurred_at=AT - timedelta(days=9)))
    assert points_of(customer) == 200
    assert PointsEntry.objects.count() == 1


def test_the_third_purchase_can_have_a_bonus() -> None:
    bonus(kind="first_purchase", points=30, nth=3)
    customer = make_customer()
    for day in range(5):
        settle(sale(customer, number=f"B{day}", occurred_at=AT + timedelta(days=day)))
    assert list(PointsEntry.objects.values_list("purchase__number", "points")) == [("B2", 30)]


def test_weeks_in_a_row_are_rewarded_and_begin_anew() -> None:
    bonus(kind="streak", points=40, streak=3, streak_period="week")
    customer = make_customer()
    for week in range(7):
        settle(sale(customer, number=f"B{week}", occurred_at=AT + timedelta(weeks=week)))
    settle(sale(customer, number="B9", occurred_at=AT + timedelta(weeks=9)))
    rewarded = PointsEntry.objects.order_by("seq").values_list("purchase__number", flat=True)
    assert list(rewarded) == ["B2", "B5"]


def test_a_tier_is_that_of_the_bills_day_and_stays_with_the_bill() -> None:
    make_rule()
    silver = Tier.objects.get(name="Silver")
    bonus(kind="multiplier", factor="2", tiers=[silver.pk])
    make_double = EarningRule.objects.get(name="Bonus")
    definition = {"kind": "multiplier", "factor": "2", "tiers": [silver.pk]}
    assert make_double.versions.get().definition == {**definition, "rounding": "floor"}
    customer = make_customer()
    settle(
        sale(customer, line("a", "1500")),
        sale(customer, line("a", "100"), number="B2", occurred_at=AT + timedelta(days=1)),
    )
    assert points_of(customer) == 1500 + 200
    settle(sale(customer, line("a", "60"), number="B0", occurred_at=AT - timedelta(days=1)))
    assert points_of(customer) == 1500 + 200 + 60
    TierChange.objects.create(
        account=Account.objects.get(),
        tier=Tier.objects.get(name="Gold"),
        previous=silver,
        spend=0,
        reason="test",
        occurred_at=AT + timedelta(hours=1),
    )
    part = line("x", "-50", returns_key="a")
    settle(give_back(customer, part, sale_external_id="B2", occurred_at=AT + timedelta(days=2)))
    assert points_of(customer) == 1500 + 100 + 60
    assert SaleFacts.objects.count() == 3


def test_points_with_a_lifetime_of_their_own_are_an_entry_of_their_own() -> None:
    make_rule()
    bonus(points=30, expiry={"kind": "months", "length": 1})
    customer = make_customer()
    settle(sale(customer, line("a", "100"), occurred_at=datetime.now(UTC)))
    entries = PointsEntry.objects.order_by("-points")
    assert [entry.points for entry in entries] == [100, 30]
    lots = {entry.points: entry.lots.get().expires_on for entry in entries}
    assert lots[30] < lots[100]
    for entry in entries.select_related("account__program"):
        assert sum(step["points"] for step in explain_entry(entry).steps) == entry.points
    settle(give_back(customer, line("x", "-100", returns_key="a"), occurred_at=datetime.now(UTC)))
    assert points_of(customer) == 0
    assert [entry.points for entry in PointsEntry.objects.order_by("seq")][-1] == -130


def test_a_rule_written_down_later_does_not_touch_bills_that_were_paid() -> None:
    make_rule()
    customer = make_customer()
    settle(sale(customer, line("a", "100")))
    make_rule(name="Backdated").versions.update(published_at=timezone.now())
    settle(give_back(customer, line("x", "-40", returns_key="a")))
    assert points_of(customer) == 60
    settle(sale(customer, line("a", "100"), number="B2"))
    assert points_of(customer) == 60 + 200


@pytest.mark.performance
def test_limits_and_facts_take_the_same_queries_for_one_bill_and_a_hundred() -> None:
    make_rule(limit_points=500, limit_period="month", budget=10_000)
    bonus(kind="first_purchase", name="First")
    bonus(kind="streak", streak=2, name="Streak")
    bonus(kind="per_visit", name="Visit")
    bonus(name="Silver", tiers=[Tier.objects.get(name="Silver").pk])
    customers = [make_customer() for _ in range(20)]

    def batch(size: int, name: str) -> list[PurchaseState]:
        return [sale(customers[n % 20], line("a", "10"), number=f"{name}{n}") for n in range(size)]

    settle_purchases(states=batch(20, "warm-up"))
    counts = []
    for size in (1, 10, 100):
        with CaptureQueriesContext(connection) as queries:
            settle_purchases(states=batch(size, f"batch{size}-"))
        counts.append(len(queries))
    assert counts[1] == counts[2]
    assert counts[0] <= counts[1]
