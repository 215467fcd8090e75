"""The points and purchases API as a till or web shop calls it."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from customers.models import Purchase
from customers.tests.factories import make_customer
from loyalty.api.points import account_of
from loyalty.models import Account, PointsEntry
from loyalty.tests.factories import make_account, make_program, make_rule
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db

AWARD = "/api/v1/loyalty/award"
REDEEM = "/api/v1/loyalty/redeem"
BILLS = "/api/v1/purchases/"


@pytest.fixture
def client() -> APIClient:
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("till@example.com", "x", name="Till"))
    return client


def award(client: APIClient, customer_id: int, points: Any = 100, **headers: str) -> Any:
    body = {"customer_id": customer_id, "points": points, "description": "Purchase bonus"}
    return client.post(AWARD, body, format="json", headers=headers)


def bill(customer_id: int | None, **fields: Any) -> dict[str, Any]:
    return {
        "external_id": "T-1",
        "number": "T-1",
        "store": "7",
        "customer_id": customer_id,
        "occurred_at": "2026-06-01T10:00:00+05:30",
        "lines": [
            {"sku": "tea", "quantity": "2", "gross": "100.00", "discount": "9.50", "net": "90.50"}
        ],
        **fields,
    }


def test_awards_points_as_the_public_example_says(client: APIClient) -> None:
    make_program()
    customer = make_customer()
    answer = award(client, customer.pk)
    assert answer.status_code == 201
    entry = PointsEntry.objects.get()
    assert answer.json() == {
        "entry_id": entry.pk,
        "customer_id": customer.pk,
        "points": 100,
        "balance": 100,
        "description": "Purchase bonus",
    }
    assert entry.actor and entry.actor.email == "till@example.com"


def test_a_repeated_key_repeats_the_answer_and_not_the_effect(client: APIClient) -> None:
    account = make_account()
    headers = {"Idempotency-Key": "order-17"}
    first = award(client, account.customer_id, **headers)
    award(client, account.customer_id)
    again = award(client, account.customer_id, **headers)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert PointsEntry.objects.count() == 2


@pytest.mark.parametrize("change", ["points", "description", "customer_id"])
def test_a_key_refuses_another_content(client: APIClient, change: str) -> None:
    account, other = make_account(), make_account()
    body = {"customer_id": account.customer_id, "points": 5, "description": "One"}
    different = {"customer_id": other.customer_id, "points": 6, "description": "Two"}
    headers = {"Idempotency-Key": "order-17"}
    assert client.post(AWARD, body, format="json", headers=headers).status_code == 201
    body[change] = different[change]
    answer = client.post(AWARD, body, format="json", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "reference_reused")
    assert PointsEntry.objects.count() == 1


@pytest.mark.parametrize("points", ["10", 1.5, 0, -5, True, None, 2**63, [], "\uff11\uff10"])
def test_refuses_points_that_are_no_whole_number(client: APIClient, points: Any) -> None:
    account = make_account()
    answer = award(client, account.customer_id, points)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == ["points"]
    assert not PointsEntry.objects.exists()


def test_refuses_an_unknown_customer(client: APIClient) -> None:
    make_program()
    answer = award(client, 999)
    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")
    assert not Account.objects.exists()


def test_redeems_what_is_there_and_says_what_is_missing(client: APIClient) -> None:
    account = make_account(balance=120)
    body = {"customer_id": account.customer_id, "points": 100, "description": "Mug"}
    assert client.post(REDEEM, body, format="json").json()["balance"] == 20
    answer = client.post(REDEEM, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_points")
    assert "20 can be used" in answer.json()["detail"]
    account.refresh_from_db()
    assert account.balance == 20


def test_a_posted_bill_is_answered_with_points_balance_and_tier(client: APIClient) -> None:
    make_rule()
    customer = make_customer()
    answer = client.post(BILLS, bill(customer.pk), format="json")
    assert answer.status_code == 201, answer.json()
    body = answer.json()
    assert (body["points"], body["balance"], body["tier"]) == (90, 90, "Bronze")
    again = client.post(BILLS, bill(customer.pk), format="json")
    assert (again.status_code, again.json()["points_moved"]) == (200, 0)
    changed = bill(customer.pk, status="cancelled")
    assert client.post(BILLS, changed, format="json").json()["balance"] == 0
    assert Purchase.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"lines": []}, "lines"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"currency": "rupees"}, "currency"),
        ({"kind": "gift"}, "kind"),
        ({"surprise": 1}, "surprise"),
        ({"number": ""}, "number"),
    ],
)
def test_refuses_a_bill_that_is_not_plausible(
    client: APIClient, fields: dict[str, Any], field: str
) -> None:
    make_rule()
    answer = client.post(BILLS, bill(make_customer().pk, **fields), format="json")
    assert answer.status_code == 400, answer.json()
    assert field in answer.json()["errors"][0]["field"]
    assert not Purchase.objects.exists()


def test_reads_account_entries_and_the_reason_of_each(client: APIClient) -> None:
    make_rule()
    customer = make_customer()
    client.post(BILLS, bill(customer.pk), format="json")
    base = f"/api/v1/loyalty/accounts/{customer.pk}"
    account = client.get(f"{base}/").json()
    assert (account["balance"], account["worth"]) == (90, "22.50")
    assert account["tier_progress"]["next_tier"] == "Silver"
    (entry,) = client.get(f"{base}/entries").json()["results"]
    explained = client.get(f"{base}/entries/{entry['id']}/explain").json()
    assert explained["sentences"] == [
        "One point a rupee: 1 point for each ₹1.00 on ₹90.50 = 90 points (90.5, rounded down)."
    ]
    assert client.get(f"{base}/entries/?kind=redeem").json()["results"] == []
    assert client.get(f"{base}/entries/?sort=points").status_code == 400
    assert client.get("/api/v1/loyalty/accounts/999/").status_code == 404
    (listed,) = client.get(BILLS).json()["results"]
    detail = client.get(f"{BILLS}{listed['id']}").json()
    assert (detail["points"], detail["lines"][0]["sku"]) == (90, "tea")


@pytest.mark.parametrize("path", [AWARD, REDEEM, BILLS, "/api/v1/loyalty/accounts/1/"])
def test_strangers_are_asked_to_sign_in(path: str) -> None:
    client = APIClient()
    answer = client.get(path) if path.endswith("1/") else client.post(path, {}, format="json")
    assert answer.status_code == 401


@pytest.mark.performance
def test_an_award_takes_a_constant_number_of_queries(
    client: APIClient, django_assert_max_num_queries: Any
) -> None:
    account = make_account()
    award(client, account.customer_id)
    for _ in range(3):
        with django_assert_max_num_queries(10):
            award(client, account.customer_id)


def test_account_and_programme_are_read_with_one_query(django_assert_num_queries: Any) -> None:
    expiry = {"kind": "days", "length": 30}
    program = make_program(expiry=expiry, milestones=[500, 1000])
    account = make_account(program=program)
    with django_assert_num_queries(1):
        found = account_of(account.customer_id)
        read = found.program
        assert (found.pk, found.customer_id) == (account.pk, account.customer_id)
        assert (found.program_id, found.tier_id) == (program.pk, account.tier_id)
        assert (read.pk, read.zone, read.tier_expiry) == (program.pk, program.zone, {})
        assert (read.expiry, read.milestones) == (expiry, [500, 1000])
