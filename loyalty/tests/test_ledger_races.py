"""Many threads on one account; real connections, PostgreSQL."""

import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from django.db import connection, transaction

from loyalty import ledger
from loyalty.errors import EntryAlreadyReversedError, InsufficientPointsError
from loyalty.ledger import (
    Activate,
    Award,
    Capture,
    ClawBack,
    GiveBack,
    Merge,
    Outcome,
    Pend,
    PlaceHold,
    Redeem,
    Release,
    Reverse,
    Transfer,
    portable,
)
from loyalty.models import Account, PointsEntry
from loyalty.selectors import verify_ledger
from loyalty.tests.factories import NOW, TODAY, award, make_account
from tests.support.threads import run_together

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.needs_postgresql,
]


def poster(command: ledger.Command) -> Callable[[], Outcome]:
    return lambda: ledger.post([command], now=NOW, today=TODAY)[0]


def redeem(account: Account, points: int, reference: str) -> Redeem:
    return Redeem(
        account_id=account.pk, points=points, reference=reference, reason="race", occurred_at=NOW
    )


def give(account: Account, points: int, reference: str) -> Award:
    return Award(
        account_id=account.pk, points=points, reference=reference, reason="race", occurred_at=NOW
    )


def mixed_commands(account: Account) -> list[ledger.Command]:
    """64 commands: awards, redemptions, take-backs, and each award sent twice."""
    rng = random.Random(7)
    awards = [give(account, rng.randint(1, 50), f"award:{n}") for n in range(16)]
    redemptions = [redeem(account, rng.randint(1, 60), f"gift:{n}") for n in range(24)]
    returns = [
        ClawBack(
            account_id=account.pk,
            points=rng.randint(1, 20),
            reference=f"return:{n}",
            reason="race",
            occurred_at=NOW,
        )
        for n in range(8)
    ]
    commands = [*awards, *awards, *redemptions, *returns]
    rng.shuffle(commands)
    return commands


def race_64(account: Account) -> list[Outcome | BaseException]:
    return run_together([poster(command) for command in mixed_commands(account)])


def assert_exact(account: Account, answers: list[Outcome | BaseException]) -> None:
    outcomes = [answer for answer in answers if isinstance(answer, Outcome)]
    assert len(outcomes) == len(answers), [a for a in answers if not isinstance(a, Outcome)]
    refusals = [outcome.refusal for outcome in outcomes if outcome.refusal]
    assert all(isinstance(refusal, InsufficientPointsError) for refusal in refusals)
    fresh = [o for o in outcomes if not o.refusal and not o.replayed]
    account.refresh_from_db()
    assert account.balance == 200 + sum(outcome.entry.points for outcome in fresh)
    assert PointsEntry.objects.filter(account=account).count() == 1 + len(fresh)
    assert not verify_ledger()


def test_64_threads_on_one_account_keep_the_balance_exact() -> None:
    account = make_account(balance=200)
    assert_exact(account, race_64(account))


def test_the_same_race_goes_wrong_without_the_account_lock() -> None:
    account = make_account(balance=200)
    with (
        mock.patch.object(type(connection.features), "has_select_for_update", False),
        mock.patch("loyalty.ledger.postgresql.can_post", return_value=False),
    ):
        answers = race_64(account)
    with pytest.raises(AssertionError):
        assert_exact(account, answers)


def test_a_balance_is_spent_once_whoever_comes_first() -> None:
    account = make_account(balance=100)
    answers = run_together([poster(redeem(account, 30, f"gift:{n}")) for n in range(10)])
    kinds = Counter(
        type(answer.refusal) if isinstance(answer, Outcome) else type(answer) for answer in answers
    )
    assert kinds == {type(None): 3, InsufficientPointsError: 7}
    account.refresh_from_db()
    assert account.balance == 10
    assert not verify_ledger()


def test_one_reference_sent_by_eight_threads_awards_once() -> None:
    account = make_account()
    answers = run_together([poster(give(account, 5, "sale:1"))] * 8)
    outcomes = [answer for answer in answers if isinstance(answer, Outcome)]
    assert len({outcome.entry.id for outcome in outcomes}) == 1
    assert sorted(outcome.replayed for outcome in outcomes) == [False] + [True] * 7
    account.refresh_from_db()
    assert account.balance == 5


def test_an_entry_is_reversed_once_by_six_threads() -> None:
    account = make_account()
    entry = award(account, 50, reference="a")
    commands = [
        Reverse(
            account_id=account.pk,
            entry_id=entry.id or 0,
            reference=f"undo:{n}",
            reason="race",
            occurred_at=NOW,
        )
        for n in range(6)
    ]
    outcomes = [a for a in run_together([poster(c) for c in commands]) if isinstance(a, Outcome)]
    assert sum(outcome.refusal is None for outcome in outcomes) == 1
    assert sum(isinstance(o.refusal, EntryAlreadyReversedError) for o in outcomes) == 5
    assert not verify_ledger()


def test_batches_over_the_same_accounts_in_any_order_do_not_deadlock() -> None:
    accounts = [make_account(balance=1000) for _ in range(8)]

    def batch(seed: int) -> Callable[[], list[Outcome]]:
        rng = random.Random(seed)
        commands: list[ledger.Command] = []
        for n in range(40):
            account = rng.choice(accounts)
            kind = give if rng.random() < 0.5 else redeem
            commands.append(kind(account, rng.randint(1, 5), f"{seed}:{n}"))
        return lambda: ledger.post(commands, now=NOW, today=TODAY)

    answers = run_together([batch(seed) for seed in range(12)])
    assert all(isinstance(answer, list) for answer in answers), answers
    assert not verify_ledger()


def test_the_portable_back_end_waits_for_the_fast_one() -> None:
    account = make_account(balance=10)

    def portable_post(command: ledger.Command) -> Callable[[], Outcome]:
        def post() -> Outcome:
            with transaction.atomic():
                return portable.post([command], now=NOW, today=TODAY)[0]

        return post

    jobs = [
        (poster if n % 2 else portable_post)(give(account, 1, f"award:{n // 2}")) for n in range(40)
    ]
    answers = run_together(jobs)
    assert all(isinstance(answer, Outcome) and not answer.refusal for answer in answers)
    account.refresh_from_db()
    assert account.balance == 30
    assert not verify_ledger()


def about(account: Account, reference: str) -> dict[str, Any]:
    return {
        "account_id": account.pk,
        "reference": reference,
        "reason": "race",
        "occurred_at": NOW,
    }


def settled(answers: list[Outcome | BaseException]) -> list[Outcome]:
    """The outcomes that took effect; anything but a refusal in the shop's words fails."""
    outcomes = [answer for answer in answers if isinstance(answer, Outcome)]
    assert len(outcomes) == len(answers), answers
    assert not verify_ledger()
    return [one for one in outcomes if not one.refusal and not one.replayed]


def test_holds_at_once_never_set_aside_more_than_there_is() -> None:
    account = make_account(balance=100)
    answers = run_together(
        [poster(PlaceHold(**about(account, f"h{n}"), points=30, expires_at=NOW)) for n in range(10)]
    )
    assert len(settled(answers)) == 3
    account.refresh_from_db()
    assert (account.balance, account.held) == (100, 90)


def test_a_hold_captured_and_released_at_once_is_settled_once() -> None:
    account = make_account(balance=100)
    poster(PlaceHold(**about(account, "h"), points=100, expires_at=NOW))()
    answers = run_together(
        [
            poster(
                Capture(**about(account, f"c{n}"), hold_reference="h")
                if n % 2
                else Release(**about(account, f"r{n}"), hold_reference="h")
            )
            for n in range(12)
        ]
    )
    outcomes = settled(answers)
    account.refresh_from_db()
    captured = [one for one in outcomes if one.own]
    assert account.held == 0
    assert account.balance == (0 if captured else 100)
    assert len(captured) <= 1


def test_activations_at_once_make_points_usable_once() -> None:
    account = make_account()
    entry_id = poster(Pend(**about(account, "p"), points=40, activates_on=TODAY))().entry.id or 0
    settled(
        run_together(
            [poster(Activate(**about(account, f"a{n}"), entry_id=entry_id)) for n in range(12)]
        )
    )
    account.refresh_from_db()
    assert (account.balance, account.pending) == (40, 0)


def test_parts_given_back_at_once_never_exceed_the_redemption() -> None:
    account = make_account(balance=100)
    spent = poster(redeem(account, 100, "gift"))().entry.id or 0
    settled(
        run_together(
            [
                poster(GiveBack(**about(account, f"b{n}"), entry_id=spent, total=10 * n))
                for n in range(1, 13)
            ]
        )
    )
    account.refresh_from_db()
    assert account.balance == 100


def test_transfers_in_both_directions_at_once_lose_nothing_and_never_wait_for_each_other() -> None:
    one, two = make_account(balance=500), make_account(balance=500)
    answers = run_together(
        [
            poster(
                Transfer(
                    **about(giver, f"t{n}:{giver.pk}"), to_account_id=taker.pk, points=1 + n % 7
                )
            )
            for n in range(16)
            for giver, taker in ((one, two), (two, one))
        ]
    )
    assert len(settled(answers)) == 32
    one.refresh_from_db()
    two.refresh_from_db()
    assert one.balance + two.balance == 1000


def test_a_merge_among_awards_and_redemptions_loses_nothing() -> None:
    kept, gone = make_account(balance=100), make_account(balance=100)
    commands = [
        *(give(gone, 10, f"award:{n}") for n in range(8)),
        *(redeem(gone, 15, f"gift:{n}") for n in range(8)),
        *(Merge(**about(gone, f"m{n}"), to_account_id=kept.pk) for n in range(2)),
        *(give(kept, 10, f"kept:{n}") for n in range(8)),
    ]
    outcomes = settled(run_together([poster(command) for command in commands]))
    kept.refresh_from_db()
    gone.refresh_from_db()
    moved = sum(entry.points for outcome in outcomes for entry in outcome.entries)
    assert (gone.balance, gone.merged_into) == (0, kept)
    assert kept.balance == 200 + moved
