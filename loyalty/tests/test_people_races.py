"""Many threads on people's points: merges, transfers, households, claims; PostgreSQL."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from customers.errors import BillTakenError, MergeRefusedError, TooManyClaimsError
from customers.models import BillPolicy, ClaimAttempt, Customer, CustomerMerge, Purchase
from customers.tests.factories import make_customer, make_purchase_state
from loyalty.errors import (
    AccountClosedError,
    HouseholdRefusedError,
    InsufficientPointsError,
    TransferRefusedError,
)
from loyalty.models import Account, HouseholdMember, PeopleTerms, PointsEntry, PointsTransfer
from loyalty.selectors import verify_ledger
from loyalty.services import (
    answer_invitation,
    award_points,
    claim_bill,
    invite_to_household,
    merge_customers,
    open_household,
    record_referral,
    redeem_from_household,
    referral_code_of,
    settle_purchases,
    transfer_points,
)
from loyalty.tests.factories import NOW, make_account, make_program, make_rule
from tests.support.threads import run_together

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.needs_postgresql,
]
Job = Callable[[], Any]


def fresh(*accounts: Account) -> list[int]:
    for account in accounts:
        account.refresh_from_db()
    return [account.balance for account in accounts]


def merging(kept: Customer, merged: Customer) -> Job:
    return lambda: merge_customers(kept=kept, merged=merged, reason="race", now=NOW)


def test_awards_and_bills_during_a_merge_are_neither_lost_nor_doubled() -> None:
    make_rule()
    asha, twin = make_account(balance=100), make_account(balance=200)

    def award(number: int) -> Job:
        return lambda: award_points(account=twin, points=1, reference=f"a{number}", reason="race")

    def buy(number: int) -> Job:
        state = make_purchase_state(customer=twin.customer, net="10.00", external_id=f"b{number}")
        return lambda: settle_purchases(states=[state])[0]

    jobs = [*(award(n) for n in range(6)), *(buy(n) for n in range(6))]
    jobs.insert(4, merging(asha.customer, twin.customer))
    answers = run_together(jobs)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert all(isinstance(answer, AccountClosedError) for answer in refused), refused
    assert fresh(asha, twin) == [360 + 6 - len(refused), 0]
    assert set(Purchase.objects.values_list("customer", flat=True)) == {asha.customer_id}
    assert not verify_ledger()


def test_of_two_merges_of_one_customer_one_happens() -> None:
    one, two, twin = make_account(balance=1), make_account(balance=2), make_account(balance=4)
    answers = run_together(
        [merging(one.customer, twin.customer), merging(two.customer, twin.customer)] * 4
    )
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 7 and all(isinstance(one, MergeRefusedError) for one in refused)
    assert sorted(fresh(one, two, twin)) in ([0, 2, 5], [0, 1, 6])
    assert CustomerMerge.objects.count() == 1
    assert not verify_ledger()


def test_of_two_merges_in_both_directions_one_happens() -> None:
    one, two = make_account(balance=1), make_account(balance=2)
    answers = run_together(
        [merging(one.customer, two.customer), merging(two.customer, one.customer)] * 4
    )
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 7 and all(isinstance(one, MergeRefusedError) for one in refused)
    assert sorted(fresh(one, two)) == [0, 3]
    assert not verify_ledger()


def test_transfers_in_both_directions_pass_without_a_deadlock() -> None:
    PeopleTerms.objects.create(program=make_program(), transfer_daily_count=100)
    one, two = make_account(balance=500), make_account(balance=500)

    def send(sender: Account, receiver: Account, number: int) -> Job:
        return lambda: transfer_points(
            sender=sender, receiver=receiver, points=10 + number, reference=f"t{number}", now=NOW
        )

    jobs = [send(one, two, n) for n in range(12)] + [send(two, one, n) for n in range(12)]
    answers = run_together(jobs * 2)
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    assert fresh(one, two) == [500, 500]
    assert PointsTransfer.objects.count() == 24
    assert not verify_ledger()


def test_the_limit_of_a_day_holds_for_transfers_at_once() -> None:
    PeopleTerms.objects.create(program=make_program(), transfer_daily_count=3)
    one, two = make_account(balance=500), make_account()
    answers = run_together(
        [
            lambda number=number: transfer_points(  # type: ignore[misc]
                sender=one, receiver=two, points=10, reference=f"t{number}", now=NOW
            )
            for number in range(12)
        ]
    )
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 9 and all(isinstance(one, TransferRefusedError) for one in refused)
    assert fresh(one, two) == [470, 30]


def test_a_household_never_pays_more_than_it_has() -> None:
    accounts = [make_account(balance=50) for _ in range(3)]
    household = open_household(
        program=make_program(), customer=accounts[0].customer, name="Us", now=NOW
    )
    for account in accounts[1:]:
        place = invite_to_household(household=household, customer=account.customer, now=NOW)
        answer_invitation(member=place, accepts=True, now=NOW)

    def redeem(number: int) -> Job:
        return lambda: redeem_from_household(
            account=accounts[number % 3], points=30, reference=f"r{number}", reason="race", now=NOW
        )

    answers = run_together([redeem(number) for number in range(12)])
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 7, refused
    assert all(isinstance(answer, InsufficientPointsError) for answer in refused)
    assert sum(fresh(*accounts)) == 0
    assert not verify_ledger()


def test_somebody_joins_one_household_only() -> None:
    heads = [make_customer() for _ in range(4)]
    guest = make_customer()
    places = [
        invite_to_household(
            household=open_household(program=make_program(), customer=head, name="Us"),
            customer=guest,
        )
        for head in heads
    ]
    answers = run_together(
        [lambda place=place: answer_invitation(member=place, accepts=True) for place in places]  # type: ignore[misc]
    )
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 3 and all(isinstance(one, HouseholdRefusedError) for one in refused)
    assert HouseholdMember.objects.filter(customer=guest, state="active").count() == 1


def waiting_bill() -> Purchase:
    make_rule()
    state = make_purchase_state(net="100.00", occurred_at=NOW)
    return settle_purchases(states=[state], now=NOW)[0].purchase


def claiming(customer: Customer, bill: Purchase, number: str) -> Job:
    return lambda: claim_bill(
        customer=customer,
        number=number,
        store=bill.store,
        bought_on=date(2026, 6, 15),
        total=Decimal("100.00"),
        now=NOW,
    )


def test_of_many_who_claim_a_bill_one_gets_it() -> None:
    bill = waiting_bill()
    answers = run_together([claiming(make_customer(), bill, bill.number) for _ in range(8)])
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 7 and all(isinstance(one, BillTakenError) for one in refused), refused
    assert PointsEntry.objects.get().points == 100


def test_guesses_at_once_are_counted_one_by_one() -> None:
    BillPolicy.objects.create(claim_tries=3)
    bill, asha = waiting_bill(), make_customer()
    answers = run_together([claiming(asha, bill, "guess") for _ in range(10)])
    stopped = [answer for answer in answers if isinstance(answer, TooManyClaimsError)]
    assert len(stopped) == 7 and ClaimAttempt.objects.count() == 3


def test_a_friend_is_brought_once_by_whoever_is_first() -> None:
    make_program()
    codes = [referral_code_of(make_customer()).code for _ in range(4)]
    friend = make_customer()
    answers = run_together(
        [
            lambda code=code: record_referral(friend=friend, code=code, source="race")  # type: ignore[misc]
            for code in codes * 2
        ]
    )
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    states = list(friend.referrals.values_list("state", flat=True))
    assert sorted(states) == ["joined", "refused", "refused", "refused"]
    assert PointsEntry.objects.count() == 2
