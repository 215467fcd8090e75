"""Registrations, browsers that remember a click, and customers who are merged."""

from datetime import timedelta

import pytest
from django.test import Client

from affiliates.engine.clicks import CLICK_COOKIE
from affiliates.models import Affiliate, Conversion, Touch
from affiliates.tests.factories import SALE_AT, make_enrolment, make_sale
from affiliates.tests.test_attribution import (
    claim,
    credited,
    make_binding_plan,
    make_click,
    reasons,
    settle,
    winner_of,
)
from customers.models import Customer, CustomerMerge, SignInChallenge
from customers.services import register_customer, sign_in_code
from customers.tests.factories import make_customer
from loyalty.services import merge_customers, separate_customers
from loyalty_site.outbox.services import deliver

pytestmark = pytest.mark.django_db


def sign_in(browser: Client, customer: Customer) -> None:
    browser.post("/sign-in/", {"contact": customer.phone})
    challenge = SignInChallenge.objects.latest("pk")
    browser.post("/sign-in/code/", {"code": sign_in_code(challenge)}, follow=True)


def merge(kept: Customer, merged: Customer) -> CustomerMerge:
    done = merge_customers(kept=kept, merged=merged, reason="Same person")
    deliver("affiliates.follow_merges")
    return done


def separate(merge: CustomerMerge) -> None:
    separate_customers(merge=merge)
    deliver("affiliates.follow_separations")


# --- browsers and registrations -----------------------------------------------------------------


def test_a_browser_that_remembers_a_click_tells_it_when_its_customer_signs_in() -> None:
    ravi, enrolment = make_customer(), make_enrolment()
    first, second = make_click(enrolment), make_click(enrolment, at=SALE_AT)
    browser = Client()
    browser.cookies[CLICK_COOKIE] = first.public_id
    sign_in(browser, ravi)
    browser.get("/card/")
    assert [(one.way, one.customer, one.click) for one in Touch.objects.all()] == [
        ("cookie", ravi, first)
    ]
    browser.cookies[CLICK_COOKIE] = second.public_id
    browser.get("/card/")
    assert Touch.objects.count() == 2
    sale = make_sale(customer=ravi)
    settle(sale)
    assert reasons(sale) == [("cookie", "won")]


def test_a_browser_that_lies_about_clicks_only_gets_its_page() -> None:
    browser = Client()
    sign_in(browser, make_customer())
    for cookie in ("clk_unknown", "x" * 5000, "clk_\x00", "é", "1; DROP TABLE"):
        browser.cookies[CLICK_COOKIE] = cookie
        assert browser.get("/card/").status_code == 200
    assert not Touch.objects.exists()


def test_a_code_that_is_given_at_registration_brings_the_first_bill() -> None:
    enrolment = make_enrolment()
    ravi = register_customer(
        name="Ravi", phone="+447700900321", source="portal", referral_code="asha10"
    )
    register_customer(name="Mina", phone="+447700900322", source="portal", referral_code="FRIEND")
    deliver("affiliates.note_codes")
    assert Touch.objects.get().customer == ravi
    sale = make_sale(customer=ravi, occurred_at=ravi.created_at + timedelta(days=2))
    settle(sale)
    assert winner_of(sale) == enrolment


# --- merged customers ---------------------------------------------------------------------------


def test_touches_and_bindings_follow_a_merge_and_go_back() -> None:
    kept, merged = make_customer(), make_customer()
    enrolment = make_enrolment(plan=make_binding_plan(bind_days=None, window_days=365))
    claim(enrolment, merged)
    settle(make_sale(customer=merged))
    done = merge(kept, merged)
    later = make_sale(customer=kept, occurred_at=SALE_AT + timedelta(days=9))
    settle(later)
    assert reasons(later) == [("binding", "won"), ("claim", "same_affiliate")]
    separate(done)
    after = make_sale(customer=kept, occurred_at=SALE_AT + timedelta(days=10))
    own = make_sale(customer=merged, occurred_at=SALE_AT + timedelta(days=10))
    settle(after, own)
    assert (winner_of(after), winner_of(own)) == (None, enrolment)


def test_a_merge_unveils_an_own_purchase_and_separating_gives_it_back() -> None:
    asha, alias = make_customer(), make_customer()
    enrolment = make_enrolment(customer=asha)
    settle(make_sale(customer=alias, codes=("ASHA10",)))
    assert credited(enrolment) == 100
    done = merge(asha, alias)
    assert credited(enrolment) == 0
    assert Conversion.objects.get().candidates[0]["reason"] == "own_purchase"
    separate(done)
    assert credited(enrolment) == 100


def test_an_affiliates_own_record_follows_merges_in_chain_and_goes_back() -> None:
    asha, second, third = make_customer(), make_customer(), make_customer()
    affiliate = make_enrolment(customer=asha).affiliate
    chain = [merge(second, asha), merge(third, second)]
    affiliate.refresh_from_db()
    assert affiliate.customer == third
    for done, expected in zip(reversed(chain), (second, asha), strict=True):
        separate(done)
        affiliate.refresh_from_db()
        assert affiliate.customer == expected


def test_two_affiliates_who_are_one_person_stay_two_and_earn_on_neither_record() -> None:
    asha, alias = make_customer(), make_customer()
    one = make_enrolment(code="ONE", customer=asha)
    two = make_enrolment(code="TWO", customer=alias)
    done = merge(asha, alias)
    assert set(Affiliate.objects.values_list("customer", flat=True)) == {asha.pk, alias.pk}
    sale = make_sale(customer=asha, codes=("ONE", "TWO"))
    settle(sale)
    assert reasons(sale) == [("code", "own_purchase")] * 2
    separate(done)
    assert set(Affiliate.objects.values_list("customer", flat=True)) == {asha.pk, alias.pk}
    assert credited(one) == credited(two) == 0
