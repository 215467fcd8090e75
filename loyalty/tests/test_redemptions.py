"""Reserve, commit, let go, cancel, pay: once each, with nothing left behind by a refusal."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.tests.factories import make_customer, make_purchase, make_store
from loyalty import tasks
from loyalty.errors import (
    InsufficientPointsError,
    InvalidUnitsError,
    NotAPaymentError,
    NothingPayableError,
    OtherCustomersBillError,
    PaymentTooLargeError,
    RedemptionClosedError,
    RedemptionNotDoneError,
    RedemptionVoucherUsedError,
    ReferenceReusedError,
    ReservationOverError,
    RewardGateError,
    RewardNotOfferedError,
    RewardSoldOutError,
)
from loyalty.events import RewardRedeemed, VoucherIssued
from loyalty.ledger import GiveBack
from loyalty.models import (
    Account,
    Hold,
    Lot,
    PointsEntry,
    Redemption,
    RedemptionStep,
    Reward,
    Tier,
    Voucher,
)
from loyalty.selectors import offers_for, redemptions_of_purchases, verify_ledger
from loyalty.services import (
    BillNamed,
    cancel_redemption,
    cancel_reservation,
    commit_redemption,
    expire_accounts,
    expire_reservations,
    redeem_reward,
    reserve_payment,
    reserve_reward,
    use_voucher,
)
from loyalty.services.points import post_commands
from loyalty.tests.factories import NOW, TODAY, award, make_account, make_reward, wish_for
from loyalty_site.outbox.models import Delivery
from loyalty_site.outbox.services import subscribe
from loyalty_site.staff.tests.factories import make_user

pytestmark = pytest.mark.django_db


def figures(account: Account, reward: Reward) -> tuple[int, int, int | None, int]:
    """Balance, held, stock, taken."""
    account.refresh_from_db()
    reward.refresh_from_db()
    return account.balance, account.held, reward.stock, reward.taken


def test_a_reservation_holds_points_and_stock_and_commits_once() -> None:
    account, reward = make_account(balance=300), make_reward(points=100, stock=5)
    user = make_user()
    made = reserve_reward(wish=wish_for(account, reward, units=1, acting_user=user), now=NOW)
    assert made.expires_at == NOW + timedelta(minutes=15)
    assert figures(account, reward) == (300, 100, 4, 1)
    done = commit_redemption(redemption=made, acting_user=user, now=NOW)
    assert commit_redemption(redemption=made, now=NOW).entry_id == done.entry_id
    assert figures(account, reward) == (200, 0, 4, 1)
    entry = PointsEntry.objects.get(pk=done.entry_id or 0)
    assert (entry.points, entry.reason, entry.actor) == (-100, "Mug", user)
    steps = list(RedemptionStep.objects.order_by("pk").values_list("state", "actor"))
    assert steps == [("reserved", user.pk), ("committed", user.pk)]
    assert not verify_ledger()


def test_repeating_a_reference_redeems_once() -> None:
    account, reward = make_account(balance=300), make_reward(points=100)
    first = redeem_reward(wish=wish_for(account, reward, reference="tap"))
    assert redeem_reward(wish=wish_for(account, reward, reference="tap")) == first
    assert figures(account, reward) == (200, 0, None, 1)


def test_a_reference_stands_for_one_wish() -> None:
    account, reward = make_account(balance=300), make_reward(points=100, most_units=5)
    redeem_reward(wish=wish_for(account, reward, reference="tap"))
    with pytest.raises(ReferenceReusedError):
        redeem_reward(wish=wish_for(account, reward, reference="tap", units=2))
    with pytest.raises(ReferenceReusedError):
        redeem_reward(wish=wish_for(account, make_reward(name="Cap"), reference="tap"))
    assert figures(account, reward) == (200, 0, None, 1)


@pytest.mark.parametrize("units", [0, 4])
def test_refuses_more_units_than_the_reward_gives_at_once(units: int) -> None:
    account, reward = make_account(balance=900), make_reward(points=100, most_units=3)
    with pytest.raises(InvalidUnitsError):
        reserve_reward(wish=wish_for(account, reward, units=units))
    assert figures(account, reward) == (900, 0, None, 0)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"is_offered": False}, RewardNotOfferedError),
        ({"starts_at": NOW + timedelta(days=1)}, RewardNotOfferedError),
        ({"ends_at": NOW - timedelta(days=1)}, RewardNotOfferedError),
        ({"stock": 0}, RewardSoldOutError),
        ({"points": 1000}, InsufficientPointsError),
    ],
)
def test_a_refusal_writes_nothing(fields: dict[str, Any], error: type[Exception]) -> None:
    account = make_account(balance=300)
    reward = make_reward(**fields)
    with pytest.raises(error):
        redeem_reward(wish=wish_for(account, reward), now=NOW)
    assert figures(account, reward) == (300, 0, fields.get("stock"), 0)
    assert not Redemption.objects.exists() and not Hold.objects.exists()


def test_gates_of_tier_and_store_are_kept() -> None:
    account = make_account(balance=300)
    gold = make_reward(tiers=[Tier.objects.get(name="Gold")])
    here, there = make_store(), make_store(name="Station Road")
    local = make_reward(name="Cup", stores=[here])
    with pytest.raises(RewardGateError, match=r"Only for Gold\."):
        redeem_reward(wish=wish_for(account, gold))
    with pytest.raises(RewardGateError, match=r"Only at High Street\."):
        redeem_reward(wish=wish_for(account, local, store=there))
    assert not Redemption.objects.exists()
    redeem_reward(wish=wish_for(account, local, store=here))
    assert figures(account, local) == (200, 0, None, 1)


def test_letting_go_frees_points_and_stock_once() -> None:
    account, reward = make_account(balance=300), make_reward(points=100, stock=1)
    made = reserve_reward(wish=wish_for(account, reward))
    for _ in range(2):
        gone = cancel_reservation(redemption=made, reason="changed her mind")
    assert gone.state == Redemption.State.CANCELLED
    assert figures(account, reward) == (300, 0, 1, 0)
    with pytest.raises(RedemptionClosedError):
        commit_redemption(redemption=made)
    assert figures(account, reward) == (300, 0, 1, 0)


def test_a_committed_redemption_is_not_let_go_and_a_reserved_one_not_undone() -> None:
    account, reward = make_account(balance=300), make_reward(points=100)
    reserved = reserve_reward(wish=wish_for(account, reward))
    with pytest.raises(RedemptionNotDoneError):
        cancel_redemption(redemption=reserved, reason="wrong")
    commit_redemption(redemption=reserved)
    with pytest.raises(RedemptionClosedError):
        cancel_reservation(redemption=reserved)
    assert figures(account, reward) == (200, 0, None, 1)


def test_a_reservation_ends_after_15_minutes() -> None:
    account, reward = make_account(balance=300), make_reward(points=100, stock=1)
    made = reserve_reward(wish=wish_for(account, reward), now=NOW)
    late = NOW + timedelta(minutes=15)
    with pytest.raises(ReservationOverError):
        commit_redemption(redemption=made, now=late)
    assert expire_reservations(now=late - timedelta(seconds=1)) == 0
    assert expire_reservations(now=late) == 1
    assert expire_reservations(now=late) == 0
    made.refresh_from_db()
    assert made.state == Redemption.State.EXPIRED
    assert Hold.objects.get().state == Hold.State.EXPIRED
    assert figures(account, reward) == (300, 0, 1, 0)


@pytest.mark.performance
def test_reservations_end_in_a_constant_number_of_queries() -> None:
    rewards = [make_reward(name=f"Mug {n}", kind="voucher", points=1) for n in range(2)]
    for number in (1, 12):
        for n in range(number):
            account = make_account(balance=10)
            reserve_reward(wish=wish_for(account, rewards[n % 2]), now=NOW)
        with CaptureQueriesContext(connection) as queries:
            assert expire_reservations(now=NOW + timedelta(hours=1)) == number
        # The ledger settles its holds in one call, which SQLite writes down row by row.
        own = [query for query in queries if "UPDATE loyalty_hold" not in query["sql"]]
        assert len(own) <= 17


def test_cancelling_gives_points_back_to_their_lots_with_their_expiry() -> None:
    account, reward = make_account(), make_reward(points=100, stock=3)
    soon, later = TODAY + timedelta(days=10), TODAY + timedelta(days=90)
    award(account, 60, reference="a", expires_on=soon)
    award(account, 90, reference="b", expires_on=later)
    made = redeem_reward(wish=wish_for(account, reward), now=NOW)
    assert [lot.remaining for lot in Lot.objects.order_by("pk")] == [0, 50]
    for _ in range(2):
        cancel_redemption(redemption=made, reason="broken", now=NOW)
    assert [lot.remaining for lot in Lot.objects.order_by("pk")] == [60, 90]
    assert figures(account, reward) == (150, 0, 3, 0)
    assert account.entries.filter(kind="give_back").count() == 1
    assert not verify_ledger()


def test_cancelling_after_a_part_came_back_gives_the_rest_only() -> None:
    account, reward = make_account(balance=100), make_reward(points=100)
    made = redeem_reward(wish=wish_for(account, reward))
    give_back = GiveBack(
        account_id=account.pk,
        entry_id=made.entry_id or 0,
        total=40,
        reference="return:1",
        reason="returned goods",
        occurred_at=NOW,
    )
    post_commands(
        program=account.program,
        commands=[give_back],
        customers={account.pk: account.customer_id},
    )
    cancel_redemption(redemption=made, reason="the rest")
    assert figures(account, reward)[0] == 100
    assert not verify_ledger()


def test_points_that_expired_meanwhile_get_no_fresh_life() -> None:
    account, reward = make_account(), make_reward(points=100)
    award(account, 100, reference="a", expires_on=TODAY)
    made = redeem_reward(wish=wish_for(account, reward), now=NOW)
    late = NOW + timedelta(days=5)
    cancel_redemption(redemption=made, reason="late", now=late)
    expire_accounts(program=account.program, on=late.date(), now=NOW)
    assert figures(account, reward)[0] == 0
    assert not verify_ledger()


# --- vouchers of redemptions --------------------------------------------------------------------


def test_a_voucher_is_set_aside_issued_and_ends_with_its_redemption() -> None:
    account = make_account(balance=300)
    reward = make_reward(
        kind="voucher", points=100, valid_days=30, amount=Decimal("50"), most_units=3
    )
    made = reserve_reward(wish=wish_for(account, reward, units=2), now=NOW)
    assert {v.state for v in made.vouchers.all()} == {Voucher.State.SET_ASIDE}
    commit_redemption(redemption=made, now=NOW)
    one, two = made.vouchers.order_by("pk")
    assert one.state == two.state == Voucher.State.ISSUED
    assert one.expires_on == TODAY + timedelta(days=30)
    assert (one.amount, one.account) == (Decimal("50.00"), account)
    cancel_redemption(redemption=made, reason="wrong size", now=NOW)
    assert {v.state for v in made.vouchers.all()} == {Voucher.State.CANCELLED}
    assert figures(account, reward)[0] == 300


def test_a_used_voucher_keeps_its_redemption_spent() -> None:
    account, reward = make_account(balance=300), make_reward(kind="voucher", points=100)
    made = redeem_reward(wish=wish_for(account, reward))
    use_voucher(voucher=made.vouchers.get(), bill="B-1")
    with pytest.raises(RedemptionVoucherUsedError):
        cancel_redemption(redemption=made, reason="wants it back")
    made.refresh_from_db()
    assert made.state == Redemption.State.COMMITTED
    assert figures(account, reward) == (200, 0, None, 1)


def test_a_code_that_was_set_aside_returns_to_its_pool_unseen() -> None:
    account, reward = make_account(balance=300), make_reward(kind="voucher", points=100)
    made = reserve_reward(wish=wish_for(account, reward))
    code = made.vouchers.get().code
    cancel_reservation(redemption=made)
    free = Voucher.objects.get(code=code)
    assert (free.state, free.account, free.redemption) == (Voucher.State.AVAILABLE, None, None)
    again = redeem_reward(wish=wish_for(account, reward))
    assert again.vouchers.get().code == code


def test_redeeming_tells_of_the_reward_and_the_voucher_without_the_code() -> None:
    subscribe(lambda events: None, RewardRedeemed, VoucherIssued, name="test.rewards")
    account, reward = make_account(balance=300), make_reward(kind="voucher", points=100)
    made = redeem_reward(wish=wish_for(account, reward))
    told = Delivery.objects.filter(handler="test.rewards").order_by("pk")
    assert [row.event_name for row in told] == ["loyalty.voucher_issued", "loyalty.reward_redeemed"]
    code = made.vouchers.get().code
    assert not any(code in str(row.payload) for row in told)


# --- paying with points -------------------------------------------------------------------------


def make_payment(**fields: Any) -> Reward:
    terms = {"points": 4, "amount": Decimal("1.00"), "share_percent": Decimal(50), **fields}
    return make_reward(name="Pay with points", kind="amount_off", **terms)


def test_points_pay_their_share_of_a_bill_and_the_bill_is_remembered() -> None:
    account, reward = make_account(balance=1000), make_payment()
    bill = make_purchase(customer=account.customer, net="200.00")
    made = reserve_payment(wish=wish_for(account, reward), bill=Decimal("200.00"))
    assert (made.points, made.amount) == (400, Decimal("100.00"))
    assert figures(account, reward)[:2] == (1000, 400)
    commit_redemption(redemption=made, bill=BillNamed(purchase=bill))
    assert figures(account, reward)[:2] == (600, 0)
    assert redemptions_of_purchases([bill.pk]) == {bill.pk: [made]}
    entry = PointsEntry.objects.get(pk=made.entry_id or account.entries.latest("seq").pk)
    assert entry.purchase is None
    assert entry.reason == "₹100.00 off a bill: 4 points for each ₹1.00"
    assert entry.details["payable"] == "100.00"


def test_a_bill_that_arrives_later_is_found_by_its_key() -> None:
    account, reward = make_account(balance=1000), make_payment()
    made = reserve_payment(wish=wish_for(account, reward), bill=Decimal("200.00"))
    commit_redemption(redemption=made, bill=BillNamed(source="till", key="B-77"))
    assert redemptions_of_purchases([]) == {}
    bill = make_purchase(customer=account.customer, external_id="B-77")
    other = make_purchase(customer=account.customer, source="other", external_id="B-77")
    assert redemptions_of_purchases([bill.pk, other.pk]) == {bill.pk: [made]}


def test_a_bill_that_a_cashier_named_is_found_by_its_number_and_customer() -> None:
    account, reward = make_account(balance=1000), make_payment()
    made = reserve_payment(wish=wish_for(account, reward), bill=Decimal("200.00"))
    commit_redemption(redemption=made, bill=BillNamed(source="counter", key="77"))
    theirs = make_purchase(customer=make_customer(), number="77")
    bill = make_purchase(customer=account.customer, number="77", source="logic:1")
    assert redemptions_of_purchases([theirs.pk, bill.pk]) == {bill.pk: [made]}


@pytest.mark.performance
def test_redemptions_of_bills_are_found_in_two_queries(
    django_assert_max_num_queries: Any,
) -> None:
    account, reward = make_account(balance=100_000), make_payment()
    bills = []
    for number in (1, 9):
        for _ in range(number):
            bill = make_purchase(customer=account.customer, net="200.00")
            made = reserve_payment(wish=wish_for(account, reward), bill=Decimal(10))
            commit_redemption(redemption=made, bill=BillNamed(purchase=bill))
            bills.append(bill.pk)
        with django_assert_max_num_queries(2):
            assert len(redemptions_of_purchases(bills)) == len(bills)


def test_refuses_another_customers_bill_and_a_bill_too_small_for_the_payment() -> None:
    account, reward = make_account(balance=1000), make_payment()
    made = reserve_payment(wish=wish_for(account, reward), bill=Decimal("200.00"))
    theirs = make_purchase(customer=make_customer(), net="200.00")
    with pytest.raises(OtherCustomersBillError):
        commit_redemption(redemption=made, bill=BillNamed(purchase=theirs))
    small = make_purchase(customer=account.customer, net="90.00")
    with pytest.raises(PaymentTooLargeError, match=r"₹45\.00"):
        commit_redemption(redemption=made, bill=BillNamed(purchase=small))
    made.refresh_from_db()
    assert made.state == Redemption.State.RESERVED
    assert figures(account, reward)[:2] == (1000, 400)


def test_refuses_payments_that_pay_nothing_and_says_why() -> None:
    reward = make_payment(least_points=50)
    with pytest.raises(InsufficientPointsError):
        reserve_payment(wish=wish_for(make_account(balance=20), reward), bill=Decimal(100))
    account = make_account(balance=1000)
    with pytest.raises(NothingPayableError, match="Fewer than 50 points"):
        reserve_payment(wish=wish_for(account, reward), bill=Decimal(10))
    with pytest.raises(NotAPaymentError):
        reserve_reward(wish=wish_for(account, reward))
    with pytest.raises(NotAPaymentError):
        reserve_payment(wish=wish_for(account, make_reward()), bill=Decimal(10))
    assert not Redemption.objects.exists()


def test_repeating_a_payment_with_another_amount_is_refused() -> None:
    account, reward = make_account(balance=1000), make_payment()
    wish = wish_for(account, reward, reference="till-1")
    first = reserve_payment(wish=wish, bill=Decimal("200.00"))
    assert reserve_payment(wish=wish, bill=Decimal("200.00")) == first
    with pytest.raises(ReferenceReusedError):
        reserve_payment(wish=wish, bill=Decimal("100.00"))
    assert figures(account, reward)[:2] == (1000, 400)


# --- offers -------------------------------------------------------------------------------------


def test_an_offer_says_in_words_what_is_missing() -> None:
    account = make_account(balance=320)
    near, far = make_reward(points=321), make_reward(name="Pan", points=1500)
    offers = offers_for(account, [near, far])
    assert [offer.reasons for offer in offers] == [
        ["1 point is missing."],
        ["1,180 points are missing."],
    ]
    assert [offer.missing_points for offer in offers] == [1, 1180]


@pytest.mark.performance
def test_offers_take_a_constant_number_of_queries(django_assert_max_num_queries: Any) -> None:
    account = make_account(balance=320)
    for count in (1, 11):
        rewards = [
            make_reward(name=f"R{count}-{n}", kind="voucher", limit_each=2) for n in range(count)
        ]
        with django_assert_max_num_queries(3):
            offers_for(account, rewards)


# --- periodic work ------------------------------------------------------------------------------


def test_the_periodic_jobs_end_what_is_over() -> None:
    account = make_account(balance=300)
    reward = make_reward(kind="voucher", points=10, valid_days=1)
    old = redeem_reward(wish=wish_for(account, reward), now=NOW).vouchers.get()
    held = reserve_reward(wish=wish_for(account, reward), now=NOW)
    tasks.expire_vouchers()
    tasks.expire_reservations()
    tasks.make_voucher_codes()
    old.refresh_from_db()
    held.refresh_from_db()
    assert (old.state, held.state) == (Voucher.State.EXPIRED, Redemption.State.EXPIRED)
