"""Friends whom customers bring."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from customers.events import CustomerRegistered
from customers.models import Customer, Purchase
from customers.services import register_customer
from customers.tests.factories import make_customer, make_line_state, make_purchase_state
from loyalty import handlers
from loyalty.engine.people import (
    FriendBill,
    Identity,
    ReferralTerms,
    Stage,
    judge,
    plain_email,
    same_person,
)
from loyalty.errors import ReferralCodeNotFoundError
from loyalty.events import FriendBillRecorded
from loyalty.models import Account, PendingPoints, PeopleTerms, PointsEntry, Referral, ReferralCode
from loyalty.selectors import verify_ledger
from loyalty.services import (
    answer_invitation,
    invite_to_household,
    merge_customers,
    open_household,
    record_referral,
    referral_code_of,
    review_due_referrals,
    review_friends,
    review_referrals,
    settle_purchases,
)
from loyalty.tests.factories import NOW, make_program
from loyalty_site.outbox.models import Delivery

pytestmark = pytest.mark.django_db


def day(number: int) -> Any:
    return NOW + timedelta(days=number)


def make_friends(**terms: Any) -> tuple[Customer, Customer]:
    terms = {"referral_minimum_bill": Decimal("100.00"), **terms}
    PeopleTerms.objects.update_or_create(program=make_program(), defaults=terms)
    return make_customer(name="Asha Patel"), make_customer(name="Ravi Kumar")


def join(referrer: Customer, friend: Customer, **fields: Any) -> Referral:
    fields = {"source": "test", "now": NOW, **fields}
    return record_referral(friend=friend, code=referral_code_of(referrer).code, **fields)


def buy(friend: Customer | None, net: str = "100.00", *, on: int = 1, **fields: Any) -> Purchase:
    state = make_purchase_state(customer=friend, net=net, occurred_at=day(on), **fields)
    return settle_purchases(states=[state], now=day(on))[0].purchase


def bring_back(sale: Purchase, net: str, *, on: int = 3) -> None:
    line = make_line_state(net=net, returns_key="1")
    common: dict[str, Any] = {"kind": "return", "sale_external_id": sale.external_id}
    buy(None, on=on, lines=(line,), **common)


def standing(*people: Customer) -> list[tuple[int, int]]:
    accounts = {
        account.customer_id: account for account in Account.objects.filter(customer__in=people)
    }
    return [(accounts[one.pk].balance, accounts[one.pk].pending) for one in people]


def review(referral: Referral, on: int) -> Referral:
    review_friends(customer_ids=[referral.friend_id], now=day(on))
    review_due_referrals(now=day(on))
    referral.refresh_from_db()
    return referral


def test_both_wait_until_the_first_bill_is_final() -> None:
    asha, ravi = make_friends()
    referral = join(asha, ravi)
    assert standing(asha, ravi) == [(0, 100), (0, 50)]
    sale = buy(ravi)
    assert review(referral, 1).state == Referral.State.BOUGHT
    assert (referral.purchase, referral.due_on) == (sale, date(2026, 7, 1))
    assert review(referral, 15).state == Referral.State.BOUGHT
    assert review(referral, 16).state == Referral.State.REWARDED
    assert standing(asha, ravi) == [(100, 0), (50, 0)]
    entry = PointsEntry.objects.get(account__customer=asha, kind="activate")
    assert entry.reason == "You brought Ravi"
    assert review(referral, 17).state == Referral.State.REWARDED
    assert standing(asha, ravi) == [(100, 0), (50, 0)]
    assert not verify_ledger()


def test_a_returned_first_bill_brings_nothing_and_a_second_does_not_help() -> None:
    asha, ravi = make_friends()
    referral = join(asha, ravi)
    sale = buy(ravi)
    review(referral, 1)
    bring_back(sale, "-1.00")
    assert review(referral, 3).state == Referral.State.CANCELLED
    assert standing(asha, ravi) == [(0, 0), (0, 0)]
    buy(ravi, "500.00", on=4)
    assert review(referral, 40).state == Referral.State.CANCELLED
    assert standing(asha, ravi) == [(0, 0), (0, 0)]
    assert not verify_ledger()


def test_a_partial_return_that_leaves_enough_does_not_matter() -> None:
    asha, ravi = make_friends()
    referral = join(asha, ravi)
    sale = buy(ravi, "150.00")
    review(referral, 1)
    bring_back(sale, "-50.00")
    assert review(referral, 16).state == Referral.State.REWARDED


def test_a_cancelled_bill_counts_as_returned() -> None:
    asha, ravi = make_friends()
    referral = join(asha, ravi)
    state = make_purchase_state(customer=ravi, occurred_at=day(1))
    settle_purchases(states=[state], now=day(1))
    review(referral, 1)
    gone = make_purchase_state(
        customer=ravi,
        occurred_at=day(1),
        status="cancelled",
        external_id=state.external_id,
        number=state.number,
    )
    settle_purchases(states=[gone], now=day(2))
    assert review(referral, 2).state == Referral.State.CANCELLED


def test_too_small_a_bill_waits_for_a_bigger_one_and_time_runs_out() -> None:
    asha, ravi = make_friends(referral_window_days=10)
    referral = join(asha, ravi)
    buy(ravi, "99.99")
    assert review(referral, 10).state == Referral.State.JOINED
    assert review(referral, 11).state == Referral.State.LAPSED
    assert standing(asha, ravi) == [(0, 0), (0, 0)]
    assert not PendingPoints.objects.filter(remaining__gt=0).exists()
    assert not verify_ledger()


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ({"email": "a.sha+x@gmail.com"}, {"email": "asha@googlemail.com"}, "e-mail"),
        ({"phone": "+919876543210"}, {"phone": "+19876543210"}, "phone"),
    ],
)
def test_refuses_the_same_person_in_another_spelling(
    one: dict[str, str], other: dict[str, str], reason: str
) -> None:
    make_friends()
    referral = join(make_customer(**one), make_customer(**other))
    assert referral.state == Referral.State.REFUSED and reason in referral.reason
    assert not PointsEntry.objects.exists()


def test_refuses_oneself_the_household_and_who_bought_before() -> None:
    asha, ravi = make_friends()
    assert "bring themselves" in join(asha, asha).reason
    household = open_household(program=make_program(), customer=asha, name="Us")
    place = invite_to_household(household=household, customer=ravi)
    answer_invitation(member=place, accepts=True)
    assert "household" in join(asha, ravi).reason
    old = make_customer()
    buy(old, on=-1)
    assert "bought here before" in join(asha, old).reason
    assert set(Referral.objects.values_list("state", flat=True)) == {"refused"}
    assert not PendingPoints.objects.exists()


def test_a_friend_is_brought_once_and_the_same_code_again_changes_nothing() -> None:
    asha, ravi = make_friends()
    mina = make_customer(name="Mina Rao")
    first = join(asha, ravi)
    assert join(asha, ravi) == first
    assert "before" in join(mina, ravi).reason
    assert standing(asha, ravi) == [(0, 100), (0, 50)]
    assert PointsEntry.objects.count() == 2


def test_more_friends_than_the_month_allows_bring_their_referrer_nothing() -> None:
    asha, ravi = make_friends(referral_monthly_limit=1)
    mina, next_month = make_customer(), make_customer()
    join(asha, ravi)
    second = join(asha, mina)
    assert (second.state, second.referrer_points, second.friend_points) == ("joined", 0, 50)
    later = join(asha, next_month, joined_at=day(20), now=day(20))
    assert later.referrer_points == 100
    buy(mina)
    review(second, 1)
    assert review(second, 16).state == Referral.State.REWARDED
    assert "limit" in second.reason
    assert standing(mina) == [(50, 0)]


def test_an_unknown_code_and_a_switched_off_programme() -> None:
    asha, ravi = make_friends(allows_referrals=False)
    with pytest.raises(ReferralCodeNotFoundError):
        record_referral(friend=ravi, code="NOBODYS", source="test")
    assert not Referral.objects.exists()
    assert "switched off" in join(asha, ravi).reason


def test_codes_are_drawn_once_and_read_in_any_spelling() -> None:
    asha, ravi = make_friends()
    code = referral_code_of(asha).code
    assert referral_code_of(asha).code == code and len(code) == 8
    assert ReferralCode.objects.count() == 1
    spelled = f" {code[:4].lower()}-{code[4:].lower()} "
    assert record_referral(friend=ravi, code=spelled, source="test").referrer == asha


def test_registering_with_a_code_brings_a_friend() -> None:
    asha, _ = make_friends()
    code = referral_code_of(asha).code
    friend = register_customer(name="Mina Rao", source="api", referral_code=code.lower())
    stranger = register_customer(name="Tara Das", source="api", referral_code="WRONG")
    handlers.welcome_friends(
        [
            CustomerRegistered(customer_id=one.pk, source="api", referral_code=text)
            for one, text in ((friend, code.lower()), (stranger, "WRONG"))
        ]
    )
    assert Referral.objects.get().friend == friend
    payload = Delivery.objects.filter(handler="loyalty.welcome_friends").order_by("pk").last()
    assert payload is not None and payload.payload["referral_code"] == "WRONG"


def test_a_code_on_the_first_bill_brings_a_friend_and_that_bill_counts() -> None:
    asha, ravi = make_friends()
    sale = buy(ravi, codes=(referral_code_of(asha).code, "SALE10"))
    told = Delivery.objects.filter(handler="loyalty.follow_bills").get()
    handlers.follow_bills([FriendBillRecorded.from_payload(told.payload)])
    referral = Referral.objects.get()
    assert (referral.source, referral.purchase) == ("till", sale)
    buy(ravi, on=2, codes=(referral_code_of(asha).code,))
    assert Referral.objects.count() == 1


def test_bills_of_others_tell_nobody() -> None:
    make_friends()
    buy(make_customer(), codes=("SALE10",))
    assert not Delivery.objects.filter(handler="loyalty.follow_bills").exists()


def test_friend_and_referrer_who_turn_out_to_be_one_get_nothing() -> None:
    asha, ravi = make_friends()
    referral = join(asha, ravi)
    merge_customers(kept=asha, merged=ravi, reason="Same", now=day(1))
    assert review(referral, 1).state == Referral.State.CANCELLED
    assert standing(asha, ravi) == [(0, 0), (0, 0)]
    assert not verify_ledger()


def test_a_merged_friend_is_followed() -> None:
    asha, ravi = make_friends()
    referral = join(asha, ravi)
    buy(ravi)
    review(referral, 1)
    kept = make_customer()
    merge_customers(kept=kept, merged=ravi, reason="Same", now=day(2))
    assert review(referral, 16).state == Referral.State.REWARDED
    assert standing(asha, kept) == [(100, 0), (50, 0)]


@pytest.mark.performance
def test_reviewing_takes_the_same_queries_for_one_and_many() -> None:
    counts = []
    asha, _ = make_friends(referral_monthly_limit=100)
    for size in (1, 12):
        referrals = [join(asha, make_customer()) for _ in range(size)]
        for referral in referrals:
            buy(referral.friend)
        with CaptureQueriesContext(connection) as queries:
            review_referrals(referral_ids=[one.pk for one in referrals], now=day(16))
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- the pure part ------------------------------------------------------------------------------

_TERMS = ReferralTerms(
    joined_on=date(2026, 6, 1), buy_until=date(2026, 6, 30), minimum=Decimal(100), return_days=14
)
_bills = st.lists(
    st.builds(
        FriendBill,
        purchase_id=st.integers(1, 9),
        day=st.dates(date(2026, 5, 20), date(2026, 7, 10)),
        kept=st.decimals(0, 200, places=0),
    ),
    max_size=5,
    unique_by=lambda bill: bill.purchase_id,
)


@given(_bills, st.dates(date(2026, 6, 1), date(2026, 8, 31)))
def test_nothing_is_given_before_goods_cannot_come_back(
    bills: list[FriendBill], today: date
) -> None:
    verdict = judge(_TERMS, bills, today=today)
    fitting = [
        bill
        for bill in bills
        if _TERMS.joined_on <= bill.day <= _TERMS.buy_until and bill.kept >= 100
    ]
    if verdict.stage in (Stage.BOUGHT, Stage.REWARDED):
        chosen = min(fitting, key=lambda bill: (bill.day, bill.purchase_id))
        assert verdict.purchase_id == chosen.purchase_id
        assert (verdict.stage == Stage.REWARDED) is ((today - chosen.day).days > 14)
        assert judge(_TERMS, bills, today=today, chosen_id=verdict.purchase_id) == verdict
    else:
        assert not fitting
        assert (verdict.stage == Stage.LAPSED) is (today > _TERMS.buy_until)


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("A.B+c@GMail.com", "ab@gmail.com"),
        ("a.b+c@shop.in", "a.b@shop.in"),
        ("ab@googlemail.com", "ab@gmail.com"),
        ("nothing", ""),
    ],
)
def test_addresses_of_one_mailbox_are_one(address: str, plain: str) -> None:
    assert plain_email(address) == plain


def test_strangers_are_not_the_same_person() -> None:
    one = Identity(customer_id=1, phone="+919876543210", email="a@x.in", household_id=1)
    other = Identity(customer_id=2, phone="+919876543211", email="b@x.in", household_id=2)
    assert same_person(one, other) == ""
    assert same_person(Identity(customer_id=1), Identity(customer_id=2)) == ""
