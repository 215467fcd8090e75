"""The portal's doors."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from customers import portal
from customers.models import Customer, SignInChallenge
from customers.services import change_customer, sign_in_code
from customers.tests.factories import make_customer

pytestmark = pytest.mark.django_db

PHONE = "+919876543210"
WAITING = "portal_asked"


@pytest.fixture
def customer() -> Customer:
    return make_customer(name="Asha Patel", phone=PHONE, email="asha@example.com")


def ask(client: Client, contact: str = "098765 43210", **fields: str) -> Any:
    return client.post("/sign-in/", {"contact": contact, **fields})


def enter(client: Client, code: str | None = None) -> Any:
    challenge = SignInChallenge.objects.latest("pk")
    return client.post("/sign-in/code/", {"code": code or sign_in_code(challenge)})


def signed_in_customer(client: Client) -> Customer | None:
    request = RequestFactory().get("/")
    request.session = client.session
    found = portal.portal_customer(request)
    request.session.save()
    return found


@pytest.mark.parametrize("contact", ["098765 43210", "+91-98765-43210", " Asha@Example.com "])
def test_a_customer_signs_in_by_phone_or_address(
    client: Client, customer: Customer, contact: str
) -> None:
    assert ask(client, contact).url == "/sign-in/code/"
    before = client.session.session_key
    assert enter(client)["Location"] == "/card/"
    assert signed_in_customer(client) == customer
    assert client.session.session_key != before


def test_the_code_page_is_made_for_one_time_codes(client: Client, customer: Customer) -> None:
    ask(client)
    page = client.get("/sign-in/code/").content.decode()
    assert page.count("<input ") == 1 + page.count('type="hidden"')
    for attribute in (
        'inputmode="numeric"',
        'autocomplete="one-time-code"',
        'maxlength="6"',
        "+91…3210",
    ):
        assert attribute in page
    assert "9876543210" not in page
    assert "<script" not in page and "style=" not in page


def test_strangers_see_the_same_as_members(customer: Customer) -> None:
    pages = []
    for contact in (PHONE, "+919876500000"):
        client = Client()
        answer = ask(client, contact)
        page = client.get(answer.url)
        wrong = enter(client, "000000")
        pages.append(
            (answer.status_code, answer.url, page.status_code, len(page.content), wrong.status_code)
        )
    assert pages[0] == pages[1]


def test_the_contact_is_not_readable_in_the_session(client: Client, customer: Customer) -> None:
    ask(client)
    assert "9876543210" not in str(dict(client.session))


def test_a_wrong_code_says_so_and_lets_nobody_in(client: Client, customer: Customer) -> None:
    ask(client)
    code = sign_in_code(SignInChallenge.objects.get())
    response = enter(client, "000000" if code != "000000" else "000001")
    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.content.decode()
    assert "id_code_error" in response.content.decode()
    assert signed_in_customer(client) is None


@pytest.mark.security
def test_a_code_works_only_in_the_browser_that_asked_for_it(
    client: Client, customer: Customer
) -> None:
    ask(client)
    stranger = Client()
    ask(stranger, "+919876500000")
    code = sign_in_code(SignInChallenge.objects.get(customer=customer))
    assert enter(stranger, code).status_code == 422
    assert Client().post("/sign-in/code/", {"code": code})["Location"] == "/sign-in/"


def test_asking_again_at_once_says_when_it_is_possible(client: Client, customer: Customer) -> None:
    ask(client)
    response = client.post("/sign-in/", {"again": "1"}, follow=True)
    assert response.redirect_chain == [("/sign-in/code/", 302)]
    assert "Please wait" in response.content.decode()
    assert SignInChallenge.objects.count() == 1
    elsewhere = ask(Client())
    assert elsewhere.status_code == 429
    assert "Please wait" in elsewhere.content.decode()


def test_a_new_code_goes_to_the_same_contact(client: Client, customer: Customer) -> None:
    ask(client)
    past = timezone.now() - timedelta(minutes=1)
    SignInChallenge.objects.update(created_at=past)
    client.post("/sign-in/", {"again": "1"})
    assert SignInChallenge.objects.filter(customer=customer).count() == 2
    assert enter(client)["Location"] == "/card/"


@pytest.mark.parametrize("contact", ["", "asha", "98ABC43210"])
def test_refuses_what_is_no_contact(client: Client, contact: str) -> None:
    response = ask(client, contact)
    assert response.status_code == 422
    assert "<title>Error" in response.content.decode()
    assert not SignInChallenge.objects.exists()


@pytest.mark.security
@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/history/?page=2", "/history/?page=2"),
        ("https://evil.example/", "/card/"),
        ("//evil.example/", "/card/"),
        ("/\\evil.example", "/card/"),
        ("javascript:alert(1)", "/card/"),
        ("\x00/", "/card/"),
    ],
)
def test_goes_only_to_pages_of_ours_after_signing_in(
    client: Client, customer: Customer, wanted: str, reached: str
) -> None:
    ask(client, next=wanted)
    assert enter(client).url == reached


def test_signing_out_leaves_this_device(client: Client, customer: Customer) -> None:
    ask(client)
    enter(client)
    assert client.get("/sign-out/").status_code == 405
    assert signed_in_customer(client) == customer
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    assert signed_in_customer(client) is None


@pytest.mark.security
def test_the_blocked_and_those_whose_phone_changed_are_signed_out(customer: Customer) -> None:
    for change in (
        lambda: change_customer(customer_id=customer.pk, changes={"phone": ""}, source="test"),
        lambda: Customer.objects.update(status=Customer.Status.BLOCKED),
    ):
        client = Client()
        SignInChallenge.objects.all().delete()
        ask(client, "asha@example.com")
        enter(client)
        assert signed_in_customer(client) is not None
        change()
        assert signed_in_customer(client) is None


def test_a_page_for_customers_sends_others_to_sign_in(rf: RequestFactory) -> None:
    @portal.customer_required
    def page(request: HttpRequest, customer: Customer, number: int) -> HttpResponse:
        return HttpResponse(f"{customer} {number}")

    request = rf.get("/history/?page=2")
    request.session = Client().session
    response = page(request, 7)
    target = urlsplit(response["Location"])
    assert target.path == "/sign-in/"
    assert parse_qs(target.query) == {"next": ["/history/?page=2"]}
    portal.sign_in(request, make_customer(name="Asha"))
    shown = page(request, 7)
    assert shown.content == b"Asha 7"
    assert "no-store" in shown["Cache-Control"]


def test_the_language_can_be_switched_on_every_page(client: Client) -> None:
    response = client.post("/language/", {"language": "hi", "next": "/sign-in/"}, follow=True)
    assert '<html lang="hi"' in response.content.decode()


def test_the_sign_in_page_is_light() -> None:
    client = Client()
    page = client.get("/sign-in/").content
    with (
        open("static/portal/portal.css", "rb") as styles,
        open("static/portal/mark.svg", "rb") as mark,
    ):
        total = len(page) + len(styles.read()) + len(mark.read())
    assert total < 30_000
    assert b"http://" not in page and b"https://" not in page
