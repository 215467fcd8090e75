"""Merging two records of one person, and undoing it."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from customers.errors import (
    CustomerMergedError,
    MergeRefusedError,
    PhoneTakenError,
    UnmergeRefusedError,
)
from customers.events import CustomersMerged
from customers.models import Customer, CustomerMerge, MergedPurchase, Purchase
from customers.selectors import (
    consent_states,
    customers_by_phone,
    find_customer_by_contact,
    search_customers,
)
from customers.services import change_customer, record_consent, register_customer
from customers.tests.factories import make_customer, make_line_state, make_purchase_state
from loyalty import ledger
from loyalty.errors import AccountClosedError, PointsHeldError
from loyalty.models import Account, Lot, PendingPoints, PointsEntry, Tier, TierChange
from loyalty.selectors import verify_ledger
from loyalty.services import (
    award_points,
    cancel_redemption,
    merge_customers,
    redeem_points,
    redeem_reward,
    separate_customers,
    settle_purchases,
)
from loyalty.tests.factories import (
    NOW,
    TODAY,
    award,
    make_account,
    make_program,
    make_reward,
    make_rule,
    wish_for,
)
from loyalty_site.outbox import services

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)


def merge(kept: Account, merged: Account) -> CustomerMerge:
    return merge_customers(
        kept=kept.customer, merged=merged.customer, reason="Same person", now=NOW
    )


def fresh(*accounts: Account) -> list[Account]:
    for account in accounts:
        account.refresh_from_db()
        account.customer.refresh_from_db()
    return list(accounts)


def buy(customer: Customer, net: str = "100.00", **fields: object) -> Purchase:
    state = make_purchase_state(customer=customer, net=net, **fields)
    return settle_purchases(states=[state], now=NOW)[0].purchase


def test_lots_keep_their_expiry_and_the_other_account_is_closed() -> None:
    asha, twin = make_account(balance=100), make_account()
    award(twin, 150, reference="soon", expires_on=date(2026, 7, 1))
    award(twin, 50, reference="late", expires_on=date(2027, 1, 31))
    merge(asha, twin)
    fresh(asha, twin)
    assert (asha.balance, twin.balance) == (300, 0)
    assert twin.closed_at is not None and twin.merged_into_id == asha.pk
    lots = Lot.objects.filter(account=asha, remaining__gt=0).order_by("expires_on")
    assert [(lot.remaining, lot.expires_on) for lot in lots][:2] == [
        (150, date(2026, 7, 1)),
        (50, date(2027, 1, 31)),
    ]
    assert not verify_ledger()


def test_debts_and_points_on_their_way_come_along() -> None:
    asha, twin = make_account(balance=100), make_account()
    pend = ledger.Pend(
        account_id=twin.pk,
        points=40,
        awaits="first bill",
        cancels_on=date(2026, 12, 31),
        reference="friend",
        reason="test",
        occurred_at=NOW,
    )
    taken = ledger.ClawBack(
        account_id=twin.pk, points=30, reference="back", reason="test", occurred_at=NOW
    )
    ledger.post([pend, taken], now=NOW, today=TODAY)
    merge(asha, twin)
    fresh(asha, twin)
    assert (asha.balance, asha.debt, asha.pending) == (70, 0, 40)
    assert (twin.balance, twin.debt, twin.pending) == (0, 0, 0)
    assert PendingPoints.objects.get().account_id == asha.pk
    assert not verify_ledger()


def test_the_higher_tier_is_kept_and_given_back() -> None:
    asha, twin = make_account(), make_account()
    gold, bronze = Tier.objects.get(name="Gold"), Tier.objects.get(name="Bronze")
    Account.objects.filter(pk=twin.pk).update(tier=gold)
    done = merge(asha, twin)
    fresh(asha)
    assert asha.tier == gold
    separate_customers(merge=done, now=LATER)
    fresh(asha, twin)
    assert (asha.tier, twin.tier) == (bronze, gold)
    assert TierChange.objects.filter(account=asha).count() == 2


def test_bills_contacts_and_the_later_refusal_come_along() -> None:
    asha = make_customer(phone="", email="asha@example.com", city="Pune")
    twin = make_customer(phone="+919876543210", email="twin@example.com", city="Goa")
    for customer, purpose, granted in (
        (asha, "marketing", True),
        (twin, "marketing", False),
        (twin, "service", True),
    ):
        record_consent(
            customer=customer,
            channel="email" if purpose == "marketing" else "whatsapp",
            purpose=purpose,
            granted=granted,
            wording="Words",
            source="till",
        )
    bill = buy(twin)
    merge_customers(kept=asha, merged=twin, reason="Same", now=NOW)
    asha.refresh_from_db()
    twin.refresh_from_db()
    bill.refresh_from_db()
    assert (asha.phone, asha.email, asha.city) == ("+919876543210", "asha@example.com", "Pune")
    assert (twin.phone, twin.email, twin.status) == ("", "twin@example.com", "merged")
    assert bill.customer_id == asha.pk
    allowed = consent_states(customer_ids=[asha.pk], channel="email", purpose="marketing")
    assert allowed == {asha.pk: False}
    assert consent_states(customer_ids=[asha.pk], channel="whatsapp", purpose="service")[asha.pk]


def test_every_way_to_find_the_other_record_finds_the_one_that_is_kept() -> None:
    asha = make_customer(phone="+919876543210")
    twin = make_customer(phone="+919876543211", email="twin@example.com", name="Twin")
    merge_customers(kept=asha, merged=twin, reason="Same", now=NOW)
    assert find_customer_by_contact("+919876543211") == asha
    assert find_customer_by_contact("twin@example.com") == asha
    assert customers_by_phone(["+919876543211"]) == {"+919876543211": asha}
    assert list(search_customers("98765 43211")) == [asha]
    assert not search_customers("Twin").exists()
    with pytest.raises(PhoneTakenError) as taken:
        register_customer(name="New", phone="+919876543211", source="till")
    assert taken.value.context["customer_id"] == asha.pk
    with pytest.raises(CustomerMergedError, match=str(asha.pk)):
        change_customer(customer_id=twin.pk, changes={"name": "x"}, source="till")


def test_a_later_return_of_a_merged_bill_settles_against_the_one_that_is_kept() -> None:
    make_rule()
    asha, twin = make_customer(), make_customer()
    state = make_purchase_state(customer=twin, net="100.00")
    settle_purchases(states=[state], now=NOW)
    merge_customers(kept=asha, merged=twin, reason="Same", now=NOW)
    returned = make_purchase_state(
        customer=twin,
        kind="return",
        sale_external_id=state.external_id,
        lines=(make_line_state(net="-40.00", quantity=Decimal("-0.4"), returns_key="1"),),
    )
    (settlement,) = settle_purchases(states=[returned], now=LATER)
    account = Account.objects.get(customer=asha)
    assert (settlement.refusal, settlement.points_moved, account.balance) == (None, -40, 60)
    assert Purchase.objects.get(pk=settlement.purchase.pk).customer_id == asha.pk
    (again,) = settle_purchases(states=[state], now=LATER)
    assert not again.is_changed and Purchase.objects.get(number=state.number).customer == asha
    assert not verify_ledger()


def test_new_bills_under_the_old_number_are_the_kept_ones() -> None:
    make_rule()
    asha, twin = make_customer(), make_customer()
    merge_customers(kept=asha, merged=twin, reason="Same", now=NOW)
    assert buy(twin).customer_id == asha.pk
    assert Account.objects.get(customer=asha).balance == 100


def test_undoing_brings_back_what_is_left() -> None:
    make_rule()
    asha, twin = make_account(balance=100), make_account(balance=0)
    bill = buy(twin.customer, "200.00")
    done = merge(asha, twin)
    redeem_points(account=asha, points=150, reference="gift", reason="Gift")
    separate_customers(merge=done, now=LATER)
    fresh(asha, twin)
    bill.refresh_from_db()
    # The bill's points end sooner than the others, so the gift took 150 of its 200.
    assert (asha.balance, twin.balance) == (100, 50)
    assert twin.closed_at is None and twin.merged_into_id is None
    assert twin.customer.status == Customer.Status.ACTIVE
    assert bill.customer_id == twin.customer_id
    award_points(account=twin, points=1, reference="again", reason="Open again")
    assert not verify_ledger()


def test_a_return_while_merged_counts_once_after_undoing() -> None:
    make_rule()
    asha, twin = make_account(), make_account()
    state = make_purchase_state(customer=twin.customer, net="100.00")
    settle_purchases(states=[state], now=NOW)
    done = merge(asha, twin)
    lines = (make_line_state(net="-40.00", quantity=Decimal("-0.4"), returns_key="1"),)
    common: dict[str, Any] = {"kind": "return", "sale_external_id": state.external_id}
    settle_purchases(states=[make_purchase_state(lines=lines, **common)], now=NOW)
    separate_customers(merge=done, now=LATER)
    fresh(asha, twin)
    assert (asha.balance, twin.balance) == (0, 60)
    lines = (make_line_state(net="-10.00", quantity=Decimal("-0.1"), returns_key="1"),)
    settle_purchases(states=[make_purchase_state(lines=lines, **common)], now=LATER)
    fresh(asha, twin)
    assert (asha.balance, twin.balance) == (0, 50)


def test_contacts_go_back_and_so_do_earlier_merges() -> None:
    asha = make_customer(phone="", email="")
    twin = make_customer(phone="+919876543210", email="twin@example.com")
    third = make_customer()
    merge_customers(kept=twin, merged=third, reason="Same", now=NOW)
    done = merge_customers(kept=asha, merged=twin, reason="Same", now=NOW)
    third.refresh_from_db()
    assert third.merged_into_id == asha.pk
    separate_customers(merge=done, now=LATER)
    for customer in (asha, twin, third):
        customer.refresh_from_db()
    assert (asha.phone, asha.email) == ("", "")
    assert (twin.phone, twin.email) == ("+919876543210", "twin@example.com")
    assert third.merged_into_id == twin.pk
    assert find_customer_by_contact("+919876543210") == twin


def test_refuses_the_same_an_erased_and_a_merged_customer() -> None:
    asha, twin = make_account(balance=10), make_account(balance=20)
    erased = make_customer(status=Customer.Status.ERASED)
    for kept, other in ((asha.customer, asha.customer), (asha.customer, erased)):
        with pytest.raises(MergeRefusedError):
            merge_customers(kept=kept, merged=other, reason="x", now=NOW)
    assert not CustomerMerge.objects.exists()
    merge(asha, twin)
    for first, second in ((asha, twin), (twin, asha)):
        with pytest.raises(MergeRefusedError, match="merged already"):
            merge(first, second)
    assert CustomerMerge.objects.count() == 1
    assert fresh(asha)[0].balance == 30


def test_refuses_while_a_redemption_is_under_way_and_changes_nothing() -> None:
    asha, twin = make_account(balance=10), make_account(balance=20)
    hold = ledger.PlaceHold(
        account_id=twin.pk,
        points=5,
        reference="hold",
        reason="Gift",
        occurred_at=NOW,
        expires_at=LATER,
    )
    ledger.post([hold], now=NOW, today=TODAY)
    with pytest.raises(PointsHeldError):
        merge(asha, twin)
    fresh(asha, twin)
    assert (asha.balance, twin.balance, twin.customer.status) == (10, 20, "active")
    assert not CustomerMerge.objects.exists() and not MergedPurchase.objects.exists()


def test_an_undo_has_its_time_and_its_order() -> None:
    asha, twin, third = (make_account(balance=n) for n in (10, 20, 30))
    first = merge(asha, twin)
    second = merge(third, asha)
    with pytest.raises(UnmergeRefusedError, match="undo that first"):
        separate_customers(merge=first, now=LATER)
    with pytest.raises(UnmergeRefusedError, match="30 days"):
        separate_customers(merge=second, now=NOW + timedelta(days=31))
    assert fresh(third)[0].balance == 60
    separate_customers(merge=second, now=LATER)
    with pytest.raises(UnmergeRefusedError, match="already"):
        separate_customers(merge=second, now=LATER)
    separate_customers(merge=first, now=LATER)
    assert [account.balance for account in fresh(asha, twin, third)] == [10, 20, 30]
    assert not verify_ledger()


def test_a_closed_account_says_so() -> None:
    asha, twin = make_account(), make_account()
    merge(asha, twin)
    with pytest.raises(AccountClosedError):
        award_points(account=twin, points=1, reference="late", reason="Late")
    assert not PointsEntry.objects.filter(reference="late").exists()


def test_tells_upper_parts_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[CustomersMerged] = []
    monkeypatch.setattr(services, "_subscriptions", {})
    monkeypatch.setattr(services, "_listeners", {})
    services.subscribe(told.extend, CustomersMerged, name="test.merged")
    asha, twin = make_account(), make_account()
    done = merge(asha, twin)
    services.deliver(handler="test.merged", limit=10)
    assert told == [
        CustomersMerged(
            merge_id=done.pk, customer_id=asha.customer_id, merged_customer_id=twin.customer_id
        )
    ]


def test_customers_without_points_merge_too() -> None:
    make_program()
    asha, twin = make_customer(), make_customer()
    merge_customers(kept=asha, merged=twin, reason="Same", now=NOW)
    assert not Account.objects.exists()


def test_limits_of_rules_count_what_both_records_were_given() -> None:
    make_rule(limit_points=150, limit_period="month")
    asha, twin = make_customer(), make_customer()
    state = make_purchase_state(customer=twin, net="100.00")
    settle_purchases(states=[state], now=NOW)
    merge_customers(kept=asha, merged=twin, reason="Same", now=NOW)
    buy(asha, "100.00")
    account = Account.objects.get(customer=asha)
    assert account.balance == 150
    line = make_line_state(net="-40.00", quantity=Decimal("-0.4"), returns_key="1")
    common: dict[str, Any] = {"kind": "return", "sale_external_id": state.external_id}
    settle_purchases(states=[make_purchase_state(lines=(line,), **common)], now=LATER)
    account.refresh_from_db()
    assert account.balance == 110
    buy(asha, "100.00")
    account.refresh_from_db()
    assert account.balance == 150
    assert not verify_ledger()


def test_points_that_come_back_after_a_merge_go_to_the_one_that_is_kept() -> None:
    asha, twin = make_account(), make_account(balance=300)
    gift = redeem_reward(wish=wish_for(twin, make_reward(points=100)), now=NOW)
    merge(asha, twin)
    assert [account.balance for account in fresh(asha, twin)] == [200, 0]
    cancel_redemption(redemption=gift, reason="Broken")
    assert [account.balance for account in fresh(asha, twin)] == [300, 0]
    assert not verify_ledger()
