"""Points on their way, holds, parts given back, transfers and merges: told as stories."""

from datetime import date, timedelta
from typing import Any

import pytest

from customers.tests.factories import make_purchase
from loyalty import ledger
from loyalty.engine import NEVER
from loyalty.errors import (
    AccountClosedError,
    EntryAlreadyReversedError,
    EntryNotReversibleError,
    HoldExceededError,
    HoldNotFoundError,
    HoldSettledError,
    InsufficientPointsError,
    NotMergedError,
    PointsHeldError,
    ReferenceReusedError,
    SameAccountError,
)
from loyalty.ledger import (
    Activate,
    Award,
    Cancel,
    Capture,
    ClawBack,
    Expire,
    GiveBack,
    Merge,
    Outcome,
    Pend,
    PlaceHold,
    Redeem,
    Release,
    Reverse,
    Separate,
    Shortfall,
    Transfer,
)
from loyalty.models import Account, Hold, Lot, PendingPoints
from loyalty.selectors import verify_ledger
from loyalty.tests.factories import NOW, TODAY, award, make_account

pytestmark = pytest.mark.django_db

SOON, LATE = TODAY + timedelta(days=10), TODAY + timedelta(days=200)


def post(*commands: ledger.Command, today: date = TODAY) -> list[Outcome]:
    outcomes = ledger.post(commands, now=NOW, today=today)
    assert not verify_ledger()
    return outcomes


def about(account: Account, reference: str = "r", **fields: Any) -> dict[str, Any]:
    return {
        "account_id": account.pk,
        "reference": reference,
        "reason": "test",
        "occurred_at": NOW,
        **fields,
    }


def figures(account: Account) -> dict[str, int]:
    account.refresh_from_db()
    kept = {
        "balance": account.balance,
        "pending": account.pending,
        "held": account.held,
        "debt": account.debt,
    }
    return {name: points for name, points in kept.items() if points}


def lots(account: Account) -> list[tuple[int, date]]:
    """What is open, and until when."""
    rows = Lot.objects.filter(account=account, remaining__gt=0).order_by("expires_on", "pk")
    return list(rows.values_list("remaining", "expires_on"))


# --- points on their way ------------------------------------------------------------------------


def test_pending_points_are_no_balance_until_they_are_activated_once() -> None:
    account = make_account()
    (pend,) = post(Pend(**about(account, "bill"), points=80, activates_on=SOON))
    assert figures(account) == {"pending": 80}
    (refused,) = post(Redeem(**about(account, "gift"), points=1))
    assert isinstance(refused.refusal, InsufficientPointsError)
    command = Activate(**about(account, "on"), entry_id=pend.entry.id or 0, expires_on=LATE)
    assert post(command)[0].entry.points == 80
    assert post(command)[0].replayed
    again = Activate(**about(account, "again"), entry_id=pend.entry.id or 0, expires_on=LATE)
    assert post(again)[0].entries == ()
    assert (figures(account), lots(account)) == ({"balance": 80}, [(80, LATE)])


def test_cancelled_points_never_become_usable_and_no_longer_count_for_tiers() -> None:
    account = make_account()
    (pend,) = post(Pend(**about(account, "bill"), points=80, awaits="review"))
    (cancel,) = post(Cancel(**about(account, "off"), entry_id=pend.entry.id or 0))
    assert (cancel.entry.pending, cancel.entry.qualifying) == (-80, -80)
    assert post(Activate(**about(account, "on"), entry_id=pend.entry.id or 0))[0].entries == ()
    assert figures(account) == {}


def test_a_return_takes_points_on_their_way_first() -> None:
    account, bill = make_account(), make_purchase()
    other = make_purchase()
    post(
        Pend(**about(account, "a", purchase_id=bill.pk), points=50, activates_on=SOON),
        Pend(**about(account, "b", purchase_id=other.pk), points=50, activates_on=SOON),
        Award(**about(account, "c", purchase_id=bill.pk), points=30),
    )
    (taken,) = post(ClawBack(**about(account, "d", purchase_id=bill.pk), points=60))
    assert (taken.entry.pending, taken.entry.points) == (-50, -10)
    assert figures(account) == {"balance": 20, "pending": 50}


def test_with_pending_only_a_return_leaves_the_balance_alone() -> None:
    account, bill = make_account(balance=100), make_purchase()
    post(Pend(**about(account, "a", purchase_id=bill.pk), points=50, activates_on=SOON))
    (taken,) = post(
        ClawBack(**about(account, "b", purchase_id=bill.pk), points=70, shortfall=Shortfall.PENDING)
    )
    assert (taken.entry.pending, taken.entry.points, taken.entry.requested) == (-50, 0, -70)
    assert figures(account) == {"balance": 100}


# --- holds --------------------------------------------------------------------------------------


def hold(account: Account, points: int, reference: str = "h") -> Outcome:
    command = PlaceHold(**about(account, reference), points=points, expires_at=NOW)
    return post(command)[0]


def capture(account: Account, points: int | None = None, reference: str = "c") -> Outcome:
    return post(Capture(**about(account, reference), hold_reference="h", points=points))[0]


def test_held_points_cannot_be_spent_elsewhere_and_a_part_capture_frees_the_rest() -> None:
    account = make_account(balance=100)
    hold(account, 100)
    (refused,) = post(Redeem(**about(account), points=1))
    assert isinstance(refused.refusal, InsufficientPointsError)
    assert capture(account, 70).entry.points == -70
    assert figures(account) == {"balance": 30}
    assert capture(account, 70).replayed


@pytest.mark.parametrize("state", ["captured", "released", "expired"])
def test_a_hold_is_settled_once_and_the_refusal_names_its_state(state: str) -> None:
    account = make_account(balance=100)
    hold(account, 60)
    if state == "captured":
        capture(account)
    else:
        ran_out = state == "expired"
        post(Release(**about(account), hold_reference="h", ran_out=ran_out))
    before = figures(account)
    refused = capture(account, reference="second")
    assert isinstance(refused.refusal, HoldSettledError)
    assert state in str(refused.refusal)
    assert figures(account) == before
    assert Hold.objects.get().state == state


def test_a_hold_is_placed_once_per_reference() -> None:
    account = make_account(balance=100)
    assert not hold(account, 60).replayed
    assert hold(account, 60).replayed
    assert isinstance(hold(account, 61).refusal, ReferenceReusedError)
    assert isinstance(capture(account, 61).refusal, HoldExceededError)
    assert isinstance(hold(account, 41, "other").refusal, InsufficientPointsError)
    missing = post(Capture(**about(account, "x"), hold_reference="none"))[0]
    assert isinstance(missing.refusal, HoldNotFoundError)
    assert figures(account) == {"balance": 100, "held": 60}


def test_held_points_outlive_their_last_day_until_the_hold_is_settled() -> None:
    account = make_account(balance=40)
    award(account, 100, reference="old", expires_on=TODAY)
    hold(account, 60)
    tomorrow = TODAY + timedelta(days=1)
    post(Expire(account_id=account.pk, occurred_at=NOW, on=tomorrow), today=tomorrow)
    assert figures(account) == {"balance": 100, "held": 60}
    ledger.post([Capture(**about(account, "c"), hold_reference="h")], now=NOW, today=tomorrow)
    assert (figures(account), lots(account)) == ({"balance": 40}, [(40, NEVER)])


def test_points_that_a_hold_kept_from_a_debt_fill_it_when_they_are_free() -> None:
    account = make_account(balance=50)
    hold(account, 50)
    post(ClawBack(**about(account, "return"), points=30))
    assert figures(account) == {"balance": 20, "held": 50, "debt": 30}
    post(Release(**about(account, "off"), hold_reference="h"))
    assert (figures(account), lots(account)) == ({"balance": 20}, [(20, NEVER)])


# --- giving back in parts -----------------------------------------------------------------------


def spend_two_lots() -> tuple[Account, int]:
    """60 of a lot that ends soon and 40 of one that ends late are spent."""
    account = make_account()
    award(account, 60, reference="soon", expires_on=SOON)
    award(account, 70, reference="late", expires_on=LATE)
    (spent,) = post(Redeem(**about(account, "gift"), points=100))
    return account, spent.entry.id or 0


def give_back(account: Account, entry_id: int, total: int, **fields: Any) -> Outcome:
    today = fields.pop("today", TODAY)
    command = GiveBack(**about(account, f"back:{total}"), entry_id=entry_id, total=total, **fields)
    return post(command, today=today)[0]


def test_parts_given_back_add_up_to_the_whole_in_their_original_lots() -> None:
    account, spent = spend_two_lots()
    for total in (33, 66, 100):
        give_back(account, spent, total)
    assert lots(account) == [(60, SOON), (70, LATE)]
    assert give_back(account, spent, 100).replayed
    assert give_back(account, spent, 170).entries == ()
    assert figures(account) == {"balance": 130}


def test_the_same_total_again_gives_nothing_more() -> None:
    account, spent = spend_two_lots()
    give_back(account, spent, 40)
    command = GiveBack(**about(account, "other"), entry_id=spent, total=40)
    assert post(command)[0].entries == ()
    assert figures(account) == {"balance": 70}


def test_what_comes_back_to_an_ended_lot_ends_at_once_or_lives_for_the_grace() -> None:
    account, spent = spend_two_lots()
    later = SOON + timedelta(days=1)
    give_back(account, spent, 50, today=later)
    assert lots(account) == [(70, LATE)]
    grace = later + timedelta(days=7)
    give_back(account, spent, 100, today=later, grace_until=grace)
    assert lots(account) == [(50, grace), (70, LATE)]


def test_a_reversal_after_parts_gives_only_the_rest() -> None:
    account, spent = spend_two_lots()
    give_back(account, spent, 40)
    (rest,) = post(Reverse(**about(account, "all"), entry_id=spent))
    assert rest.entry.points == 60
    assert give_back(account, spent, 100).entries == ()
    (again,) = post(Reverse(**about(account, "twice"), entry_id=spent))
    assert isinstance(again.refusal, EntryAlreadyReversedError)
    assert lots(account) == [(60, SOON), (70, LATE)]


def test_only_redemptions_are_given_back() -> None:
    account = make_account()
    earned = award(account, 10, reference="a")
    assert isinstance(give_back(account, earned.id or 0, 5).refusal, EntryNotReversibleError)
    assert figures(account) == {"balance": 10}


# --- activity prolongs --------------------------------------------------------------------------


def test_activity_prolongs_only_lots_that_slide_and_have_not_ended() -> None:
    account = make_account()
    award(account, 5, reference="fixed", expires_on=SOON)
    post(Award(**about(account, "slides"), points=5, expires_on=SOON, slides=True))
    post(Award(**about(account, "now"), points=1, expires_on=NEVER, slides_to=LATE))
    assert lots(account) == [(5, SOON), (5, LATE), (1, NEVER)]
    post(Redeem(**about(account, "gift"), points=1, slides_to=SOON))
    assert lots(account) == [(4, SOON), (5, LATE), (1, NEVER)]


# --- between accounts ---------------------------------------------------------------------------


def test_a_transfer_keeps_the_expiry_of_every_lot() -> None:
    giver, taker = make_account(), make_account()
    award(giver, 60, reference="soon", expires_on=SOON)
    award(giver, 70, reference="late", expires_on=LATE)
    (moved,) = post(Transfer(**about(giver, "gift"), to_account_id=taker.pk, points=100))
    assert [entry.points for entry in moved.entries] == [-100, 100]
    assert (lots(giver), lots(taker)) == ([(30, LATE)], [(60, SOON), (40, LATE)])


def test_a_refused_transfer_moves_nothing_on_either_side() -> None:
    giver, taker = make_account(balance=50), make_account()
    award(taker, 1, reference="taken")
    same = Transfer(**about(giver, "a"), to_account_id=giver.pk, points=1)
    too_much = Transfer(**about(giver, "b"), to_account_id=taker.pk, points=51)
    reused = Transfer(**about(giver, "taken"), to_account_id=taker.pk, points=5)
    refusals = [outcome.refusal for outcome in post(same, too_much, reused)]
    assert [type(refusal) for refusal in refusals] == [
        SameAccountError,
        InsufficientPointsError,
        ReferenceReusedError,
    ]
    assert (figures(giver), figures(taker)) == ({"balance": 50}, {"balance": 1})


def test_a_transfer_to_somebody_in_debt_fills_the_debt_first() -> None:
    giver, taker = make_account(balance=50), make_account()
    post(ClawBack(**about(taker, "return"), points=20))
    post(Transfer(**about(giver, "help"), to_account_id=taker.pk, points=50))
    assert (figures(taker), lots(taker)) == ({"balance": 30}, [(30, NEVER)])


def merged() -> tuple[Account, Account]:
    """An account of 100 takes over one of 200 with 30 more on their way."""
    kept, gone = make_account(balance=100), make_account()
    award(gone, 200, reference="soon", expires_on=SOON)
    post(Pend(**about(gone, "bill"), points=30, activates_on=SOON))
    post(Merge(**about(gone, "merge"), to_account_id=kept.pk))
    return kept, gone


def test_a_merge_moves_all_with_its_expiry_and_closes_the_account() -> None:
    kept, gone = merged()
    assert figures(kept) == {"balance": 300, "pending": 30}
    assert lots(kept) == [(200, SOON), (100, NEVER)]
    assert figures(gone) == {}
    assert gone.merged_into == kept
    (refused,) = post(Award(**about(gone, "late"), points=1))
    assert isinstance(refused.refusal, AccountClosedError)
    waiting = PendingPoints.objects.get()
    post(Activate(**about(kept, "on"), entry_id=waiting.entry_id, expires_on=LATE))
    assert figures(kept) == {"balance": 330}


def test_a_merge_takes_a_debt_along() -> None:
    kept, gone = make_account(balance=100), make_account()
    post(ClawBack(**about(gone, "return"), points=30))
    post(Merge(**about(gone, "merge"), to_account_id=kept.pk))
    assert (figures(kept), figures(gone)) == ({"balance": 70}, {})


def test_a_merge_waits_for_a_redemption_under_way() -> None:
    kept, gone = make_account(), make_account(balance=10)
    hold(gone, 5)
    (refused,) = post(Merge(**about(gone, "merge"), to_account_id=kept.pk))
    assert isinstance(refused.refusal, PointsHeldError)
    assert figures(gone) == {"balance": 10, "held": 5}


def test_separating_brings_back_what_is_left_and_only_that() -> None:
    kept, gone = merged()
    post(Redeem(**about(kept, "gift"), points=150))
    post(Separate(**about(gone, "apart"), from_account_id=kept.pk))
    assert (figures(kept), lots(kept)) == ({"balance": 100}, [(100, NEVER)])
    assert (figures(gone), lots(gone)) == ({"balance": 50, "pending": 30}, [(50, SOON)])
    assert gone.closed_at is None
    (again,) = post(Separate(**about(gone, "twice"), from_account_id=kept.pk))
    assert isinstance(again.refusal, NotMergedError)
