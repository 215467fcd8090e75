"""The ledger through its one door, on whichever database the tests run."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from customers.tests.factories import make_purchase
from loyalty import ledger
from loyalty.engine.expiry import NEVER
from loyalty.errors import (
    AccountClosedError,
    AccountNotFoundError,
    EntryAlreadyReversedError,
    EntryNotReversibleError,
    GroupRefusedError,
    InsufficientPointsError,
    InvalidPointsError,
    ReferenceReusedError,
)
from loyalty.ledger import Adjust, Award, ClawBack, Expire, Outcome, Redeem, Reverse, Shortfall
from loyalty.models import Account, Allocation, Lot, PointsEntry
from loyalty.selectors import verify_ledger
from loyalty.tests.factories import NOW, TODAY, award, make_account
from loyalty_site.staff.tests.factories import make_user

pytestmark = pytest.mark.django_db


def post(*commands: ledger.Command) -> list[Outcome]:
    return ledger.post(commands, now=NOW, today=TODAY)


def common(account: Account, reference: str, **fields: Any) -> dict[str, Any]:
    return {
        "account_id": account.pk,
        "reference": reference,
        "reason": "test",
        "occurred_at": NOW,
        **fields,
    }


def figures(account: Account) -> tuple[int, int]:
    account.refresh_from_db()
    return account.balance, account.debt


def assert_untouched(account: Account, *, entries: int, balance: int) -> None:
    assert account.entries.count() == entries
    assert figures(account) == (balance, 0)
    assert not verify_ledger()


def test_an_award_opens_a_lot_and_moves_the_balance() -> None:
    account = make_account()
    entry = award(account, 120, reference="bill:1", expires_on=date(2027, 6, 15))
    assert (entry.seq, entry.points, entry.balance_after) == (1, 120, 120)
    lot = Lot.objects.get(entry_id=entry.id)
    assert (lot.points, lot.remaining, lot.expires_on) == (120, 120, date(2027, 6, 15))
    assert figures(account) == (120, 0)
    assert not verify_ledger()


def test_repeating_a_reference_answers_with_the_first_entry() -> None:
    account = make_account(balance=10)
    first, second = post(
        Award(points=5, **common(account, "sale:1")), Award(points=5, **common(account, "sale:1"))
    )
    (third,) = post(Award(points=5, **common(account, "sale:1")))
    assert [first.replayed, second.replayed, third.replayed] == [False, True, True]
    assert first.entry.id == second.entry.id == third.entry.id
    assert_untouched(account, entries=2, balance=15)


def test_refuses_a_reference_that_stands_for_something_else() -> None:
    account = make_account(balance=10)
    outcomes = post(
        Award(points=6, **common(account, "opening")),
        Award(points=3, **common(account, "new")),
        Award(points=4, **common(account, "new")),
        Redeem(points=3, **common(account, "new")),
    )
    assert [type(outcome.refusal) for outcome in outcomes] == [
        ReferenceReusedError,
        type(None),
        ReferenceReusedError,
        ReferenceReusedError,
    ]
    assert_untouched(account, entries=2, balance=13)


@pytest.mark.parametrize("points", [0, -1, 2**53])
def test_refuses_points_that_are_no_positive_number(points: int) -> None:
    account = make_account(balance=10)
    for command in (
        Award(points=points, **common(account, "a")),
        Redeem(points=points, **common(account, "b")),
        ClawBack(points=points, **common(account, "c")),
    ):
        assert isinstance(post(command)[0].refusal, InvalidPointsError)
    assert_untouched(account, entries=1, balance=10)


def test_refuses_unknown_and_closed_accounts() -> None:
    account = make_account(balance=10)
    Account.objects.filter(pk=account.pk).update(closed_at=NOW)
    missing = {**common(account, "x"), "account_id": account.pk + 1}
    for kind in (Award, Redeem):
        assert isinstance(post(kind(points=1, **missing))[0].refusal, AccountNotFoundError)
        (outcome,) = post(kind(points=1, **common(account, "x")))
        assert isinstance(outcome.refusal, AccountClosedError)
    assert_untouched(account, entries=1, balance=10)


def test_spends_soonest_expiry_first_then_oldest_and_never_expiring_last() -> None:
    account = make_account()
    march, february = date(2027, 3, 1), date(2027, 2, 1)
    a = award(account, 50, reference="a", expires_on=march)
    b = award(account, 50, reference="b", expires_on=february)
    c = award(account, 50, reference="c", expires_on=march)
    award(account, 50, reference="d")
    (outcome,) = post(Redeem(points=120, **common(account, "gift")))
    taken = Allocation.objects.filter(entry_id=outcome.entry.id).order_by("id")
    assert list(taken.values_list("lot__entry_id", "points")) == [
        (b.id, 50),
        (a.id, 50),
        (c.id, 20),
    ]
    assert figures(account) == (80, 0)
    assert not verify_ledger()


def test_refuses_to_spend_more_than_is_there() -> None:
    account = make_account(balance=100)
    (outcome,) = post(Redeem(points=101, **common(account, "gift")))
    assert isinstance(outcome.refusal, InsufficientPointsError)
    assert outcome.refusal.context == {"available": 100, "points": 101}
    assert_untouched(account, entries=1, balance=100)


def test_points_past_their_last_day_expire_before_others_are_spent() -> None:
    account = make_account()
    award(account, 100, reference="old", expires_on=TODAY - timedelta(days=1))
    award(account, 40, reference="new", expires_on=TODAY)
    (refused,) = post(Redeem(points=41, **common(account, "too much")))
    assert isinstance(refused.refusal, InsufficientPointsError)
    assert account.entries.count() == 2
    (outcome,) = post(Redeem(points=40, **common(account, "gift")))
    assert [entry.kind for entry in outcome.entries] == ["expire", "redeem"]
    assert figures(account) == (0, 0)
    assert not verify_ledger()


def test_expiring_twice_closes_each_lot_once() -> None:
    account = make_account(balance=5)
    award(account, 100, reference="old", expires_on=TODAY - timedelta(days=1))
    expire = Expire(account_id=account.pk, on=TODAY, occurred_at=NOW)
    first, second = post(expire, expire)
    assert [entry.points for entry in first.entries] == [-100]
    assert second.entries == ()
    assert_untouched(account, entries=3, balance=5)


def test_points_taken_back_after_they_were_spent_leave_a_debt_that_new_points_fill() -> None:
    account = make_account()
    earned = award(account, 100, reference="bill:1", expires_on=date(2027, 1, 1))
    post(Redeem(points=100, **common(account, "gift")))
    post(ClawBack(points=100, **common(account, "return:1")))
    assert figures(account) == (-100, 100)
    (refused,) = post(Redeem(points=1, **common(account, "gift 2")))
    assert isinstance(refused.refusal, InsufficientPointsError)
    later = award(account, 150, reference="bill:2")
    assert figures(account) == (50, 0)
    assert Lot.objects.get(entry_id=later.id).remaining == 50
    assert Lot.objects.get(entry_id=earned.id).remaining == 0
    assert not verify_ledger()


def test_a_batch_of_awards_fills_a_debt_in_order() -> None:
    account = make_account()
    post(ClawBack(points=70, **common(account, "return")))
    post(*(Award(points=30, **common(account, f"bill:{n}")) for n in range(4)))
    remaining = list(account.lots.order_by("id").values_list("remaining", flat=True))
    assert remaining == [0, 0, 20, 30]
    assert figures(account) == (50, 0)
    assert not verify_ledger()


def test_taking_back_down_to_zero_keeps_the_asked_figure() -> None:
    account = make_account(balance=30)
    command = ClawBack(points=100, shortfall=Shortfall.ZERO, **common(account, "return"))
    (outcome,) = post(command)
    assert (outcome.entry.points, outcome.entry.requested) == (-30, -100)
    assert post(command)[0].replayed
    assert_untouched(account, entries=2, balance=0)


def test_adjusting_moves_either_way_but_never_below_what_is_there() -> None:
    account = make_account(balance=10)
    up, down, refused, zero = post(
        Adjust(points=5, **common(account, "up")),
        Adjust(points=-12, **common(account, "down")),
        Adjust(points=-4, **common(account, "too far")),
        Adjust(points=0, **common(account, "nothing")),
    )
    assert (up.entry.balance_after, down.entry.balance_after) == (15, 3)
    assert isinstance(refused.refusal, InsufficientPointsError)
    assert isinstance(zero.refusal, InvalidPointsError)
    assert_untouched(account, entries=3, balance=3)


def test_reversing_a_redemption_gives_points_back_to_their_lots() -> None:
    account = make_account()
    soon = award(account, 50, reference="a", expires_on=date(2026, 12, 31))
    award(account, 50, reference="b")
    (gift,) = post(Redeem(points=70, **common(account, "gift")))
    (undone,) = post(Reverse(entry_id=gift.entry.id or 0, **common(account, "undo")))
    assert undone.entry.points == 70
    assert Lot.objects.get(entry_id=soon.id).remaining == 50
    assert account.lots.count() == 2
    assert_untouched(account, entries=4, balance=100)


def test_points_given_back_to_an_expired_lot_expire_at_once() -> None:
    account = make_account()
    award(account, 50, reference="a", expires_on=TODAY)
    (gift,) = post(Redeem(points=50, **common(account, "gift")))
    tomorrow = TODAY + timedelta(days=1)
    (undone,) = ledger.post(
        [Reverse(entry_id=gift.entry.id or 0, **common(account, "undo"))], now=NOW, today=tomorrow
    )
    assert [(entry.kind, entry.points) for entry in undone.entries] == [
        ("reverse", 50),
        ("expire", -50),
    ]
    assert figures(account) == (0, 0)
    assert not verify_ledger()


def test_an_entry_is_reversed_once_and_its_reversal_can_be_reversed() -> None:
    account = make_account()
    entry = award(account, 50, reference="a")
    (first,) = post(Reverse(entry_id=entry.id or 0, **common(account, "undo")))
    (again,) = post(Reverse(entry_id=entry.id or 0, **common(account, "undo")))
    (other,) = post(Reverse(entry_id=entry.id or 0, **common(account, "undo otherwise")))
    assert again.replayed
    assert isinstance(other.refusal, EntryAlreadyReversedError)
    assert figures(account) == (0, 0)
    (redone,) = post(Reverse(entry_id=first.entry.id or 0, **common(account, "redo")))
    assert redone.entry.reverses_id == first.entry.id
    assert figures(account) == (50, 0)
    (refused,) = post(Reverse(entry_id=entry.id or 0, **common(account, "undo again")))
    assert isinstance(refused.refusal, EntryAlreadyReversedError)
    assert not verify_ledger()


def test_refuses_to_reverse_an_expiry() -> None:
    account = make_account()
    award(account, 50, reference="a", expires_on=TODAY - timedelta(days=1))
    (expired,) = post(Expire(account_id=account.pk, on=TODAY, occurred_at=NOW))
    (outcome,) = post(Reverse(entry_id=expired.entry.id or 0, **common(account, "undo")))
    assert isinstance(outcome.refusal, EntryNotReversibleError)
    assert_untouched(account, entries=2, balance=0)


def test_taking_back_uses_the_lots_of_the_purchase_first() -> None:
    account = make_account()
    purchase = make_purchase(customer=account.customer)
    award(account, 40, reference="soon", expires_on=date(2026, 7, 1))
    own = award(account, 40, reference="own", purchase_id=purchase.pk)
    (outcome,) = post(ClawBack(points=30, purchase_id=purchase.pk, **common(account, "return")))
    taken = Allocation.objects.filter(entry_id=outcome.entry.id)
    assert list(taken.values_list("lot__entry_id", "points")) == [(own.id, 30)]
    assert not verify_ledger()


def test_a_group_is_posted_whole_or_not_at_all() -> None:
    giver, taker = make_account(balance=50), make_account()
    outcomes = post(
        Redeem(points=60, group="gift", **common(giver, "give")),
        Award(points=60, group="gift", **common(taker, "take")),
        Award(points=1, **common(taker, "other")),
    )
    assert isinstance(outcomes[0].refusal, InsufficientPointsError)
    assert isinstance(outcomes[1].refusal, GroupRefusedError)
    assert outcomes[2].entry.points == 1
    assert_untouched(giver, entries=1, balance=50)
    assert_untouched(taker, entries=1, balance=1)
    both = post(
        Redeem(points=50, group="gift", **common(giver, "give")),
        Award(points=50, group="gift", **common(taker, "take")),
    )
    assert not any(outcome.refusal for outcome in both)
    assert (figures(giver), figures(taker)) == ((0, 0), (51, 0))


def test_a_batch_writes_what_each_award_tells_and_leaves_out() -> None:
    account, purchase, user = make_account(balance=10), make_purchase(), make_user()
    details = {"rule": 'Täglich \\ "zwei"', "lines": [1.5, None], "base": 2**53}
    told, untold = post(
        Award(
            points=5,
            expires_on=date(2027, 6, 15),
            purchase_id=purchase.pk,
            actor_id=user.pk,
            details=details,
            **common(account, "it's 1"),
        ),
        Award(points=7, **common(account, "it's 2")),
    )
    columns = ("seq", "balance_after", "purchase", "actor", "details", "occurred_at", "reason")
    assert list(account.entries.filter(seq__gt=1).order_by("seq").values_list(*columns)) == [
        (2, 15, purchase.pk, user.pk, details, NOW, "test"),
        (3, 22, None, None, {}, NOW, "test"),
    ]
    lots = Lot.objects.filter(entry_id__in=[told.entry.id, untold.entry.id]).order_by("pk")
    assert list(lots.values_list("points", "expires_on")) == [
        (5, date(2027, 6, 15)),
        (7, NEVER),
    ]
    assert not verify_ledger()


def test_a_batch_takes_the_same_number_of_statements_as_one(
    django_assert_max_num_queries: Any,
) -> None:
    accounts = [make_account(balance=100) for _ in range(30)]
    with django_assert_max_num_queries(5):
        post(*(Award(points=1, **common(account, "a")) for account in accounts))
    for count in (1, 30):
        with django_assert_max_num_queries(7):
            post(*(Redeem(points=1, **common(a, f"r{count}")) for a in accounts[:count]))
    assert not verify_ledger()


@pytest.mark.security
@pytest.mark.parametrize("table", ["pointsentry", "allocation", "tierchange"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_the_database_refuses_to_change_what_the_ledger_wrote(table: str, statement: str) -> None:
    if statement.startswith("TRUNCATE") and connection.vendor == "sqlite":
        return
    account = make_account(balance=100)
    post(Redeem(points=1, **common(account, "r")))
    account.tier_changes.create(tier_id=account.tier_id or 0, spend=0, reason="t", occurred_at=NOW)
    connection.check_constraints()
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(f"loyalty_{table}"))
    assert (PointsEntry.objects.count(), Allocation.objects.count()) == (2, 1)
