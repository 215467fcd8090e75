"""Rules, simulations, replays and batches as integrators call them."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from customers.tests.factories import make_customer
from loyalty.models import Account, EarningRule, EarningRuleVersion, PointsEntry, ReplayJob
from loyalty.services import next_replay, run_replay
from loyalty.tests.factories import make_account, make_program, make_rule
from loyalty.tests.test_occasions import make_event_rule
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db

API = "/api/v1/loyalty"
DOUBLE = {"kind": "per_amount", "points": 2, "amount": "1.00"}


@pytest.fixture(autouse=True)
def _programme() -> None:
    make_program()


@pytest.fixture
def client() -> APIClient:
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("web@example.com", "x", name="Web"))
    return client


def post(client: APIClient, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(f"{API}/{path}", body or {}, format="json", headers=headers)


def test_a_rule_is_drafted_changed_published_and_ended(client: APIClient) -> None:
    answer = post(client, "rules/", {"name": "Double", "definition": DOUBLE})
    assert answer.status_code == 201, answer.json()
    rule = answer.json()
    assert rule["draft_says"] == "2 points for each ₹1.00 spent."
    assert rule["versions"] == []
    path = f"rules/{rule['id']}"
    changed = client.patch(
        f"{API}/{path}/", {"definition": {**DOUBLE, "budget": 500}}, format="json"
    )
    assert changed.json()["draft_says"] == "2 points for each ₹1.00 spent. 500 points in all."
    published = post(client, f"{path}/publish/")
    assert published.status_code == 201
    assert published.json()["draft"] is None
    (version,) = published.json()["versions"]
    assert (version["number"], version["valid_until"]) == (1, None)
    assert post(client, f"{path}/publish/").json()["code"] == "no_draft"
    assert post(client, f"{path}/end").json()["versions"][0]["valid_until"]
    assert post(client, f"{path}/end/").json()["code"] == "rule_not_in_force"
    assert client.get(f"{API}/{path}/").json()["name"] == "Double"
    assert client.get(f"{API}/rules/404/").json()["code"] == "rule_not_found"


def test_a_wrong_definition_is_refused_with_its_field(client: APIClient) -> None:
    for definition, field in (
        ({"kind": "per_amount", "points": 0, "amount": "1.00"}, "points"),
        ({"kind": "per_bill", "points": 5, "hours": ["18:00"]}, "hours"),
        ({"kind": "streak", "points": 5}, "streak"),
        ({"kind": "event", "points": 5, "event": "Review!"}, "event"),
        ({**DOUBLE, "factor": "2"}, "factor"),
        ({**DOUBLE, "expiry": {"kind": "months"}}, "expiry"),
        ({"kind": "magic"}, "kind"),
    ):
        answer = post(client, "rules/", {"name": "Wrong", "definition": definition})
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [field], definition
    assert post(client, "rules/", {"name": "x", "definition": DOUBLE, "y": 1}).status_code == 400
    assert not EarningRule.objects.exists()


def test_lists_rules_in_constant_queries(client: APIClient) -> None:
    counts = []
    for size in (1, 10):
        for number in range(size):
            make_rule(name=f"Rule {number}")
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(f"{API}/rules/")
        counts.append(len(queries))
    assert counts[0] == counts[1]
    says = answer.json()["results"][0]["versions"][0]["says"]
    assert says == "1 point for each ₹1.00 spent."
    assert client.get(f"{API}/rules/?has_draft=true").json()["results"] == []
    assert client.get(f"{API}/rules/?colour=red").status_code == 400


def test_programmes_are_read(client: APIClient) -> None:
    (program,) = client.get(f"{API}/programs/").json()["results"]
    assert program == client.get(f"{API}/programs/{program['id']}/").json()
    assert (program["name"], program["currency"]) == ("Rewards", "INR")


def test_simulates_a_bill_with_and_without_a_draft(client: APIClient) -> None:
    rule = make_rule()
    line = {"sku": "tea", "quantity": "2", "gross": "100.00", "net": "100.00"}
    body: dict[str, Any] = {"store": "7", "lines": [line]}
    answer = post(client, "simulate/", body).json()
    assert (answer["now"]["points"], answer["draft"]) == (100, None)
    body["drafts"] = [{"rule_id": rule.pk, "definition": DOUBLE}]
    answer = post(client, "simulate/", body).json()
    assert (answer["now"]["points"], answer["draft"]["points"]) == (100, 200)
    assert answer["draft"]["sentences"] == [
        "One point a rupee: 2 points for each ₹1.00 on ₹100.00 = 200 points."
    ]
    assert post(client, "simulate/", {**body, "drafts": [{}]}).status_code == 400
    assert post(client, "simulate/", {**body, "customer_id": 10**6}).status_code == 404
    body["drafts"] = [{"rule_id": rule.pk}]
    assert post(client, "simulate/", body).json()["code"] == "no_draft"


def test_a_replay_is_asked_for_followed_and_stopped(client: APIClient) -> None:
    make_rule()
    key = {"Idempotency-Key": "replay-1"}
    body = {"days": 30, "drafts": [{"definition": DOUBLE}]}
    answer = post(client, "replays/", body, **key)
    assert answer.status_code == 202
    assert post(client, "replays/", body, **key).json() == answer.json()
    job = next_replay()
    assert job and ReplayJob.objects.count() == 1
    run_replay(job=job)
    seen = client.get(f"{API}/replays/{job.pk}/").json()
    assert (seen["state"], seen["percent"], seen["result"]["bills"]) == ("done", 100, 0)
    assert post(client, f"replays/{job.pk}/cancel/").json()["code"] == "replay_finished"
    second = post(client, "replays/").json()
    assert post(client, f"replays/{second['id']}/cancel/").json()["state"] == "cancelled"
    assert len(client.get(f"{API}/replays/").json()["results"]) == 2
    assert client.get(f"{API}/replays/404/").status_code == 404


def item(customer_id: int, key: str, points: Any = 10) -> dict[str, Any]:
    return {"customer_id": customer_id, "points": points, "description": "Gift", "key": key}


def test_a_batch_of_awards_answers_for_each_and_repeats_safely(client: APIClient) -> None:
    first, second = make_customer(name="A"), make_customer(name="B")
    closed = make_account()
    Account.objects.filter(pk=closed.pk).update(closed_at=closed.opened_at)
    body = {
        "awards": [
            item(first.pk, "1"),
            item(second.pk, "2", 20),
            item(closed.customer_id, "3"),
            item(10**6, "4"),
            item(first.pk, "5", 5),
        ]
    }
    results = post(client, "award/batch/", body).json()["results"]
    assert [result["points"] for result in results] == [10, 20, 0, 0, 5]
    assert [result["balance"] for result in results] == [10, 20, None, None, 15]
    codes = [result["refusal"] and result["refusal"]["code"] for result in results]
    assert codes == [None, None, "account_closed", "account_not_found", None]
    again = post(client, "award/batch/", body).json()["results"]
    assert [result["replayed"] for result in again] == [True, True, False, False, True]
    assert [result["entry_id"] for result in again] == [result["entry_id"] for result in results]
    assert PointsEntry.objects.count() == 3
    other = {"awards": [item(second.pk, "1"), item(first.pk, "1"), item(first.pk, "9")]}
    assert post(client, "award/batch/", other).status_code == 400
    other["awards"].pop(1)
    codes = [
        result["refusal"] and result["refusal"]["code"]
        for result in post(client, "award/batch/", other).json()["results"]
    ]
    assert codes == ["reference_reused", None]


def test_refuses_a_batch_that_is_too_long_or_not_right(client: APIClient) -> None:
    customer = make_customer(name="A")
    for awards in (
        [],
        [item(customer.pk, str(n)) for n in range(1001)],
        [item(customer.pk, "1", 1.5)],
        [item(customer.pk, "1", 0)],
        [{"customer_id": customer.pk}],
    ):
        assert post(client, "award/batch/", {"awards": awards}).status_code == 400
    assert not PointsEntry.objects.exists()


@pytest.mark.performance
def test_ten_awards_and_two_hundred_take_the_same_queries(client: APIClient) -> None:
    people = [make_account().customer_id for _ in range(20)]
    counts = []
    for size in (10, 200):
        body = {"awards": [item(people[n % 20], f"{size}-{n}") for n in range(size)]}
        with CaptureQueriesContext(connection) as queries:
            assert post(client, "award/batch/", body).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_events_are_rewarded_once_for_each_key(client: APIClient) -> None:
    make_event_rule("review")
    customer = make_customer(name="A")
    body = {"event": "review", "occasions": [{"customer_id": customer.pk, "key": "r-1"}]}
    (first,) = post(client, "events/", body).json()["results"]
    (again,) = post(client, "events/", body).json()["results"]
    assert (first["points"], first["points_moved"]) == (25, 25)
    assert (again["points"], again["points_moved"]) == (25, 0)
    assert post(client, "events/", {**body, "event": "No!"}).status_code == 400


def test_a_bill_may_say_how_it_was_paid(client: APIClient) -> None:
    make_rule(excluded_tenders=["points"])
    customer = make_customer(name="A")
    body = {
        "external_id": "T-1",
        "number": "T-1",
        "store": "7",
        "customer_id": customer.pk,
        "occurred_at": "2026-06-01T10:00:00+05:30",
        "lines": [{"sku": "tea", "quantity": "1", "gross": "100.00", "net": "100.00"}],
        "tenders": [{"kind": "card", "amount": "75.00"}, {"kind": "points", "amount": "25.00"}],
    }
    answer = client.post("/api/v1/purchases/", body, format="json")
    assert answer.json()["points"] == 75
    assert EarningRuleVersion.objects.get().definition["excluded_tenders"] == ["points"]
