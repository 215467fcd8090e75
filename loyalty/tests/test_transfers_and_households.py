"""Points that customers send to each other, and households that share them."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.models import Customer
from loyalty.engine.people import Purse, draw
from loyalty.errors import (
    AccountClosedError,
    HouseholdNotFoundError,
    HouseholdRefusedError,
    InsufficientPointsError,
    InvalidPointsError,
    ReferenceReusedError,
    SameAccountError,
    TransferRefusedError,
)
from loyalty.models import (
    Account,
    Household,
    HouseholdMember,
    Lot,
    PeopleTerms,
    PointsEntry,
    PointsTransfer,
)
from loyalty.selectors import explain_entry, verify_ledger
from loyalty.services import (
    answer_invitation,
    invite_to_household,
    leave_household,
    merge_customers,
    open_household,
    redeem_from_household,
    set_sharing,
    transfer_points,
)
from loyalty.tests.factories import NOW, award, make_account, make_program

pytestmark = pytest.mark.django_db


def send(sender: Account, receiver: Account, points: int, **more: Any) -> PointsTransfer:
    more = {"reference": "gift", "now": NOW, **more}
    return transfer_points(sender=sender, receiver=receiver, points=points, **more)


def balances(*accounts: Account) -> list[int]:
    for account in accounts:
        account.refresh_from_db()
    return [account.balance for account in accounts]


def make_household(*accounts: Account) -> Household:
    first, *others = accounts
    household = open_household(
        program=first.program, customer=first.customer, name="Patels", now=NOW
    )
    for account in others:
        place = invite_to_household(household=household, customer=account.customer, now=NOW)
        answer_invitation(member=place, accepts=True, now=NOW)
    return household


# --- transfers ----------------------------------------------------------------------------------


def test_points_that_are_sent_keep_their_last_day_and_both_can_say_why() -> None:
    asha, ravi = make_account(), make_account()
    Customer.objects.filter(pk=ravi.customer_id).update(name="Ravi Kumar")
    award(asha, 100, reference="soon", expires_on=date(2026, 7, 1))
    award(asha, 100, reference="late", expires_on=date(2026, 9, 1))
    send(asha, ravi, 150, note="Happy birthday")
    assert balances(asha, ravi) == [50, 150]
    lots = Lot.objects.filter(account=ravi).order_by("expires_on")
    assert [(lot.remaining, lot.expires_on) for lot in lots] == [
        (100, date(2026, 7, 1)),
        (50, date(2026, 9, 1)),
    ]
    for entry in PointsEntry.objects.filter(kind="transfer"):
        assert explain_entry(entry).sentences == ["Asha sent points to Ravi: Happy birthday"]
    assert not verify_ledger()


def test_repeating_a_transfer_moves_nothing_more() -> None:
    asha, ravi = make_account(balance=100), make_account()
    assert send(asha, ravi, 40) == send(asha, ravi, 40)
    assert balances(asha, ravi) == [60, 40]
    with pytest.raises(ReferenceReusedError):
        send(asha, ravi, 41)
    assert balances(asha, ravi) == [60, 40]


@pytest.mark.parametrize(
    ("points", "terms", "error"),
    [
        (0, {}, InvalidPointsError),
        (101, {}, InsufficientPointsError),
        (9, {}, TransferRefusedError),
        (50, {"allows_transfers": False}, TransferRefusedError),
        (50, {"transfer_daily_points": 49}, TransferRefusedError),
        (50, {"transfer_daily_count": 0}, TransferRefusedError),
    ],
)
def test_refuses_what_is_not_there_or_not_allowed(
    points: int, terms: dict[str, Any], error: type[Exception]
) -> None:
    asha, ravi = make_account(balance=100), make_account()
    PeopleTerms.objects.create(program=make_program(), **terms)
    with pytest.raises(error):
        send(asha, ravi, points)
    assert balances(asha, ravi) == [100, 0]
    assert not PointsTransfer.objects.exists()


def test_the_limits_are_those_of_a_day_in_the_programmes_zone() -> None:
    asha, ravi = make_account(balance=100), make_account()
    PeopleTerms.objects.create(program=make_program(), transfer_daily_points=50)
    late = NOW.replace(hour=18, minute=29)  # a minute before midnight in Kolkata
    send(asha, ravi, 50, reference="one", now=late)
    with pytest.raises(TransferRefusedError, match="Only 0 more"):
        send(asha, ravi, 10, reference="two", now=late)
    send(asha, ravi, 50, reference="two", now=late + timedelta(minutes=2))
    assert balances(asha, ravi) == [0, 100]


def test_refuses_oneself_the_blocked_and_the_merged() -> None:
    asha, ravi, twin = make_account(balance=100), make_account(), make_account()
    with pytest.raises(SameAccountError):
        send(asha, asha, 50)
    merge_customers(kept=ravi.customer, merged=twin.customer, reason="Same", now=NOW)
    with pytest.raises(AccountClosedError):
        send(asha, twin, 50)
    Customer.objects.filter(pk=ravi.customer_id).update(status=Customer.Status.BLOCKED)
    with pytest.raises(TransferRefusedError, match="blocked"):
        send(asha, ravi, 50)
    assert balances(asha, ravi) == [100, 0]


# --- households ---------------------------------------------------------------------------------


def test_a_household_pays_with_own_points_first_then_those_that_end_soonest() -> None:
    asha, ravi, mina = make_account(balance=30), make_account(), make_account()
    award(ravi, 50, reference="late", expires_on=date(2026, 12, 1))
    award(mina, 50, reference="soon", expires_on=date(2026, 8, 1))
    make_household(asha, ravi, mina)
    outcome = redeem_from_household(
        account=asha, points=100, reference="gift", reason="Kettle", now=NOW
    )
    assert outcome.entry.points == -100
    assert balances(asha, ravi, mina) == [0, 30, 0]
    given = PointsEntry.objects.get(account=ravi, kind="transfer")
    assert (given.points, given.reason) == (-20, "Asha shared points with Asha: Kettle")
    again = redeem_from_household(
        account=asha, points=100, reference="gift", reason="Kettle", now=NOW
    )
    assert again.replayed and balances(asha, ravi, mina) == [0, 30, 0]
    assert not verify_ledger()


def test_a_household_with_too_few_points_pays_nothing() -> None:
    asha, ravi = make_account(balance=30), make_account(balance=50)
    make_household(asha, ravi)
    with pytest.raises(InsufficientPointsError, match="80 can be used"):
        redeem_from_household(account=asha, points=81, reference="gift", reason="x", now=NOW)
    assert balances(asha, ravi) == [30, 50]


def test_only_points_of_members_who_share_are_used() -> None:
    asha, ravi, guest = (make_account(balance=50) for _ in range(3))
    household = make_household(asha, ravi)
    invite_to_household(household=household, customer=guest.customer, now=NOW)
    set_sharing(member=ravi.customer.households.get(), shares_points=False)
    with pytest.raises(InsufficientPointsError):
        redeem_from_household(account=asha, points=60, reference="gift", reason="x", now=NOW)
    assert balances(asha, ravi, guest) == [50, 50, 50]
    # Who does not share may still use what others share.
    redeem_from_household(account=ravi, points=60, reference="gift", reason="x", now=NOW)
    assert balances(asha, ravi) == [40, 0]


def test_what_has_ended_but_is_not_closed_yet_pays_nothing() -> None:
    asha, ravi = make_account(balance=30), make_account()
    award(ravi, 50, reference="old", expires_on=NOW.date() - timedelta(days=1))
    make_household(asha, ravi)
    with pytest.raises(InsufficientPointsError):
        redeem_from_household(account=asha, points=31, reference="gift", reason="x", now=NOW)
    assert balances(asha)[0] == 30


def test_one_household_each_of_a_bounded_size() -> None:
    asha, ravi, mina = (make_account() for _ in range(3))
    PeopleTerms.objects.create(program=make_program(), household_size=2)
    household = make_household(asha, ravi)
    with pytest.raises(HouseholdRefusedError, match="at most 2"):
        invite_to_household(household=household, customer=mina.customer)
    with pytest.raises(HouseholdRefusedError, match="already"):
        open_household(program=make_program(), customer=ravi.customer, name="Mine")
    assert HouseholdMember.objects.count() == 2
    assert Household.objects.count() == 1


def test_only_the_head_invites_and_an_answer_holds() -> None:
    asha, ravi, mina = (make_account() for _ in range(3))
    household = make_household(asha, ravi)
    with pytest.raises(HouseholdNotFoundError):
        invite_to_household(household=household, customer=mina.customer, invited_by=ravi.customer)
    place = invite_to_household(
        household=household, customer=mina.customer, invited_by=asha.customer
    )
    assert place == invite_to_household(household=household, customer=mina.customer)
    answer_invitation(member=place, accepts=False)
    with pytest.raises(HouseholdNotFoundError):
        answer_invitation(member=place, accepts=True)
    place.refresh_from_db()
    assert place.state == HouseholdMember.State.DECLINED


def test_when_the_head_leaves_the_next_one_takes_over() -> None:
    asha, ravi = make_account(balance=10), make_account(balance=10)
    household = make_household(asha, ravi)
    leave_household(member=household.members.get(customer=asha.customer))
    assert household.members.get(customer=ravi.customer).is_head
    with pytest.raises(InsufficientPointsError):
        redeem_from_household(account=ravi, points=11, reference="gift", reason="x", now=NOW)
    open_household(program=make_program(), customer=asha.customer, name="Mine")


_purses = st.builds(
    Purse,
    account_id=st.integers(2, 50),
    available=st.integers(-5, 100),
    ends_on=st.dates(date(2026, 1, 1), date(2026, 12, 31)),
)


@given(
    st.integers(1, 300),
    st.integers(-5, 100),
    st.lists(_purses, max_size=6, unique_by=lambda purse: purse.account_id),
)
def test_drawing_pays_exactly_and_never_more_than_anybody_has(
    points: int, own: int, others: list[Purse]
) -> None:
    mine = Purse(account_id=1, available=own, ends_on=date(2026, 1, 1))
    drawn = draw(points, mine, others)
    there = sum(max(0, purse.available) for purse in [mine, *others])
    if drawn is None:
        assert there < points
        return
    has = {purse.account_id: purse.available for purse in [mine, *others]}
    assert sum(part for _, part in drawn) == points
    assert all(0 < part <= has[account_id] for account_id, part in drawn)
    if any(account_id != 1 for account_id, _ in drawn):
        assert dict(drawn).get(1, 0) == max(0, own)
