"""Bills that find their customer afterwards."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.errors import BillNotFoundError, BillTakenError, TooManyClaimsError
from customers.events import CustomerRegistered
from customers.models import BillPolicy, ClaimAttempt, Customer, Purchase, Store
from customers.tests.factories import make_customer, make_line_state, make_purchase_state
from loyalty import handlers
from loyalty.models import Account, PointsEntry
from loyalty.selectors import verify_ledger
from loyalty.services import (
    Settlement,
    claim_bill,
    claim_purchases,
    claim_waiting_bills,
    merge_customers,
    settle_purchases,
)
from loyalty.tests.factories import NOW, make_rule

pytestmark = pytest.mark.django_db
PHONE = "+919876543210"
Standing = Purchase.Standing


def park(net: str = "100.00", *, tax: str = "18.00", **fields: Any) -> Purchase:
    line = make_line_state(net=net, tax=Decimal(tax))
    state = make_purchase_state(**{"occurred_at": NOW, "lines": (line,), **fields})
    return settle_purchases(states=[state], now=NOW)[0].purchase


def claim(customer: Customer, bill: Purchase, **fields: Any) -> Settlement:
    given = {
        "number": bill.number,
        "store": bill.store,
        "bought_on": date(2026, 6, 15),
        "total": Decimal("118.00"),
        "now": NOW,
        **fields,
    }
    return claim_bill(customer=customer, **given)


def balance(customer: Customer) -> int:
    return Account.objects.get(customer=customer).balance


def test_a_claimed_bill_earns_by_the_rules_of_its_own_day() -> None:
    old = make_rule(valid_from=NOW - timedelta(days=400))
    bill = park(occurred_at=NOW - timedelta(days=60))
    version = old.versions.get()
    version.valid_until = NOW - timedelta(days=30)
    version.save()
    asha = make_customer()
    settlement = claim(asha, bill, bought_on=date(2026, 4, 16))
    assert (settlement.points_moved, settlement.points_of_bill) == (100, 100)
    entry = PointsEntry.objects.get()
    assert entry.occurred_at == bill.occurred_at
    assert entry.lots.get().expires_on == date(2027, 4, 16)


def test_a_bill_is_claimed_once_and_repeating_it_answers_the_same() -> None:
    make_rule()
    bill, asha, ravi = park(), make_customer(), make_customer()
    assert claim(asha, bill).points_moved == 100
    again = claim(asha, bill)
    assert (again.points_moved, again.points_of_bill, again.is_changed) == (0, 100, False)
    with pytest.raises(BillTakenError):
        claim(ravi, bill)
    assert balance(asha) == 100
    assert not Account.objects.filter(customer=ravi).exists()
    assert claim_purchases(owners={bill.pk: ravi.pk}) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"number": "other"},
        {"bought_on": date(2026, 6, 14)},
        {"total": Decimal("119.01")},
        {"store": None},
    ],
)
def test_refuses_what_does_not_fit_the_receipt(fields: dict[str, Any]) -> None:
    make_rule()
    bill, asha = park(), make_customer()
    if "store" in fields:
        fields = {"store": Store.objects.create(code="S9", name="Other")}
    with pytest.raises(BillNotFoundError):
        claim(asha, bill, **fields)
    bill.refresh_from_db()
    assert (bill.customer_id, bill.standing) == (None, Standing.NO_CUSTOMER)
    assert not PointsEntry.objects.exists()


def test_the_total_may_be_rounded_to_the_rupee_and_the_day_is_the_stores() -> None:
    make_rule()
    bill = park(occurred_at=datetime(2026, 6, 14, 20, 0, tzinfo=UTC))  # half past one, the 15th
    assert claim(make_customer(), bill, total=Decimal("118.60")).points_moved == 100


def test_guessing_is_bounded_for_each_customer_and_day() -> None:
    make_rule()
    bill, asha = park(), make_customer()
    for _ in range(5):
        with pytest.raises(BillNotFoundError):
            claim(asha, bill, number="guess")
    with pytest.raises(TooManyClaimsError) as refusal:
        claim(asha, bill)
    assert refusal.value.retry_after == 24 * 3600
    bill.refresh_from_db()
    assert bill.customer_id is None and ClaimAttempt.objects.count() == 5
    claim(make_customer(), park(), bought_on=date(2026, 6, 15))
    assert claim(asha, bill, now=NOW + timedelta(days=1, seconds=1)).points_moved == 100


def test_an_old_bill_is_for_staff_only() -> None:
    make_rule()
    asha, bill = make_customer(), park(occurred_at=NOW - timedelta(days=91))
    with pytest.raises(BillNotFoundError):
        claim(asha, bill, bought_on=date(2026, 3, 16))
    (settlement,) = claim_purchases(owners={bill.pk: asha.pk}, now=NOW)
    assert settlement.points_moved == 100


def test_returns_that_came_before_the_claim_are_taken_off() -> None:
    make_rule()
    bill, asha = park(), make_customer()
    back = make_line_state(net="-40.00", quantity=Decimal("-0.4"), returns_key="1")
    park(kind="return", sale_external_id=bill.external_id, lines=(back,))
    claim(asha, bill)
    assert balance(asha) == 60
    assert set(Purchase.objects.values_list("customer", flat=True)) == {asha.pk}
    assert not verify_ledger()


def test_a_bill_with_a_phone_finds_whoever_registers_it_later() -> None:
    make_rule()
    bill = park(customer_phone="098765 43210")
    assert bill.standing == Standing.NO_CUSTOMER and PHONE not in bill.phone_index
    make_customer()
    assert claim_waiting_bills(now=NOW) == 0
    asha = make_customer(phone=PHONE)
    handlers.claim_bills([CustomerRegistered(customer_id=asha.pk, source="till")])
    handlers.claim_bills([CustomerRegistered(customer_id=asha.pk, source="till")])
    assert balance(asha) == 100
    assert claim_waiting_bills(now=NOW) == 0


def test_a_bill_with_the_phone_of_a_member_is_his_at_once() -> None:
    make_rule()
    asha = make_customer(phone=PHONE)
    twin = make_customer()
    merge_customers(kept=twin, merged=asha, reason="Same", now=NOW)
    assert park(customer_phone=PHONE).customer_id == twin.pk
    assert park(customer_phone="no phone").standing == Standing.NO_CUSTOMER


def test_a_claim_survives_when_the_source_sends_the_bill_again() -> None:
    make_rule()
    state = make_purchase_state(net="118.00", occurred_at=NOW)
    settle_purchases(states=[state], now=NOW)
    bill, asha, ravi = Purchase.objects.get(), make_customer(), make_customer()
    claim(asha, bill)
    changed = make_purchase_state(
        net="50.00", occurred_at=NOW, external_id=state.external_id, number=state.number
    )
    settle_purchases(states=[changed], now=NOW)
    assert balance(asha) == 50
    known = make_purchase_state(
        customer=ravi,
        net="50.00",
        occurred_at=NOW,
        external_id=state.external_id,
        number=state.number,
    )
    settle_purchases(states=[known], now=NOW)
    assert (balance(asha), balance(ravi)) == (0, 50)


def test_the_policy_may_register_the_phone_on_a_bill() -> None:
    make_rule()
    BillPolicy.objects.create(unknown_customer="create")
    one = park(customer_phone=PHONE, customer_name="Asha Patel")
    two = park(customer_phone="9876543210")
    assert one.customer is not None and one.customer.name == "Asha Patel"
    assert two.customer == one.customer and balance(one.customer) == 200
    assert park().standing == Standing.NO_CUSTOMER


def test_the_policy_may_leave_bills_to_nobody() -> None:
    make_rule()
    BillPolicy.objects.create(unknown_customer="ignore")
    bill = park(customer_phone=PHONE)
    assert bill.standing == Standing.NOBODY
    asha = make_customer(phone=PHONE)
    assert claim_waiting_bills(now=NOW) == 0
    with pytest.raises(BillNotFoundError):
        claim(asha, bill)
    assert claim_purchases(owners={bill.pk: asha.pk}, now=NOW) == []
    assert not PointsEntry.objects.exists()
    assert park(customer_phone="+919876543299", unknown_customer="park").standing == "no_customer"


@pytest.mark.performance
def test_claiming_takes_the_same_queries_for_one_and_many_bills() -> None:
    make_rule()
    counts = []
    for size in (2, 12):
        owners = {park().pk: make_customer().pk for _ in range(size)}
        with CaptureQueriesContext(connection) as queries:
            assert len(claim_purchases(owners=owners, now=NOW)) == size
        counts.append(len(queries))
    assert counts[0] == counts[1]
