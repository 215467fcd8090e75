"""The back office's pages about customers and bills."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.models import Consent, Customer
from customers.services import record_consent
from customers.tests.factories import make_customer, make_line_state, make_purchase
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_user

pytestmark = pytest.mark.django_db

LIST = "/admin/customers/customer/"


def office(*roles: Role) -> Client:
    client = Client()
    client.force_login(
        make_user(roles=roles or [Role.OWNER]),
        backend="loyalty_site.staff.authentication.PermissionBackend",
    )
    return client


def page_of(customer: Customer, tab: str = "") -> str:
    return f"{LIST}{customer.pk}/change/" + (f"?tab={tab}" if tab else "")


def profile(**fields: str) -> dict[str, str]:
    blank = dict.fromkeys(
        ("name", "phone", "email", "birth_date", "anniversary_on", "city", "home_store"), ""
    )
    return {**blank, "language": "en", **fields}


def text(response: Any, status: int = 200) -> str:
    assert response.status_code == status
    return str(response.content.decode())


@pytest.mark.parametrize("search", ["098765 43210", "+91-98765-43210", "asha", "ASHA@example.com"])
def test_finds_a_customer_by_any_spelling(search: str) -> None:
    make_customer(name="Asha Patel", phone="+919876543210", email="asha@example.com")
    make_customer(name="Ravi Kumar")
    shown = text(office().get(LIST, {"q": search}))
    assert "Asha Patel" in shown and "Ravi Kumar" not in shown


def test_filters_by_status_city_and_home_store() -> None:
    asha = make_customer(name="Asha Patel", city="Pune", home_store_code="S1")
    make_customer(name="Ravi Kumar", status=Customer.Status.BLOCKED, city="Mumbai")
    for query in (
        {"status__exact": "active"},
        {"city": "pune"},
        {"home_store": str(asha.home_store_id)},
    ):
        shown = text(office().get(LIST, query))
        assert "Asha Patel" in shown and "Ravi Kumar" not in shown


def test_phones_are_masked_for_those_who_may_not_see_them() -> None:
    customer = make_customer(phone="+919876543210", email="asha@example.com")
    assert "+919876543210" in text(office().get(LIST))
    cashier = office(Role.CASHIER)
    for url in (LIST, page_of(customer), page_of(customer, "profile")):
        shown = text(cashier.get(url))
        assert "9876543210" not in shown and "asha@" not in shown


@pytest.mark.performance
@pytest.mark.parametrize("url", [LIST, "/admin/customers/purchase/", "/admin/customers/product/"])
def test_a_long_list_takes_as_many_queries_as_a_short_one(url: str) -> None:
    client, counts = office(), []
    for size in (3, 30):
        for number in range(size):
            make_purchase(
                customer=make_customer(home_store_code="S1"),
                lines=(make_line_state(sku=f"A{size}-{number}"),),
            )
        with CaptureQueriesContext(connection) as queries:
            text(client.get(url))
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.performance
@pytest.mark.parametrize("tab", ["overview", "purchases", "consents", "profile"])
def test_each_tab_of_a_customer_takes_few_queries_however_much_there_is(tab: str) -> None:
    client, customer, counts = office(), make_customer(), []
    client.get(page_of(customer, tab))
    for size in (2, 60):
        for _ in range(size):
            make_purchase(customer=customer, lines=(make_line_state(), make_line_state(key="2")))
            record_consent(
                customer=customer,
                channel="email",
                purpose="service",
                granted=True,
                wording="Yes",
                source="test",
            )
        with CaptureQueriesContext(connection) as queries:
            text(client.get(page_of(customer, tab)))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 15


def test_a_bill_shows_its_lines_in_a_constant_number_of_queries() -> None:
    client, counts = office(), []
    for size in (1, 2, 40):
        lines = tuple(make_line_state(key=str(k), sku=f"A{k}") for k in range(size))
        purchase = make_purchase(customer=make_customer(), lines=lines)
        with CaptureQueriesContext(connection) as queries:
            shown = text(client.get(f"/admin/customers/purchase/{purchase.pk}/change/"))
        assert "Assam tea" in shown and "_save" not in shown
        counts.append(len(queries))
    assert counts[1] == counts[2]  # the first fills Django's cache of content types


def test_registers_a_customer_through_the_service() -> None:
    response = office().post(f"{LIST}add/", profile(name=" Asha  Patel ", phone="098765 43210"))
    assert response.status_code == 302
    customer = Customer.objects.get()
    assert (customer.name, customer.phone) == ("Asha Patel", "+919876543210")
    assert customer.phone_index


def test_changes_a_customer_through_the_service() -> None:
    customer = make_customer(name="Asha", phone="+919876543210", birth_date=None)
    sent = profile(name="Asha", phone="+919876543211", birth_date="1990-02-28", language="hi")
    response = office().post(page_of(customer), sent)
    assert response.status_code == 302
    customer.refresh_from_db()
    assert (customer.phone, customer.birth_date, customer.language) == (
        "+919876543211",
        "1990-02-28",
        "hi",
    )
    assert "1990-02-28" in text(office().get(page_of(customer, "profile")))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"phone": "+919876543210"}, "Another customer already has this phone number."),
        ({"email": "ravi@example.com"}, "Another customer already has this e-mail address."),
        ({"phone": "12"}, "This is not a phone number."),
        ({"email": "a@b@c"}, "This is not an e-mail address."),
        ({"birth_date": "2999-01-01"}, "This date is not plausible."),
        ({"name": "a\u202eb"}, "invisible characters are not allowed"),
    ],
)
def test_a_refusal_appears_at_its_field_and_nothing_is_written(
    fields: dict[str, str], error: str
) -> None:
    make_customer(phone="+919876543210", email="ravi@example.com")
    customer = make_customer(name="Asha", phone="", city="Pune")
    before = Customer.objects.values().get(pk=customer.pk)
    sent = profile(name="Asha", city="Goa") | fields
    response = office().post(page_of(customer), sent)
    form = response.context["adminform"].form
    assert list(form.errors) == list(fields)
    assert error in text(response)
    assert Customer.objects.values().get(pk=customer.pk) == before


def test_who_may_not_see_contacts_changes_the_rest_only() -> None:
    customer = make_customer(phone="+919876543210", email="asha@example.com")
    user = make_user(roles=[Role.SUPPORT])
    permission = user.groups.get().permissions.get(codename="view_contact")
    user.groups.get().permissions.remove(permission)
    client = Client()
    client.force_login(user, backend="loyalty_site.staff.authentication.PermissionBackend")
    client.post(page_of(customer), profile(name="New", phone="", city="Goa"))
    customer.refresh_from_db()
    assert (customer.name, customer.city) == ("New", "Goa")
    assert (customer.phone, customer.email) == ("+919876543210", "asha@example.com")


def test_records_a_consent_through_the_service() -> None:
    customer = make_customer()
    client = office(Role.SUPPORT)
    sent = {
        "channel": "whatsapp",
        "purpose": "marketing",
        "granted": "on",
        "wording": "Offers by WhatsApp?",
    }
    response = client.post(f"{LIST}{customer.pk}/consent/", sent, follow=True)
    assert "Offers by WhatsApp?" in text(response)
    consent = Consent.objects.get()
    assert (consent.granted, consent.source) == (True, "back office")
    assert consent.recorded_by is not None


def test_refuses_a_consent_without_wording_or_without_the_right() -> None:
    customer = make_customer()
    sent = {"channel": "whatsapp", "purpose": "marketing", "granted": "on"}
    url = f"{LIST}{customer.pk}/consent/"
    refused = office().post(url, sent, follow=True)
    assert "Write down what the customer was shown." in text(refused)
    assert office(Role.MARKETER).post(url, {**sent, "wording": "x"}).status_code == 403
    assert not Consent.objects.exists()


def test_blocks_chosen_customers() -> None:
    customer = make_customer()
    client = office()
    client.post(LIST, {"action": "block", "_selected_action": [customer.pk]})
    customer.refresh_from_db()
    assert customer.status == Customer.Status.BLOCKED
    cashier = office(Role.CASHIER)
    cashier.post(LIST, {"action": "unblock", "_selected_action": [customer.pk]})
    customer.refresh_from_db()
    assert customer.status == Customer.Status.BLOCKED


@pytest.mark.security
@pytest.mark.parametrize(
    ("role", "tab", "shown"),
    [
        (Role.CASHIER, "purchases", True),
        (Role.CASHIER, "consents", False),
        (Role.MARKETER, "consents", True),
    ],
)
def test_tabs_open_for_those_who_have_the_right(role: Role, tab: str, shown: bool) -> None:
    customer = make_customer()
    page = text(office(role).get(page_of(customer)))
    assert (f"?tab={tab}" in page) == shown


def test_nobody_deletes_customers_or_edits_bills() -> None:
    customer = make_customer()
    purchase = make_purchase(customer=customer)
    client = office()
    assert client.post(f"{LIST}{customer.pk}/delete/", {"post": "yes"}).status_code == 403
    bill = f"/admin/customers/purchase/{purchase.pk}"
    assert client.post(f"{bill}/delete/", {"post": "yes"}).status_code == 403
    assert client.post(f"{bill}/change/", {"number": "x"}).status_code == 403
    assert client.get("/admin/customers/purchase/add/").status_code == 403
    assert Customer.objects.count() == 1
