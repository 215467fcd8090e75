"""Points that wait for something the customer does, and are given up in time."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from customers.models import Customer
from loyalty.errors import InvalidRuleError
from loyalty.models import Account, EarningRule, PendingPoints, PointsEntry
from loyalty.selectors import explain_entry, verify_ledger
from loyalty.services import EventOccasion, award_events, run_nightly, settle_purchases
from loyalty.tests.factories import make_program, make_rule
from loyalty.tests.test_settle_purchases import AT, give_back, line, make_customer, sale

pytestmark = pytest.mark.django_db


def figures(customer: Customer) -> tuple[int, int]:
    account = Account.objects.get(customer=customer)
    assert not verify_ledger()
    return account.balance, account.pending


def bought(**definition: Any) -> Customer:
    """A customer with a bill of 100 whose points wait for a review."""
    program = make_program()
    program.expiry = {"kind": "days", "length": 30}
    program.save()
    make_rule(awaits="review", **definition)
    customer = make_customer()
    settle_purchases(states=[sale(customer, line("a", "60"), line("b", "40"))], now=AT)
    return customer


def review(customer: Customer, at: datetime, key: str = "1") -> None:
    occasion = EventOccasion(customer_id=customer.pk, key=key, occurred_at=at)
    award_events(program=make_program(), event="review", occasions=[occasion], now=at)


def test_points_wait_for_their_event_and_their_life_begins_with_it() -> None:
    customer = bought()
    assert figures(customer) == (0, 100)
    later = AT + timedelta(days=20)
    for key in "12":
        review(customer, later, key)
    assert figures(customer) == (100, 0)
    entry = PointsEntry.objects.get(kind=PointsEntry.Kind.ACTIVATE)
    assert entry.lots.get().expires_on == date(2026, 6, 23)
    assert entry.purchase is not None
    assert explain_entry(entry).sentences


def test_another_event_or_another_customer_leaves_them_waiting() -> None:
    customer = bought()
    review(make_customer(), AT)
    occasion = EventOccasion(customer_id=customer.pk, key="1", occurred_at=AT)
    award_events(program=make_program(), event="referral", occasions=[occasion], now=AT)
    assert figures(customer) == (0, 100)


def test_points_whose_event_does_not_come_are_given_up_after_the_days_of_the_rule() -> None:
    customer = bought(cancel_days=10)
    assert PendingPoints.objects.get().cancels_on == date(2026, 5, 14)
    for day, left in ((14, 100), (15, 0)):
        run_nightly(program=make_program(), on=date(2026, 5, day), keep_going=lambda: True)
        assert figures(customer) == (0, left)
    review(customer, AT + timedelta(days=12))
    assert figures(customer) == (0, 0)


def test_goods_that_come_back_take_what_still_waits() -> None:
    customer = bought()
    settle_purchases(states=[give_back(customer, line("x", "-60", returns_key="a"))], now=AT)
    assert figures(customer) == (0, 40)
    review(customer, AT + timedelta(days=3))
    settle_purchases(
        states=[give_back(customer, line("y", "-40", returns_key="b"), number="R2")], now=AT
    )
    assert figures(customer) == (0, 0)


@pytest.mark.parametrize(
    "definition", [{"awaits": "review", "pending_days": 3}, {"cancel_days": 3}, {"awaits": "A b"}]
)
def test_refuses_waiting_that_makes_no_sense(definition: dict[str, Any]) -> None:
    with pytest.raises(InvalidRuleError):
        make_rule(**definition)
    assert not EarningRule.objects.filter(versions__isnull=False).exists()
