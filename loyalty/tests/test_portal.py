"""The customer's own pages."""

from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest
from django.test import Client

from customers import portal
from customers.models import Customer
from customers.services import check_sign_in_code, request_sign_in_code, sign_in_code
from customers.tests.factories import make_customer
from loyalty.services import open_accounts
from loyalty.tests.factories import award, make_account, make_program

pytestmark = pytest.mark.django_db


def sign_in(customer: Customer) -> Client:
    client = Client()
    request = HttpRequest()
    request.session = client.session
    portal.sign_in(request, customer)
    request.session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(request.session.session_key)
    return client


def test_strangers_are_sent_to_sign_in() -> None:
    for path in ("/card/", "/card/history/"):
        answer = Client().get(path)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/sign-in/")


def test_the_card_shows_balance_tier_and_reasons() -> None:
    account = make_account()
    award(account, 1234, reference="a")
    page = sign_in(account.customer).get("/card/").content.decode()
    assert "1,234" in page
    assert "Bronze" in page
    assert "₹1,000.00 more to Silver" in page
    assert "data:image/svg+xml" in page
    assert "<p>test</p>" in page


def test_a_new_customer_sees_a_friendly_card() -> None:
    page = sign_in(make_customer()).get("/card/")
    assert page.status_code == 200
    assert "You have no points yet" in page.content.decode()
    assert sign_in(make_customer()).get("/card/history/").status_code == 200


def test_history_turns_pages_and_never_shows_another_customers_entries() -> None:
    account, other = make_account(), make_account()
    for n in range(30):
        award(account, 1, reference=f"mine-{n}")
    award(other, 777, reference="theirs")
    client = sign_in(account.customer)
    first = client.get("/card/history/").content.decode()
    assert first.count('class="entry"') == 25
    assert "?before=6" in first
    second = client.get("/card/history/?before=6").content.decode()
    assert second.count('class="entry"') == 5
    assert "777" not in first + second
    assert client.get("/card/history/?before=%00'").status_code == 200


@pytest.mark.performance
def test_the_card_takes_a_constant_number_of_queries(django_assert_max_num_queries: Any) -> None:
    account = make_account()
    client = sign_in(account.customer)
    for n in range(8):
        award(account, 1, reference=f"a{n}")
        if n in {0, 7}:
            with django_assert_max_num_queries(9):
                client.get("/card/")


def test_signing_in_by_code_leads_to_the_card() -> None:
    customer = make_customer(phone="+447700900123")
    open_accounts(program=make_program(), customer_ids=[customer.pk])
    challenge = request_sign_in_code(contact="+44 7700 900123", network="test")
    code = sign_in_code(challenge)
    assert check_sign_in_code(challenge_id=challenge.public_id, code=code) == customer
