"""Registering and changing customers."""

import threading
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.errors import (
    CustomerErasedError,
    CustomerNotFoundError,
    EmailTakenError,
    InvalidProfileError,
    PhoneTakenError,
)
from customers.events import CustomerRegistered
from customers.models import Customer, Store
from customers.services import (
    CustomerProfile,
    change_customer,
    change_status,
    profiles,
    register_customer,
    save_customers,
)
from customers.tests.factories import make_customer, make_store
from loyalty_site.common.errors import DomainError
from loyalty_site.common.phones import InvalidPhoneError

pytestmark = pytest.mark.django_db


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[CustomerRegistered]:
    events: list[CustomerRegistered] = []
    monkeypatch.setattr(profiles, "publish", events.extend)
    return events


def test_registers_a_customer_in_normal_form(published: list[CustomerRegistered]) -> None:
    store = make_store(code="S1")
    customer = register_customer(
        name="  José   Pérez ",
        phone="098765 43210",
        email=" Jose@Example.COM ",
        birth_date=date(1990, 2, 28),
        home_store_code="S1",
        source="till",
    )
    stored = Customer.objects.get(pk=customer.pk)
    assert (stored.name, stored.phone, stored.email) == (
        "José Pérez",
        "+919876543210",
        "jose@example.com",
    )
    assert (stored.birth_date, stored.home_store, stored.phone_reachable) == (
        "1990-02-28",
        store,
        True,
    )
    assert published == [CustomerRegistered(customer_id=customer.pk, source="till")]


def test_accepts_the_number_of_the_public_example_but_marks_it() -> None:
    customer = register_customer(
        name="John Doe", email="john@example.com", phone="+1234567890", source="api"
    )
    assert (customer.phone, customer.phone_reachable) == ("+1234567890", False)


def test_phones_addresses_and_birth_dates_are_sealed_in_the_database() -> None:
    customer = make_customer(
        phone="+919876543210", email="asha@example.com", birth_date=date(1990, 2, 28)
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM customers_customer WHERE id = %s", [customer.pk])
        row = str(cursor.fetchone())
    assert "9876543210" not in row and "asha@" not in row and "1990-02-28" not in row


@pytest.mark.parametrize(
    "spelling",
    [
        "9876543210",
        "09876543210",
        "+91 98765 43210",
        "00919876543210",
        "919876543210",
        "+91\u00a098765-43210",
    ],
)
def test_every_spelling_of_a_phone_is_one_customer(spelling: str) -> None:
    owner = make_customer(phone="+919876543210")
    with pytest.raises(PhoneTakenError) as refusal:
        register_customer(name="Other", phone=spelling, source="till")
    assert refusal.value.context == {"customer_id": owner.pk}
    assert Customer.objects.count() == 1


def test_an_address_belongs_to_one_customer_whatever_its_capitals() -> None:
    owner = make_customer(email="ravi@example.com")
    with pytest.raises(EmailTakenError) as refusal:
        register_customer(name="Other", email="Ravi@Example.com", source="till")
    assert refusal.value.context == {"customer_id": owner.pk}
    assert Customer.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({"name": "   "}, InvalidProfileError, "name"),
        ({"name": "a" * 121}, InvalidProfileError, "name"),
        ({"name": "a\nb"}, InvalidProfileError, "name"),
        ({"name": "abc\u202etxt"}, InvalidProfileError, "name"),
        ({"name": "Ra\u200bvi"}, InvalidProfileError, "name"),
        ({"name": "x", "phone": "98ABC43210"}, InvalidPhoneError, "phone"),
        ({"name": "x", "phone": "+9198"}, InvalidPhoneError, "phone"),
        ({"name": "x", "email": "a@b@c.d"}, InvalidProfileError, "email"),
        ({"name": "x", "email": "Bob <a@b.co>"}, InvalidProfileError, "email"),
        ({"name": "x", "email": "a@[127.0.0.1]"}, InvalidProfileError, "email"),
        ({"name": "x", "email": "a@b.co,c@d.co"}, InvalidProfileError, "email"),
        ({"name": "x", "email": "a" * 65 + "@example.com"}, InvalidProfileError, "email"),
        ({"name": "x", "birth_date": date(1850, 1, 1)}, InvalidProfileError, "birth_date"),
        ({"name": "x", "anniversary_on": date(2999, 1, 1)}, InvalidProfileError, "anniversary_on"),
        ({"name": "x", "language": "../en"}, InvalidProfileError, "language"),
    ],
)
def test_refuses_what_cannot_be(fields: dict, error: type[DomainError], field: str) -> None:
    with pytest.raises(error) as refusal:
        register_customer(source="till", **fields)
    assert getattr(refusal.value, "field", None) == field
    assert not Customer.objects.exists()


def test_refuses_a_birth_date_in_the_future() -> None:
    tomorrow = timezone.localdate() + timedelta(days=1)
    with pytest.raises(InvalidProfileError):
        register_customer(name="x", birth_date=tomorrow, source="till")
    assert not Customer.objects.exists()


def test_a_refused_profile_does_not_hinder_the_others() -> None:
    known = make_customer(phone="+919876543210")
    erased = make_customer(status=Customer.Status.ERASED)
    results = save_customers(
        profiles=[
            CustomerProfile(name="Fine", phone="+919876543211", home_store_code="NEW"),
            CustomerProfile(name=""),
            CustomerProfile(name="Taken", phone="9876543210"),
            CustomerProfile(name="Twin", phone="+919876543211"),
            CustomerProfile(name="Ghost", customer_id=4711),
            CustomerProfile(name="Gone", customer_id=erased.pk),
            CustomerProfile(name="Renamed", customer_id=known.pk, phone="+919876543210"),
        ],
        source="import",
    )
    fine = results[0]
    assert isinstance(fine, Customer)
    assert fine.home_store == Store.objects.get(code="NEW")
    assert isinstance(results[1], InvalidProfileError)
    assert isinstance(results[2], PhoneTakenError)
    assert isinstance(results[3], PhoneTakenError)
    assert results[3].context == {"customer_id": fine.pk}
    assert isinstance(results[4], CustomerNotFoundError)
    assert isinstance(results[5], CustomerErasedError)
    assert isinstance(results[6], Customer) and results[6].name == "Renamed"
    assert Customer.objects.count() == 3


def test_saving_the_same_again_writes_nothing(published: list[CustomerRegistered]) -> None:
    profile = CustomerProfile(name="Asha", phone="+919876543210", city="Pune")
    (customer,) = save_customers(profiles=[profile], source="import")
    assert isinstance(customer, Customer)
    published.clear()
    again = CustomerProfile(customer_id=customer.pk, name="Asha", phone="098765 43210", city="Pune")
    with CaptureQueriesContext(connection) as queries:
        save_customers(profiles=[again], source="import")
    assert not [q for q in queries if q["sql"].startswith(("UPDATE", "INSERT"))]
    assert published == []


def test_changes_some_fields_and_keeps_the_others() -> None:
    customer = make_customer(
        name="Asha", phone="+919876543210", email="asha@example.com", birth_date=date(1990, 2, 28)
    )
    change_customer(customer_id=customer.pk, changes={"phone": "", "city": "Pune"}, source="api")
    stored = Customer.objects.get()
    assert (stored.phone, stored.phone_index, stored.city) == ("", None, "Pune")
    assert (stored.name, stored.email, stored.birth_date) == (
        "Asha",
        "asha@example.com",
        "1990-02-28",
    )
    assert make_customer(phone="+919876543210").pk != customer.pk


def test_refuses_to_change_nobody() -> None:
    with pytest.raises(CustomerNotFoundError):
        change_customer(customer_id=4711, changes={"city": "Pune"}, source="api")


def test_blocks_and_unblocks_but_never_revives() -> None:
    asha = make_customer()
    gone = make_customer(status=Customer.Status.ERASED)
    blocked = Customer.Status.BLOCKED
    assert change_status(customers=[asha, gone], status=blocked) == 1
    assert change_status(customers=[asha], status=blocked) == 0
    assert change_status(customers=[asha, gone], status=Customer.Status.ACTIVE) == 1
    gone.refresh_from_db()
    assert gone.status == Customer.Status.ERASED


@pytest.mark.performance
def test_a_thousand_customers_take_as_many_queries_as_ten() -> None:
    counts = []
    for size in (10, 1000):
        new = [
            CustomerProfile(name=f"C{n}", phone=f"+4477{size:04d}{n:04d}", home_store_code="S")
            for n in range(size)
        ]
        with CaptureQueriesContext(connection) as inserts:
            saved = save_customers(profiles=new, source="import")
        changes = [
            CustomerProfile(name="New", customer_id=c.pk) for c in saved if isinstance(c, Customer)
        ]
        with CaptureQueriesContext(connection) as updates:
            save_customers(profiles=changes, source="import")
        counts.append([sum("outbox_" not in q["sql"] for q in log) for log in (inserts, updates)])
        Store.objects.filter(code="S").update(code=f"S{size}")
    assert Customer.objects.filter(name="New").count() == 1010
    assert counts[0] == counts[1]


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL's concurrency")
def test_two_tills_registering_one_phone_make_one_customer() -> None:
    outcomes: list[object] = []
    barrier = threading.Barrier(8)

    def register() -> None:
        try:
            barrier.wait(5)
            outcomes.extend(
                save_customers(
                    profiles=[
                        CustomerProfile(name="Asha", phone="+919876543210"),
                        CustomerProfile(name="Asha", email="asha@example.com"),
                    ],
                    source="till",
                )
            )
        finally:
            connection.close()

    threads = [threading.Thread(target=register) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert Customer.objects.count() == 2
    assert sum(isinstance(outcome, Customer) for outcome in outcomes) == 2
    refusals = [outcome for outcome in outcomes if isinstance(outcome, DomainError)]
    assert len(refusals) == 14
    assert {type(refusal) for refusal in refusals} == {PhoneTakenError, EmailTakenError}
