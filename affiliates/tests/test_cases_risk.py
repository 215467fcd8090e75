"""The fraud cases of `affiliates.md`, by their number."""

import pytest

from affiliates.engine.risk import Check
from affiliates.models import Conversion
from affiliates.services import settle_commissions
from affiliates.tests.factories import lenient, make_click, make_enrolment, make_sale
from customers.models import Customer
from customers.services import register_customer

pytestmark = pytest.mark.django_db


def checks_of(*, email: str = "", codes: tuple[str, ...] = ("ASHA10",)) -> set[str]:
    """What a bill of a new buyer with this address is held for."""
    buyer = register_customer(name="Buyer", email=email, source="test") if email else None
    sale = make_sale(codes=codes, customer=buyer)
    settle_commissions(purchase_ids=[sale.pk])
    conversion = Conversion.objects.get(purchase=sale)
    checks = {flag.check_name for flag in conversion.flags.all()}
    assert (conversion.review == Conversion.Review.OPEN) is bool(checks)
    return checks


def test_case_9_an_alias_of_the_affiliates_address_is_the_affiliate() -> None:
    make_enrolment(email="asha@shop.in")
    assert checks_of(email="asha+x@shop.in") == {Check.OWN_EMAIL}


def test_case_9_another_address_at_the_affiliates_domain_flags() -> None:
    make_enrolment(email="asha@shop.in")
    assert checks_of(email="ravi@shop.in") == {Check.SAME_DOMAIN}


def test_case_9_the_second_buyer_at_a_company_flags() -> None:
    make_enrolment(email="asha@shop.in")
    assert checks_of(email="bina@acme.com") == set()
    bina = Customer.objects.get()
    again = make_sale(codes=("ASHA10",), customer=bina)
    settle_commissions(purchase_ids=[again.pk])
    assert again.conversion.review == Conversion.Review.NONE
    assert checks_of(email="chitra@acme.com") == {Check.COMPANY_DOMAIN}
    # Another affiliate's buyers at the same company are nobody's business.
    make_enrolment(code="RAVI5")
    assert checks_of(email="dev@acme.com", codes=("RAVI5",)) == set()


def test_case_9_gmail_never_flags_by_its_domain() -> None:
    make_enrolment(email="asha@gmail.com")
    assert checks_of(email="ravi@gmail.com") == set()
    assert checks_of(email="bina@gmail.com") == set()


def test_case_9_a_throwaway_address_flags() -> None:
    make_enrolment()
    assert checks_of(email="x@mailinator.com") == {Check.THROWAWAY_MAIL}


def test_case_9_a_banned_referrer_flags() -> None:
    lenient(banned_referrers="Coupons.example\nother.example")
    click = make_click(enrolment=make_enrolment(), referrer_host="www.coupons.example")
    assert checks_of(codes=("ASHA10", click.public_id)) == {Check.BANNED_REFERRER}


def test_case_9_a_paid_click_flags() -> None:
    click = make_click(enrolment=make_enrolment(), paid_parameters=["gclid"])
    assert checks_of(codes=("ASHA10", click.public_id)) == {Check.PAID_CLICK}
