"""Points for what customers do beside buying."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.events import CustomerRegistered
from customers.models import Customer
from loyalty.handlers import reward_sign_ups
from loyalty.models import Account, EarningRule, PointsEntry, RuleBudget, Tier
from loyalty.selectors import explain_entry, verify_ledger
from loyalty.services import EventOccasion, award_events, publish_rule_version
from loyalty.tests.factories import make_account, make_program

pytestmark = pytest.mark.django_db
AT = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


def make_event_rule(event: str = "review", **definition: Any) -> EarningRule:
    rule = EarningRule.objects.create(program=make_program(), name=f"For a {event}")
    publish_rule_version(
        rule=rule,
        definition={"kind": "event", "event": event, "points": 25, **definition},
        valid_from=datetime(2020, 1, 1, tzinfo=UTC),
    )
    return rule


def occasion(customer: Customer, key: str = "1", at: datetime = AT) -> EventOccasion:
    return EventOccasion(customer_id=customer.pk, key=key, occurred_at=at)


def award(*occasions: EventOccasion, event: str = "review") -> list[int]:
    answers = award_events(program=make_program(), event=event, occasions=occasions)
    assert not verify_ledger()
    return [answer.points_moved for answer in answers]


def make_customer() -> Customer:
    return make_account().customer


def test_an_event_gives_its_points_once_for_each_key() -> None:
    make_event_rule()
    customer = make_customer()
    assert award(occasion(customer), occasion(customer), occasion(customer, "2")) == [25, 0, 25]
    assert award(occasion(customer), occasion(customer, "3")) == [0, 25]
    (answer,) = award_events(program=make_program(), event="review", occasions=[occasion(customer)])
    assert (answer.points, answer.points_moved) == (25, 0)
    entry = PointsEntry.objects.select_related("account__program").first()
    assert entry is not None
    assert explain_entry(entry).sentences == ["For a review: 25 points for the occasion."]


def test_an_event_without_rule_or_customer_gives_nothing() -> None:
    customer = make_customer()
    assert award(occasion(customer)) == [0]
    make_event_rule()
    assert award(occasion(customer), event="birthday") == [0]
    ghost = EventOccasion(customer_id=10**9, key="1", occurred_at=AT)
    assert award(ghost, occasion(customer)) == [0, 25]


def test_events_obey_days_tiers_limits_and_budgets() -> None:
    silver = Tier.objects.filter(program=make_program(), name="Silver").get()
    make_event_rule("review", limit_times=2, limit_period="month")
    make_event_rule("party", budget=60)
    make_event_rule("gift", tiers=[silver.pk], starts_on="2026-05-04", ends_on="2026-05-04")
    first, second = make_customer(), make_customer()
    reviews = [occasion(first, str(n)) for n in range(4)]
    assert award(*reviews, occasion(second)) == [25, 25, 0, 0, 25]
    assert award(occasion(first, "9", AT + timedelta(days=40))) == [25]
    assert award(*[occasion(first, str(n)) for n in range(4)], event="party") == [25, 25, 10, 0]
    assert RuleBudget.objects.get().given == 60
    assert award(occasion(first), event="gift") == [0]
    Account.objects.filter(customer=first).update(tier=silver)
    assert award(occasion(first, at=AT + timedelta(days=1)), event="gift") == [0]
    assert award(occasion(first), event="gift") == [25]


def test_a_closed_account_gets_nothing_and_says_why() -> None:
    make_event_rule(budget=100)
    customer = make_customer()
    Account.objects.filter(customer=customer).update(closed_at=AT)
    (answer,) = award_events(program=make_program(), event="review", occasions=[occasion(customer)])
    assert answer.refusal and answer.refusal.code == "account_closed"
    assert RuleBudget.objects.get().given == 0
    assert not PointsEntry.objects.exists()


def test_signing_up_is_rewarded_once_but_not_for_imports() -> None:
    make_event_rule("sign_up")
    customers = [Customer.objects.create(name="Asha Patel") for _ in range(3)]
    events = [
        CustomerRegistered(customer_id=customer.pk, source=source)
        for customer, source in zip(customers, ("api:7", "portal", "import"), strict=True)
    ]
    reward_sign_ups(events)
    reward_sign_ups(events[:1])
    owners = PointsEntry.objects.values_list("account__customer_id", flat=True)
    assert sorted(owners) == [customers[0].pk, customers[1].pk]


@pytest.mark.performance
def test_one_occasion_and_a_hundred_take_the_same_queries() -> None:
    make_event_rule(limit_points=1000, limit_period="year", budget=100_000)
    customers = [make_customer() for _ in range(20)]

    def batch(size: int, name: str) -> list[EventOccasion]:
        return [occasion(customers[n % 20], f"{name}{n}") for n in range(size)]

    counts = []
    for size in (2, 10, 100):
        with CaptureQueriesContext(connection) as queries:
            award_events(program=make_program(), event="review", occasions=batch(size, f"b{size}-"))
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2]
