from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from affiliates.tests.factories import make_enrolment
from customers.services import register_customer
from loyalty.tests.factories import make_program, make_rule
from loyalty_site.staff.models import User
from reports.tests.factories import START, bring_up_to_date, make_state, settle

pytestmark = pytest.mark.django_db
URL = "/api/v1/reports/daily/"
MARCH = {"start": "2026-03-01", "end": "2026-03-03"}


@pytest.fixture
def api() -> APIClient:
    owner = User.objects.create_superuser("owner@example.com", "a long password", name="Owner")
    client = APIClient()
    client.force_authenticate(owner)
    return client


@pytest.fixture
def trade() -> None:
    make_program()
    make_rule()
    make_enrolment(code="ASHA10")
    asha = register_customer(name="Asha", source="test")
    settle(
        make_state(number="B1", net="1000.00", customer=asha, codes=("ASHA10",), lines=2),
        make_state(number="B2", net="5.50", store="S2", occurred_at=START + timedelta(days=2)),
    )
    bring_up_to_date()


def test_one_row_a_day_with_quiet_days_included(api: APIClient, trade: None) -> None:
    report = api.get(URL, MARCH).json()
    assert (report["start"], report["end"]) == ("2026-03-01", "2026-03-03")
    first, quiet, last = report["results"]
    assert first["net_sales"] == "1000.00" and first["lines"] == 2
    assert (first["points_awarded"], first["commission"]) == (1000, "100.00")
    assert (quiet["bills"], quiet["net_sales"], quiet["commission"]) == (0, "0.00", "0.00")
    assert (last["bills"], last["net_sales"], last["customers"]) == (1, "5.50", 0)


def test_a_store_has_no_figures_of_the_whole_shop(api: APIClient, trade: None) -> None:
    rows = api.get(URL, {**MARCH, "store": "S2"}).json()["results"]
    assert [row["net_sales"] for row in rows] == ["0.00", "0.00", "5.50"]
    assert rows[0]["commission"] is None and rows[0]["messages_sent"] is None


def test_without_days_the_last_thirty_are_answered(api: APIClient) -> None:
    assert len(api.get(URL).json()["results"]) == 30


@pytest.mark.parametrize(
    "query",
    [
        {"start": "2026-03-05", "end": "2026-03-01"},
        {"start": "2024-01-01", "end": "2026-03-01"},
        {"start": "yesterday"},
        {"store": "nowhere"},
        {"store": "a\x00b"},
        {"colour": "red"},
        {"start": ["2026-03-01", "2026-03-02"]},
    ],
)
def test_refuses_what_it_does_not_understand(api: APIClient, query: dict[str, Any]) -> None:
    answer = api.get(URL, query)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_needs_its_permission(api: APIClient) -> None:
    cashier = APIClient()
    cashier.force_authenticate(
        User.objects.create_user("cashier@example.com", "a long password", name="Cashier")
    )
    assert cashier.get(URL).status_code == 403
    assert APIClient().get(URL).status_code == 401
