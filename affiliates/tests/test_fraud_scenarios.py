"""Ten frauds, end to end: each is held with a reason until a person has looked at it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest

from affiliates.engine.risk import Check
from affiliates.models import Affiliate, CommissionEntry, Conversion, Enrolment, Flag
from affiliates.selectors import earnings_of
from affiliates.selectors.risk import describe_flags, visitor_hash
from affiliates.services import note_device, review_conversions, settle_commissions
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
from customers.services import PurchaseState, register_customer, upsert_purchases
from customers.tests.factories import make_line_state
from loyalty_site.staff.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.security]

YEARS_LATER = SALE_AT + timedelta(days=1000)


@dataclass
class Scenario:
    """What happened: the bills that must be held, whose they are, and the check that objects."""

    affiliate: Affiliate
    held: list[Purchase]
    check: Check
    says: str


def settle(*purchases: Purchase) -> list[CommissionEntry]:
    return settle_commissions(purchase_ids=[purchase.pk for purchase in purchases])


SPELLINGS = [
    "+447700900123",
    "+44 7700 900123",
    "0044 7700 900123",
    "+44 (7700) 900-123",
    "+44-7700-900123",
    "+44.7700.900.123",
    "00447700900123",
]


def own_phone_in_seven_spellings() -> Scenario:
    """The affiliate, who is no customer yet, shows the own code under the own phone."""
    enrolment = make_enrolment(phone="+447700900123")
    bills = upsert_purchases(
        states=[
            PurchaseState(
                source="till",
                external_id=f"T{number}",
                number=f"T{number}",
                kind="sale",
                status="active",
                store_code="S1",
                store_name="Shop",
                customer_id=None,
                customer_phone=spelling,
                customer_name="A. R.",
                unknown_customer="create" if number % 2 else "park",
                occurred_at=SALE_AT,
                currency="INR",
                lines=(make_line_state(net="1000.00"),),
                codes=("ASHA10",),
            )
            for number, spelling in enumerate(SPELLINGS)
        ]
    )
    sales = [bill.purchase for bill in bills]
    assert len(sales) == 7
    settle(*sales)
    return Scenario(enrolment.affiliate, sales, Check.OWN_PHONE, "phone is the affiliate's own")


def own_address_by_aliases() -> Scenario:
    """The same with e-mail: plus tags, dots of Gmail, capitals, the other name of Gmail."""
    enrolment = make_enrolment(email="asha.rao@gmail.com")
    sales = [
        make_sale(codes=("ASHA10",), customer=register_customer(name="A", email=email, source="t"))
        for email in (
            "Asha.Rao@Gmail.com",
            "asharao@gmail.com",
            "asha.rao+shop@gmail.com",
            "a.s.h.a.r.a.o@googlemail.com",
        )
    ]
    settle(*sales)
    return Scenario(enrolment.affiliate, sales, Check.OWN_EMAIL, "own mailbox")


def circle() -> Scenario:
    """Asha brings Bina, Bina brings Chitra, and Chitra brings Asha."""
    people = [register_customer(name=name, source="t") for name in ("Asha", "Bina", "Chitra")]
    enrolments = [
        make_enrolment(code=f"{person.name.upper()}1", name=person.name, customer=person)
        for person in people
    ]
    bills = [
        make_sale(codes=(code,), customer=buyer, occurred_at=SALE_AT + timedelta(days=day))
        for day, (code, buyer) in enumerate(
            [("ASHA1", people[1]), ("BINA1", people[2]), ("CHITRA1", people[0])]
        )
    ]
    settle(bills[0], bills[1])
    assert not Flag.objects.exists()
    settle(bills[2])
    return Scenario(
        enrolments[2].affiliate, [bills[2]], Check.CIRCLE, "Chitra → Asha → Bina → Chitra"
    )


def leaked_code() -> Scenario:
    """A code turns up on a coupon site: strangers whom the affiliate never reached."""
    lenient(strangers=5)
    enrolment = make_enrolment()
    sales = [
        make_sale(codes=("ASHA10",), occurred_at=SALE_AT + timedelta(minutes=90 * number))
        for number in range(8)
    ]
    settle(*sales)
    return Scenario(enrolment.affiliate, sales[5:], Check.CODE_LEAK, "6 strangers within a day")


def cashier_share() -> Scenario:
    """A cashier scans a friend's code on every third bill."""
    lenient(counter_bills=10, counter_share=30)
    enrolment = make_enrolment()
    bills = [
        make_sale(
            codes=("ASHA10",) if number % 3 == 0 else (),
            occurred_at=SALE_AT + timedelta(hours=number),
        )
        for number in range(30)
    ]
    # The same code is on few of the bills at another till.
    elsewhere = [make_sale(source="other", codes=("ASHA10",)) for _ in range(2)]
    settle(*bills, *elsewhere)
    return Scenario(enrolment.affiliate, [bills[27]], Check.COUNTER_SHARE, "10 of 30 bills")


def velocity() -> Scenario:
    """Far more bills within an hour than this affiliate ever brings."""
    lenient(per_hour=5)
    enrolment = make_enrolment()
    sales = [
        make_sale(codes=("ASHA10",), occurred_at=SALE_AT + timedelta(minutes=number))
        for number in range(7)
    ]
    for sale in sales:
        settle(sale)
    return Scenario(enrolment.affiliate, sales[5:], Check.VELOCITY, "6 bills within an hour")


def shared_payout_account() -> Scenario:
    """Two affiliates are paid into one bank account."""
    enrolment = make_enrolment()
    other = make_enrolment(code="RAVI5", name="Ravi").affiliate
    make_details(affiliate=enrolment.affiliate, account="account", tax_id="one")
    make_details(affiliate=other, account="account", tax_id="two")
    sale = make_sale(codes=("ASHA10",))
    settle(sale)
    return Scenario(enrolment.affiliate, [sale], Check.SHARED_ACCOUNT, "also used by Ravi")


def refund_after_payout() -> Scenario:
    """A friend buys, the commission is paid, the goods come back, and the friend buys again."""
    enrolment = make_enrolment()
    friend = register_customer(name="Friend", source="t")
    sale = make_sale(codes=("ASHA10",), customer=friend)
    [entry] = settle(sale)
    pay(entry, at=SALE_AT + timedelta(days=31))
    settle(make_return(sale=sale, net="-1000.00", days_later=40))
    # What was paid is remembered but not held: its negative line nets the next payout.
    assert Flag.objects.get().check_name == Check.RETURNED_AFTER_PAYOUT
    assert Conversion.objects.get().review == Conversion.Review.NONE
    again = make_sale(codes=("ASHA10",), customer=friend, occurred_at=SALE_AT + timedelta(days=50))
    settle(again)
    return Scenario(enrolment.affiliate, [again], Check.LATE_RETURNS, "after the commission had")


def throwaway_mail() -> Scenario:
    """A buyer who exists for one bill."""
    enrolment = make_enrolment()
    buyer = register_customer(name="X", email="x1@mailinator.com", source="t")
    sale = make_sale(codes=("ASHA10",), customer=buyer)
    settle(sale)
    return Scenario(enrolment.affiliate, [sale], Check.THROWAWAY_MAIL, "mailinator.com")


def own_device() -> Scenario:
    """The click came from the browser in which the affiliate reads the earnings."""
    enrolment = make_enrolment()
    device = visitor_hash(network="203.0.113.7", agent="Phone")
    note_device(affiliate=enrolment.affiliate, visitor_hash=device)
    sale = make_sale(codes=("ASHA10",), customer=register_customer(name="Sister", source="t"))
    assert sale.customer is not None
    make_touch(click=make_click(enrolment=enrolment, visitor_hash=device), customer=sale.customer)
    settle(sale)
    return Scenario(enrolment.affiliate, [sale], Check.OWN_DEVICE, "uses the portal")


def paid_click() -> Scenario:
    """The affiliate bid on the shop's own name; the bill names the click."""
    enrolment = make_enrolment()
    click = make_click(enrolment=enrolment, paid_parameters=["gclid"])
    sale = make_sale(codes=("ASHA10", click.public_id))
    settle(sale)
    return Scenario(enrolment.affiliate, [sale], Check.PAID_CLICK, "gclid")


SCENARIOS = [
    own_phone_in_seven_spellings,
    own_address_by_aliases,
    circle,
    leaked_code,
    cashier_share,
    velocity,
    shared_payout_account,
    refund_after_payout,
    throwaway_mail,
    own_device,
    paid_click,
]


@pytest.mark.parametrize("happens", SCENARIOS, ids=lambda happens: happens.__name__)
def test_it_is_held_with_a_reason_until_a_person_releases_it(
    happens: Callable[[], Scenario], owner: User
) -> None:
    scenario = happens()
    conversions = list(Conversion.objects.filter(review=Conversion.Review.OPEN).order_by("pk"))
    assert [one.purchase_id for one in conversions] == [bill.pk for bill in scenario.held]
    for conversion in conversions:
        assert scenario.check in {flag.check_name for flag in conversion.flags.all()}
    assert any(scenario.says in sentence for sentence in describe_flags(conversions[0]))

    # The money is there, is not due, and does not become due by waiting or by settling again.
    stake = sum((one.amount for one in entries_of(conversions)), Decimal(0))
    assert stake == Decimal("100.00") * len(conversions)
    before = earnings_of(scenario.affiliate, now=YEARS_LATER)
    settle(*scenario.held)
    assert earnings_of(scenario.affiliate, now=YEARS_LATER) == before
    assert set(reviews(conversions)) == {Conversion.Review.OPEN}

    review_conversions(
        conversions=conversions,
        review=Conversion.Review.RELEASED,
        reason="Asked the buyer",
        acting_user=owner,
    )
    settle(*scenario.held)
    assert set(reviews(conversions)) == {Conversion.Review.RELEASED}
    after = earnings_of(scenario.affiliate, now=YEARS_LATER)
    assert after.due - before.due == stake


@pytest.mark.parametrize("happens", SCENARIOS, ids=lambda happens: happens.__name__)
def test_what_is_refused_earns_nothing(happens: Callable[[], Scenario], owner: User) -> None:
    scenario = happens()
    conversions = list(Conversion.objects.filter(review=Conversion.Review.OPEN))
    before = earnings_of(scenario.affiliate, now=YEARS_LATER)
    review_conversions(
        conversions=conversions,
        review=Conversion.Review.REFUSED,
        reason="Own purchase",
        acting_user=owner,
    )
    settle(*scenario.held)
    assert sum((one.amount for one in entries_of(conversions)), Decimal(0)) == 0
    assert earnings_of(scenario.affiliate, now=YEARS_LATER).due == before.due


def test_an_honest_bill_is_not_held() -> None:
    enrolment: Enrolment = make_enrolment(phone="+447700900123", email="asha@gmail.com")
    buyer = register_customer(
        name="Ravi", phone="+447700900124", email="ravi@gmail.com", source="t"
    )
    sale = make_sale(codes=("ASHA10",), customer=buyer)
    make_touch(click=make_click(enrolment=enrolment), customer=buyer)
    settle(sale)
    assert Conversion.objects.get().review == Conversion.Review.NONE
    assert earnings_of(enrolment.affiliate, now=YEARS_LATER).due == Decimal("100.00")


def entries_of(conversions: list[Conversion]) -> list[CommissionEntry]:
    return list(CommissionEntry.objects.filter(conversion__in=conversions))


def reviews(conversions: list[Conversion]) -> list[str]:
    ids = [conversion.pk for conversion in conversions]
    return list(Conversion.objects.filter(pk__in=ids).values_list("review", flat=True))
