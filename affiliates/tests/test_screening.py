from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.engine import risk
from affiliates.engine.risk import Check
from affiliates.events import ConversionHeld
from affiliates.models import (
    AffiliateDevice,
    CommissionEntry,
    Conversion,
    Enrolment,
    Flag,
    Screening,
)
from affiliates.selectors import earnings_of
from affiliates.services import (
    note_device,
    recheck_affiliates,
    review_conversions,
    settle_commissions,
)
from affiliates.tests.factories import (
    SALE_AT,
    lenient,
    make_click,
    make_details,
    make_enrolment,
    make_return,
    make_sale,
    make_touch,
    pay,
)
from customers.models import Purchase
from customers.services import register_customer
from loyalty_site.outbox.models import Delivery
from loyalty_site.outbox.services import subscribe
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db


def settle(*purchases: Purchase) -> list[CommissionEntry]:
    return settle_commissions(purchase_ids=[purchase.pk for purchase in purchases])


def own_purchase(code: str = "ASHA10") -> Purchase:
    """A bill that looks like the affiliate's own."""
    buyer = register_customer(name="A", email="asha+1@gmail.com", source="test")
    return make_sale(codes=(code,), customer=buyer)


def asha(**fields: Any) -> Enrolment:
    return make_enrolment(email="asha@gmail.com", **fields)


def release(conversion: Conversion, user: User) -> None:
    review_conversions(
        conversions=[conversion],
        review=Conversion.Review.RELEASED,
        reason="All is well",
        acting_user=user,
    )


def held_events() -> list[ConversionHeld]:
    rows = Delivery.objects.filter(handler="tests.held")
    return [ConversionHeld.from_payload(row.payload) for row in rows]


def test_settling_again_flags_once_and_tells_once() -> None:
    subscribe(lambda events: None, ConversionHeld, name="tests.held")
    asha()
    sale = own_purchase()
    settle(sale)
    settle(sale)
    settle(make_return(sale=sale, net="-10.00"))
    conversion = Conversion.objects.get()
    assert (Flag.objects.count(), Screening.objects.count()) == (1, 1)
    [event] = held_events()
    assert (event.conversion_id, event.checks) == (conversion.pk, "own_email")


def test_what_was_released_is_not_held_again_for_the_same_but_for_something_new(
    owner: User,
) -> None:
    enrolment = asha()
    sale = own_purchase()
    settle(sale)
    release(Conversion.objects.get(), owner)
    settle(sale)
    assert Conversion.objects.get().review == Conversion.Review.RELEASED
    make_details(affiliate=enrolment.affiliate, account="one")
    make_details(affiliate=make_enrolment(code="RAVI5").affiliate, account="one")
    settle(sale)
    conversion = Conversion.objects.get()
    assert (conversion.review, conversion.review_reason) == (Conversion.Review.OPEN, "")
    assert conversion.reviewed_by is None


def test_what_was_paid_is_not_held_but_noted() -> None:
    enrolment = asha()
    sale = make_sale(codes=("ASHA10",))
    [entry] = settle(sale)
    pay(entry, at=SALE_AT)
    make_details(affiliate=enrolment.affiliate, account="one")
    make_details(affiliate=make_enrolment(code="RAVI5").affiliate, account="one")
    settle(sale)
    assert Flag.objects.get().check_name == Check.SHARED_ACCOUNT
    assert Conversion.objects.get().review == Conversion.Review.NONE


def test_a_refused_bill_stays_refused(owner: User) -> None:
    asha()
    sale = own_purchase()
    settle(sale)
    review_conversions(
        conversions=[Conversion.objects.get()],
        review=Conversion.Review.REFUSED,
        reason="Own purchase",
        acting_user=owner,
    )
    with mock.patch.object(risk, "CHECKS", {Check.CIRCLE: lambda *_: {"names": ["A", "A"]}}):
        settle(sale)
    assert Conversion.objects.get().review == Conversion.Review.REFUSED


def test_a_bill_that_moves_to_another_affiliate_is_judged_afresh(owner: User) -> None:
    asha()
    make_enrolment(code="RAVI5")
    sale = own_purchase()
    settle(sale)
    review_conversions(
        conversions=[Conversion.objects.get()],
        review=Conversion.Review.REFUSED,
        reason="Own purchase",
        acting_user=owner,
    )
    Purchase.objects.filter(pk=sale.pk).update(codes=["RAVI5"])
    settle(sale)
    conversion = Conversion.objects.get()
    assert conversion.review == Conversion.Review.NONE
    assert Screening.objects.get().enrolment == conversion.enrolment
    total = sum(CommissionEntry.objects.values_list("amount", flat=True))
    assert total == Decimal("100.00")


@pytest.mark.security
def test_a_bill_that_cannot_be_checked_is_held_and_says_so() -> None:
    enrolment = make_enrolment()
    sale = make_sale(codes=("ASHA10",))
    with mock.patch("affiliates.services.clues.known._phones_of", side_effect=ValueError):
        settle(sale)
    conversion = Conversion.objects.get()
    assert conversion.review == Conversion.Review.OPEN
    assert Flag.objects.get().check_name == Check.UNCHECKED
    assert earnings_of(enrolment.affiliate, now=SALE_AT + timedelta(days=999)).due == 0
    assert CommissionEntry.objects.get().amount == Decimal("100.00")


@pytest.mark.security
def test_a_broken_check_holds_the_bill() -> None:
    make_enrolment()

    def broken(*_: object) -> None:
        raise KeyError

    with mock.patch.object(risk, "CHECKS", {**risk.CHECKS, Check.VELOCITY: broken}):
        settle(make_sale(codes=("ASHA10",)))
    assert Conversion.objects.get().review == Conversion.Review.OPEN
    assert Flag.objects.get().evidence == {"causes": ["velocity: KeyError"]}


def test_a_batch_is_judged_as_its_bills_one_by_one() -> None:
    lenient(per_hour=3)
    make_enrolment(code="ASHA10")
    make_enrolment(code="RAVI5")
    times = [SALE_AT + timedelta(minutes=minutes) for minutes in (0, 5, 10, 15, 20, 100, 101)]
    batch = [make_sale(codes=("ASHA10",), occurred_at=at) for at in reversed(times)][::-1]
    single = [make_sale(codes=("RAVI5",), occurred_at=at) for at in times]
    settle(*batch)
    for sale in single:
        settle(sale)

    def held(sales: list[Purchase]) -> list[bool]:
        return [sale.conversion.review == "open" for sale in sales]

    # Settled again, a bill is not compared with what came after it.
    settle(*batch, make_sale(codes=("ASHA10",), occurred_at=times[4]))
    for sale in (*batch, *single):
        sale.refresh_from_db()
    assert held(batch) == held(single) == [False, False, False, True, True, False, False]


def test_a_burst_that_arrives_backwards_is_seen_too() -> None:
    lenient(per_hour=3)
    make_enrolment()
    for minutes in (20, 15, 10, 5, 0):
        settle(make_sale(codes=("ASHA10",), occurred_at=SALE_AT + timedelta(minutes=minutes)))
    assert Conversion.objects.filter(review="open").count() == 2


def test_what_is_usual_is_learned_from_four_weeks() -> None:
    lenient(per_day=4, usual_factor=2)
    make_enrolment()
    for day in range(28):
        settle(
            *(
                make_sale(codes=("ASHA10",), occurred_at=SALE_AT - timedelta(days=day, hours=hour))
                for hour in (22, 23, 24)
            )
        )
    assert not Flag.objects.exists()
    # Three a day are usual, so six are fine, and the seventh is not.
    today = [
        make_sale(codes=("ASHA10",), occurred_at=SALE_AT + timedelta(hours=hour))
        for hour in range(3, 10)
    ]
    settle(*today)
    [conversion] = Conversion.objects.filter(review="open")
    assert conversion.purchase == today[-1]
    assert Flag.objects.get().evidence == {
        "span": "day",
        "bills": 7,
        "allowed": 6,
        "usual": "3",
    }


def test_a_buyer_whom_the_affiliate_reached_before_is_no_stranger() -> None:
    lenient(strangers=1)
    enrolment = make_enrolment()
    buyers = [register_customer(name=f"B{n}", source="test") for n in range(4)]
    for buyer in buyers:
        make_touch(click=make_click(enrolment=enrolment), customer=buyer)
    settle(*(make_sale(codes=("ASHA10",), customer=buyer) for buyer in buyers))
    assert not Flag.objects.exists()
    settle(make_sale(codes=("ASHA10",), customer=buyers[0]))
    assert not Flag.objects.exists()
    regular = register_customer(name="R", source="test")
    for _ in range(4):
        settle(make_sale(codes=("ASHA10",), customer=regular))
    assert not Flag.objects.exists()


def test_a_touch_after_the_bill_or_of_another_affiliate_does_not_count() -> None:
    enrolment = make_enrolment()
    other = make_enrolment(code="RAVI5")
    buyer = register_customer(name="B", source="test")
    for click in (
        make_click(enrolment=enrolment, at=SALE_AT + timedelta(days=1), paid_parameters=["gclid"]),
        make_click(enrolment=other, paid_parameters=["gclid"]),
    ):
        make_touch(click=click, customer=buyer)
    settle(make_sale(codes=("ASHA10",), customer=buyer), make_sale(codes=("RAVI5",)))
    assert not Flag.objects.exists()
    assert Screening.objects.filter(is_stranger=True).count() == 2


@pytest.mark.security
def test_of_twenty_accounts_on_one_device_one_is_paid() -> None:
    lenient()
    enrolment = make_enrolment()
    for number in range(20):
        buyer = register_customer(name=f"B{number}", source="test")
        make_touch(click=make_click(enrolment=enrolment, visitor_hash="same"), customer=buyer)
        settle(make_sale(codes=("ASHA10",), customer=buyer))
    held = Conversion.objects.filter(review="open", flags__check_name=Check.SHARED_DEVICE)
    assert held.count() == 19


@pytest.mark.security
def test_a_circle_of_two_and_one_through_recruiting_are_seen() -> None:
    people = [register_customer(name=name, source="test") for name in ("Asha", "Bina")]
    parent = make_enrolment(code="ASHA1", name="Asha", customer=people[0])
    make_enrolment(code="BINA1", name="Bina", customer=people[1], parent=parent.affiliate)
    # Asha recruited Bina, who brings Asha's own bill: Asha would get the parent's share of it.
    settle(make_sale(codes=("BINA1",), customer=people[0]))
    assert Conversion.objects.filter(review="open").count() == 1
    assert Flag.objects.get().evidence == {"names": ["Bina", "Asha", "Bina"]}
    # Two who bring each other.
    settle(make_sale(codes=("ASHA1",), customer=people[1]))
    assert Conversion.objects.filter(review="open").count() == 2


def test_own_bills_of_the_same_customer_are_refused_not_held() -> None:
    customer = register_customer(name="Asha", source="test")
    make_enrolment(customer=customer)
    settle(make_sale(codes=("ASHA10",), customer=customer))
    conversion = Conversion.objects.get()
    assert (conversion.state, conversion.review) == ("rejected", "none")
    assert conversion.candidates[0]["reason"] == "own_purchase"
    assert not CommissionEntry.objects.exists()


@pytest.mark.security
def test_a_payout_account_that_is_shared_later_holds_what_is_not_paid_yet() -> None:
    enrolment = make_enrolment()
    [paid] = settle(make_sale(codes=("ASHA10",)))
    settle(make_sale(codes=("ASHA10",)))
    pay(paid, at=SALE_AT)
    make_details(affiliate=enrolment.affiliate, tax_id="pan")
    make_details(affiliate=make_enrolment(code="RAVI5").affiliate, tax_id="pan")
    [held] = recheck_affiliates(affiliates=[enrolment.affiliate])
    assert held.pk != paid.conversion_id
    assert list(Conversion.objects.filter(review="open")) == [held]
    assert recheck_affiliates(affiliates=[enrolment.affiliate]) == []


def test_devices_are_remembered_once_and_forgotten_after_a_while() -> None:
    affiliate = make_enrolment().affiliate
    now = timezone.now()
    note_device(affiliate=affiliate, visitor_hash="old", now=now - timedelta(days=91))
    for _ in range(2):
        note_device(affiliate=affiliate, visitor_hash="new", now=now)
    assert list(AffiliateDevice.objects.values_list("visitor_hash", flat=True)) == ["new"]


@pytest.mark.security
def test_no_contact_stands_in_what_the_checks_write() -> None:
    asha(phone="+447700900123")
    buyer = register_customer(
        name="A", phone="+447700900123", email="asha+1@gmail.com", source="test"
    )
    settle(make_sale(codes=("ASHA10",), customer=buyer))
    second = make_enrolment(code="RAVI5", email="ravi@acme.com")
    assert second.pk
    settle(
        make_sale(
            codes=("RAVI5",),
            customer=register_customer(name="B", email="bina@acme.com", source="test"),
        )
    )
    written = str(list(Flag.objects.values())) + str(list(Screening.objects.values()))
    assert Flag.objects.count() == 3
    for secret in ("gmail", "acme", "900123"):
        assert secret not in written


@pytest.mark.performance
def test_one_odd_bill_and_many_take_the_same_number_of_queries(
    django_assert_num_queries: Any,
) -> None:
    lenient(counter_bills=1)
    enrolment = asha()
    make_details(affiliate=enrolment.affiliate, account="one")
    make_details(affiliate=make_enrolment(code="RAVI5").affiliate, account="one")
    person = register_customer(name="Buyer", source="test")
    make_enrolment(code="BINA1", customer=person, name="Bina")
    settle(make_sale(codes=("BINA1",), customer=register_customer(name="C", source="test")))

    def odd(count: int) -> list[Purchase]:
        clicks = [make_click(enrolment=enrolment) for _ in range(count)]
        for click in clicks:
            make_touch(click=click, customer=person)
        return [make_sale(codes=("ASHA10", one.public_id), customer=person) for one in clicks]

    few, many = odd(1), odd(12)
    with CaptureQueriesContext(connection) as for_one:
        settle(*few)
    with django_assert_num_queries(len(for_one)):
        settle(*many)
    assert Flag.objects.filter(check_name=Check.SHARED_ACCOUNT).count() == 13
