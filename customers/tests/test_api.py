"""`/api/v1/customers/`."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import Customer
from customers.tests.factories import make_customer, make_store
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_client, make_user

pytestmark = pytest.mark.django_db

URL = "/api/v1/customers/"


@pytest.fixture
def client() -> Any:
    return make_client(user=make_user(roles=[Role.OWNER]))


@pytest.fixture
def cashier() -> Any:
    return make_client(user=make_user(roles=[Role.CASHIER]))


def problem(response: Any, status: int) -> tuple[str, list[str]]:
    """The code and the named fields of a refusal, which is a problem document."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    return response.json()["code"], [error["field"] for error in response.json()["errors"]]


@pytest.mark.parametrize("url", [URL, URL.rstrip("/")])
def test_the_public_example_registers_a_customer(client: Any, url: str) -> None:
    body = {"name": "John Doe", "email": "john@example.com", "phone": "+1234567890"}
    response = client.post(url, body)
    assert response.status_code == 201
    customer = Customer.objects.get()
    answer = response.json()
    assert response["Location"] == f"{URL}{customer.pk}/"
    assert {key: answer[key] for key in body} == body
    assert (answer["id"], answer["phone_reachable"]) == (customer.pk, False)
    assert client.get(f"{url.rstrip('/')}/{customer.pk}").json() == answer


def test_repeating_a_key_registers_once(client: Any) -> None:
    body = {"name": "John Doe", "phone": "+1234567890"}
    answers = [client.post(URL, body, HTTP_IDEMPOTENCY_KEY="k1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Customer.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "x", "phone": "98765 43210"}, "phone_taken"),
        ({"name": "x", "email": "ASHA@example.com"}, "email_taken"),
    ],
)
def test_a_contact_of_another_customer_is_a_conflict(client: Any, body: dict, code: str) -> None:
    make_customer(phone="+919876543210", email="asha@example.com")
    assert problem(client.post(URL, body), 409)[0] == code
    assert Customer.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "a\tb"}, "name"),
        ({"name": "abc\u202etxt"}, "name"),
        ({"name": "a" * 121}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x", "phone": 919876543210}, "phone"),
        ({"name": "x", "phone": ["+919876543210"]}, "phone"),
        ({"name": "x", "phone": "98ABC43210"}, "phone"),
        ({"name": "x", "email": "a@b@c.d"}, "email"),
        ({"name": "x", "birth_date": "31.12.1990"}, "birth_date"),
        ({"name": "x", "birth_date": "2999-01-01"}, "birth_date"),
        ({"name": "x", "home_store": "NOWHERE"}, "home_store"),
        ({"name": "x", "home_store": ["S1"]}, "home_store"),
        ({"name": "x", "status": "blocked"}, "status"),
        ({"name": "x", "is_admin": True}, "is_admin"),
    ],
)
def test_refuses_a_body_that_is_not_right(client: Any, body: dict, field: str) -> None:
    _, fields = problem(client.post(URL, body), 400)
    assert fields == [field]
    assert not Customer.objects.exists()


def test_contacts_are_masked_for_those_who_may_not_see_them(cashier: Any) -> None:
    customer = make_customer(
        phone="+919876543210", email="asha@example.com", birth_date=timezone.localdate()
    )
    shown = cashier.get(f"{URL}{customer.pk}/").json()
    assert (shown["phone"], shown["email"], shown["birth_date"]) == (
        "+91…3210",
        "a…@example.com",
        None,
    )
    listed = cashier.get(URL)
    assert "9876543210" not in listed.content.decode()


def test_changes_only_the_given_fields(client: Any) -> None:
    make_store(code="S1")
    customer = make_customer(name="Asha", phone="+919876543210", city="Pune", home_store_code="S1")
    response = client.patch(f"{URL}{customer.pk}/", {"phone": "", "home_store": None})
    assert response.status_code == 200
    answer = response.json()
    assert (answer["name"], answer["city"]) == ("Asha", "Pune")
    assert (answer["phone"], answer["home_store"]) == ("", None)


def test_a_change_to_nothing_is_refused(client: Any) -> None:
    customer = make_customer(name="Asha")
    problem(client.patch(f"{URL}{customer.pk}/", {"name": ""}), 400)
    assert Customer.objects.get().name == "Asha"


@pytest.mark.parametrize("key", ["0", "4711", "9223372036854775808", "1.5", "abc", "%00"])
def test_nobody_is_not_found(client: Any, key: str) -> None:
    problem(client.get(f"{URL}{key}/"), 404)
    problem(client.patch(f"{URL}{key}/", {"name": "x"}), 404)


def test_erased_customers_are_not_shown(client: Any) -> None:
    gone = make_customer(status=Customer.Status.ERASED)
    problem(client.get(f"{URL}{gone.pk}/"), 404)
    assert client.get(URL).json()["results"] == []


@pytest.mark.parametrize(
    "query",
    [
        "phone=098765%2043210",
        "email=Asha@example.com",
        "name=sha",
        "city=pune",
        "status=active&city=Pune",
        "created_from=2026-06-01T00:00:00Z&created_until=2026-07-01T00:00:00%2B05:30",
    ],
)
def test_finds_customers(client: Any, query: str) -> None:
    asha = make_customer(
        name="Asha",
        phone="+919876543210",
        email="asha@example.com",
        city="Pune",
        created_at="2026-06-15T00:00:00Z",
    )
    make_customer(name="Ravi", city="Mumbai", created_at="2026-07-15T00:00:00Z")
    results = client.get(f"{URL}?{query}").json()["results"]
    assert [row["id"] for row in results] == [asha.pk]


def test_an_unknown_phone_finds_nobody(client: Any) -> None:
    make_customer()
    assert client.get(f"{URL}?phone=%2B919999999999").json()["results"] == []
    assert client.get(f"{URL}?name=%27%3B%20DROP%20TABLE%20x%3B--").json()["results"] == []


@pytest.mark.parametrize(
    "query",
    [
        "nonsense=1",
        "name=a%00b",
        "name=" + "a" * 4000,
        "phone=abc",
        "status=odd",
        "created_from=0527-05-16T22:15:58Z",
        "created_from=2026-13-01",
        "name=a&name=b",
    ],
)
def test_refuses_an_odd_query(client: Any, query: str) -> None:
    problem(client.get(f"{URL}?{query}"), 400)


def test_pages_are_stable_while_customers_are_added(client: Any) -> None:
    first = [make_customer().pk for _ in range(5)]
    page = client.get(f"{URL}?limit=3").json()
    make_customer()
    rest = client.get(page["next"]).json()
    assert [row["id"] for row in page["results"] + rest["results"]] == first[::-1]


@pytest.mark.performance
def test_a_long_list_takes_as_many_queries_as_a_short_one(client: Any) -> None:
    counts = []
    for size in (2, 20):
        for _ in range(size):
            make_customer(home_store_code="S1")
        with CaptureQueriesContext(connection) as queries:
            client.get(URL)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.security
@pytest.mark.parametrize(
    ("role", "method", "status"),
    [
        (None, "get", 401),
        (None, "post", 401),
        (Role.MARKETER, "get", 200),
        (Role.MARKETER, "post", 403),
        (Role.MARKETER, "patch", 403),
        (Role.CASHIER, "post", 201),
        (Role.CASHIER, "patch", 403),
        (Role.SUPPORT, "patch", 200),
        (Role.INTEGRATOR, "patch", 200),
        (Role.OWNER, "delete", 405),
    ],
)
def test_every_role_does_what_is_its_own(role: Role | None, method: str, status: int) -> None:
    customer = make_customer(name="Asha")
    client = make_client(user=make_user(roles=[role]) if role else None)
    url = f"{URL}{customer.pk}/" if method in {"patch", "delete"} else URL
    assert getattr(client, method)(url, {"name": "New"}).status_code == status
    customer.refresh_from_db()
    assert customer.name == ("New" if (method, status) == ("patch", 200) else "Asha")
    assert Customer.objects.count() == (2 if status == 201 else 1)
