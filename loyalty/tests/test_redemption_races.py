"""Many threads on one reward, one voucher, one reservation; real connections, PostgreSQL."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from unittest import mock

import pytest
from django.db import connection
from django.utils import timezone

from loyalty.models import Account, Redemption, Reward, Voucher
from loyalty.selectors import verify_ledger
from loyalty.services import (
    cancel_redemption,
    cancel_reservation,
    commit_redemption,
    expire_reservations,
    redeem_reward,
    reserve_reward,
    use_voucher,
)
from loyalty.tests.factories import make_account, make_pool, make_reward, wish_for
from loyalty_site.common.errors import DomainError
from tests.support.threads import run_together

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.needs_postgresql,
]


def redeemer(account: Account, reward: Reward) -> Callable[[], Redemption]:
    wish = wish_for(account, reward)
    return lambda: redeem_reward(wish=wish)


def kinds(answers: Sequence[object]) -> Counter[str]:
    """How often each answer came: what was made, the code of a refusal, or what went wrong."""
    return Counter(_kind(answer) for answer in answers)


def _kind(answer: object) -> str:
    if isinstance(answer, DomainError):
        return answer.code
    return repr(answer) if isinstance(answer, BaseException) else type(answer).__name__


def race_for_stock() -> tuple[Reward, list[Redemption | BaseException]]:
    reward = make_reward(points=10, stock=5)
    accounts = [make_account(balance=100) for _ in range(24)]
    answers = run_together([redeemer(account, reward) for account in accounts])
    reward.refresh_from_db()
    return reward, answers


def test_24_threads_never_take_more_than_the_stock() -> None:
    reward, answers = race_for_stock()
    assert kinds(answers) == {"Redemption": 5, "reward_sold_out": 19}
    assert (reward.stock, reward.taken) == (0, 5)
    assert not verify_ledger()


def test_the_same_race_goes_wrong_without_the_rewards_lock() -> None:
    with mock.patch.object(type(connection.features), "has_select_for_update", False):
        reward, answers = race_for_stock()
    sold = kinds(answers)["Redemption"]
    # Either too many are sold, or the counters no longer agree with what was sold.
    assert (sold, reward.stock, reward.taken) != (5, 0, 5)


def test_one_customer_in_16_threads_stays_within_the_limit() -> None:
    reward = make_reward(points=10, limit_each=3)
    account = make_account(balance=1000)
    answers = run_together([redeemer(account, reward) for _ in range(16)])
    assert kinds(answers) == {"Redemption": 3, "reward_limit": 13}
    account.refresh_from_db()
    assert account.balance == 970


def test_points_are_spent_once_over_several_rewards() -> None:
    rewards = [make_reward(name=f"Mug {n}", points=30) for n in range(4)]
    account = make_account(balance=100)
    answers = run_together([redeemer(account, rewards[n % 4]) for n in range(12)])
    assert kinds(answers) == {"Redemption": 3, "insufficient_points": 9}
    account.refresh_from_db()
    assert (account.balance, account.held) == (10, 0)
    assert sum(Reward.objects.values_list("taken", flat=True)) == 3
    assert not verify_ledger()


def test_one_reference_in_eight_threads_redeems_once() -> None:
    reward, account = make_reward(points=10, stock=50), make_account(balance=100)
    wish = wish_for(account, reward, reference="double-tap")
    answers = run_together([lambda: redeem_reward(wish=wish)] * 8)
    assert kinds(answers) == {"Redemption": 8}
    account.refresh_from_db()
    assert account.balance == 90
    assert Redemption.objects.count() == 1


def test_every_customer_gets_another_code_and_no_code_goes_twice() -> None:
    pool = make_pool(codes=12, refills=False)
    rewards = [make_reward(name=f"Tea {n}", kind="voucher", points=10, pool=pool) for n in range(3)]
    accounts = [make_account(balance=100) for _ in range(20)]
    jobs = [redeemer(account, rewards[n % 3]) for n, account in enumerate(accounts)]
    sold = kinds(run_together(jobs))
    assert set(sold) <= {"Redemption", "reward_sold_out", "pool_empty"}, sold
    assert sold["Redemption"] == 12
    assert sold.total() == 20
    issued = Voucher.objects.filter(state=Voucher.State.ISSUED)
    assert issued.count() == issued.values("account").distinct().count() == 12


def test_a_voucher_is_used_once_by_eight_tills() -> None:
    account = make_account(balance=100)
    made = redeem_reward(wish=wish_for(account, make_reward(kind="voucher", points=10)))
    voucher = made.vouchers.get()

    def till(number: int) -> Callable[[], Voucher]:
        return lambda: use_voucher(voucher=voucher, bill=f"B-{number}")

    answers = run_together([till(number) for number in range(8)])
    assert kinds(answers) == {"Voucher": 1, "voucher_used": 7}


def test_committing_letting_go_and_running_out_settle_a_reservation_once() -> None:
    reward = make_reward(kind="voucher", points=10, stock=100)
    accounts = [make_account(balance=10) for _ in range(6)]
    early = timezone.now() - timedelta(minutes=14, seconds=58)
    made = [reserve_reward(wish=wish_for(account, reward), now=early) for account in accounts]
    late = timezone.now() + timedelta(minutes=1)
    jobs: list[Callable[[], object]] = []
    for one in made:
        jobs += [
            partial(commit_redemption, redemption=one),
            partial(cancel_reservation, redemption=one),
        ]
    jobs += [lambda: expire_reservations(now=late)] * 2
    answers = run_together(jobs)
    strange = [
        a for a in answers if isinstance(a, BaseException) and not isinstance(a, DomainError)
    ]
    assert not strange, strange
    reward.refresh_from_db()
    states = Counter(Redemption.objects.values_list("state", flat=True))
    assert states["reserved"] == 0
    assert (reward.stock, reward.taken) == (100 - states["committed"], states["committed"])
    assert Voucher.objects.filter(state="issued").count() == states["committed"]
    assert not Account.objects.filter(held__gt=0).exists()
    assert not verify_ledger()


def test_cancelling_in_six_threads_gives_points_back_once() -> None:
    reward, account = make_reward(points=10, stock=5), make_account(balance=100)
    made = redeem_reward(wish=wish_for(account, reward))
    job = lambda: cancel_redemption(redemption=made, reason="race")  # noqa: E731
    assert kinds(run_together([job] * 6)) == {"Redemption": 6}
    account.refresh_from_db()
    reward.refresh_from_db()
    assert (account.balance, reward.stock, reward.taken) == (100, 5, 0)
    assert account.entries.filter(kind="give_back").count() == 1
    assert not verify_ledger()
