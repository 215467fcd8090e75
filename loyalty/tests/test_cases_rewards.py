"""The behaviour cases of redeeming, told as stories."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from loyalty import ledger
from loyalty.errors import (
    InsufficientPointsError,
    PoolEmptyError,
    RewardLimitError,
    RewardSoldOutError,
)
from loyalty.events import MilestoneReached
from loyalty.models import Lot, PointsEntry, Redemption, VoucherPool
from loyalty.selectors import quote_bill, verify_ledger
from loyalty.services import (
    apply_import,
    award_points,
    expire_accounts,
    preview_import,
    redeem_points,
    redeem_reward,
    reserve_payment,
    save_pool,
)
from loyalty.tests.factories import (
    NOW,
    TODAY,
    award,
    make_account,
    make_program,
    make_reward,
    wish_for,
)
from loyalty_site.outbox.models import Delivery
from loyalty_site.outbox.services import subscribe
from loyalty_site.staff.tests.factories import make_user

pytestmark = pytest.mark.django_db


def test_case_1_two_receipts_are_spent_oldest_first() -> None:
    """Case 1."""
    account = make_account()
    reward = make_reward(points=500, most_units=5)
    last_day = TODAY + timedelta(days=90)
    award(account, 575, reference="receipt-1", expires_on=last_day)
    redeem_reward(wish=wish_for(account, reward), now=NOW)
    assert [lot.remaining for lot in Lot.objects.order_by("pk")] == [75]
    award(account, 805, reference="receipt-2", expires_on=last_day)
    redeem_reward(wish=wish_for(account, reward), now=NOW)
    assert [lot.remaining for lot in Lot.objects.order_by("pk")] == [0, 380]
    expire_accounts(program=account.program, on=last_day + timedelta(days=1), now=NOW)
    account.refresh_from_db()
    assert account.balance == 0
    assert not Lot.objects.filter(remaining__gt=0).exists()
    assert not verify_ledger()


def test_case_2_a_bundle_costs_as_a_whole() -> None:
    """Case 2."""
    account = make_account(balance=50)
    reward = make_reward(points=3, bundle=2, most_units=10)
    made = redeem_reward(wish=wish_for(account, reward, units=5))
    account.refresh_from_db()
    assert (made.points, account.balance) == (9, 41)
    entry = PointsEntry.objects.get(pk=made.entry_id or 0)
    assert entry.reason == "5 × Mug: 3 points for each 2"  # noqa: RUF001
    assert (entry.details["points_each"], entry.details["bundle"]) == (3, 2)


def test_case_3_too_few_points_post_nothing() -> None:
    """Case 3."""
    account = make_account(balance=3)
    award(account, 1, reference="receipt")
    reward = make_reward(points=5, stock=4)
    with pytest.raises(InsufficientPointsError, match="4 can be used, 5 are asked for"):
        redeem_reward(wish=wish_for(account, reward))
    account.refresh_from_db()
    reward.refresh_from_db()
    assert (account.balance, account.held, reward.stock, reward.taken) == (4, 0, 4, 0)
    assert not Redemption.objects.exists()


def test_case_10_only_whole_multiples_are_used() -> None:
    """Case 10."""
    account = make_account(balance=10)
    award(account, 1, reference="earned-now")
    account.refresh_from_db()
    reward = make_reward(kind="amount_off", points=3, amount=Decimal("1.00"))
    assert quote_bill(account, reward, bill=Decimal(100)).points == 9
    made = reserve_payment(wish=wish_for(account, reward), bill=Decimal(100))
    account.refresh_from_db()
    assert (made.points, made.amount, account.available) == (9, Decimal("3.00"), 2)


def test_case_11_milestones_are_told_as_balances_rise_past_them() -> None:
    """Case 11; the arithmetic alone is tested beside the engine."""
    make_program(milestones=[50, 100])
    account = make_account()
    subscribe(lambda events: None, MilestoneReached, name="test.milestones")
    told: list[int | None] = []
    for number, points in enumerate([50, 49, 1, -100, 100]):
        Delivery.objects.all().delete()
        if points > 0:
            award_points(account=account, points=points, reference=f"{number}", reason="test")
        else:
            redeem_points(account=account, points=-points, reference=f"{number}", reason="test")
        reached = Delivery.objects.filter(event_name=MilestoneReached.name)
        told.append(next((one.payload["milestone"] for one in reached), None))
    assert told == [50, None, 100, None, 100]


def test_case_13_what_expired_cannot_be_spent() -> None:
    """Case 13."""
    account = make_account()
    january, february = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    for points, at in ((300, january), (200, february)):
        award(account, points, reference=str(at), now=at, expires_on=at.date() + timedelta(days=30))
    spend = ledger.Redeem(
        account_id=account.pk,
        points=200,
        reference="gift",
        reason="gift",
        occurred_at=datetime(2026, 1, 15, tzinfo=UTC),
    )
    ledger.post([spend], now=january, today=january.date())
    reward = make_reward(points=1)
    with pytest.raises(InsufficientPointsError):
        redeem_reward(wish=wish_for(account, reward), now=NOW)
    assert not Redemption.objects.exists()
    assert not verify_ledger()


def test_case_16_two_codes_used_leave_none_even_without_a_limit() -> None:
    """Case 16, codes."""
    pool = save_pool(pool=VoucherPool(program=make_program(), name="Cinema", source="imported"))
    found = preview_import(
        pool=pool, file_name="a.csv", content=b"CODE-1\nCODE-2\n", acting_user=make_user()
    )
    apply_import(voucher_import=found)
    account = make_account(balance=100)
    reward = make_reward(kind="voucher", points=10, pool=pool)
    for _ in range(2):
        redeem_reward(wish=wish_for(account, reward))
    with pytest.raises((RewardSoldOutError, PoolEmptyError)):
        redeem_reward(wish=wish_for(account, reward))
    account.refresh_from_db()
    assert account.balance == 80


def test_case_16_the_total_limit_and_the_customers_limit_are_kept() -> None:
    """Case 16, limits."""
    once = make_reward(points=1, limit_total=1)
    redeem_reward(wish=wish_for(make_account(balance=10), once))
    with pytest.raises(RewardLimitError, match="given away"):
        redeem_reward(wish=wish_for(make_account(balance=10), once))
    ten_each = make_reward(points=1, limit_each=10, stock=100)
    account = make_account(balance=100)
    for _ in range(10):
        redeem_reward(wish=wish_for(account, ten_each))
    with pytest.raises(RewardLimitError, match="can have 10"):
        redeem_reward(wish=wish_for(account, ten_each))
    account.refresh_from_db()
    ten_each.refresh_from_db()
    assert (account.balance, ten_each.stock, ten_each.taken) == (90, 90, 10)


def test_case_16_the_cost_must_be_there() -> None:
    """Case 16, points."""
    account = make_account(balance=10)
    with pytest.raises(InsufficientPointsError):
        redeem_reward(wish=wish_for(account, make_reward(points=20)))
    redeem_reward(wish=wish_for(account, make_reward(points=10)))
    account.refresh_from_db()
    assert account.balance == 0
