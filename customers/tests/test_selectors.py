"""Finding customers and bills."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.models import Customer
from customers.selectors import (
    customers_by_phone,
    find_customer_by_contact,
    purchase_details,
    search_customers,
)
from customers.tests.factories import make_customer, make_line_state, make_purchase

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "text",
    [
        "+44 7700 900123",
        "+44 (0)7700 900123",
        "07700 900123",
        "7700-900123",
        "0044 7700 900 123",
        "447700900123",
        "Asha",
        "PATEL ash",
        "asha@EXAMPLE.com",
    ],
)
def test_finds_a_customer_by_any_spelling(text: str) -> None:
    asha = make_customer(name="Asha Patel", phone="+447700900123", email="asha@example.com")
    make_customer(name="Other Person", phone="+447701900123")
    assert list(search_customers(text)) == [asha]


@pytest.mark.parametrize("text", ["", "  ", "zzz", "+447700900999", "a\x00b", "a" * 4000, "x@y.z"])
def test_finds_nobody(text: str) -> None:
    make_customer()
    assert not search_customers(text).exists()


def test_an_accent_may_be_typed_either_way() -> None:
    jose = make_customer(name="Jose\u0301")
    assert list(search_customers("Jos\u00e9")) == [jose]


def test_erased_customers_are_not_found() -> None:
    make_customer(name="Gone", phone="+447700900123", status=Customer.Status.ERASED)
    assert not search_customers("Gone").exists()
    assert find_customer_by_contact("+447700900123") is None
    assert customers_by_phone(["+447700900123"]) == {}


def test_looks_many_phones_up_at_once() -> None:
    asha, ravi = make_customer(phone="+447700900123"), make_customer(phone="+447700900124")
    with CaptureQueriesContext(connection) as queries:
        found = customers_by_phone(["+447700900123", "+447700900124", "+447700900125", ""])
    assert found == {"+447700900123": asha, "+447700900124": ravi}
    assert len(queries) == 1


def test_lists_bills_with_lines_in_three_queries() -> None:
    for _ in range(5):
        make_purchase(customer=make_customer(), lines=(make_line_state(), make_line_state(key="2")))
    with CaptureQueriesContext(connection) as queries:
        shown = [
            (str(purchase.store), str(purchase.customer), line.product.name)
            for purchase in purchase_details()
            for line in purchase.lines.all()
        ]
    assert (len(shown), len(queries)) == (10, 3)
