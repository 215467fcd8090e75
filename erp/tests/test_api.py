from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from erp.models import Connection, MappingVersion, SyncRun
from erp.services import run_stream
from erp.tests.factories import Shelf, make_bill, make_connection, stream_of
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_client, make_user

pytestmark = pytest.mark.django_db

MAPPINGS = "/api/v1/erp/mappings"
RUNS = "/api/v1/erp/runs"
PUBLIC_EXAMPLE = {
    "mapping_type": "customer",
    "mappings": [
        {
            "source_field": "customer_id",
            "target_field": "erp_id",
            "transformation": None,
            "is_required": True,
        }
    ],
}


@pytest.fixture
def api() -> APIClient:
    return make_client(user=make_user())


def post(api: APIClient, path: str, body: Any = None, **headers: str) -> Any:
    return api.post(path, body, format="json", headers=headers)


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_public_example_is_stored_as_a_version(api: APIClient, slash: str) -> None:
    answer = post(api, MAPPINGS + slash, PUBLIC_EXAMPLE)
    assert answer.status_code == 201
    stored = MappingVersion.objects.get()
    body = answer.json()
    assert (body.pop("id"), body.pop("created_at") is not None) == (stored.pk, True)
    assert body == {"name": "API", "version": 1} | PUBLIC_EXAMPLE
    assert post(api, MAPPINGS, PUBLIC_EXAMPLE).json()["version"] == 2


def test_a_repeated_key_stores_one_version(api: APIClient) -> None:
    answers = [
        post(api, MAPPINGS, PUBLIC_EXAMPLE, **{"Idempotency-Key": "once"}).json() for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert MappingVersion.objects.count() == 1


def test_mappings_are_listed_newest_first(api: APIClient) -> None:
    make_connection()
    post(api, MAPPINGS, PUBLIC_EXAMPLE)
    results = api.get(MAPPINGS).json()["results"]
    assert [(one["name"], one["mapping_type"]) for one in results] == [
        ("API", "customer"),
        ("LOGIC ERP", "return"),
        ("LOGIC ERP", "sale"),
        ("LOGIC ERP", "customer"),
        ("LOGIC ERP", "item"),
    ]
    sales = api.get(MAPPINGS, {"mapping_type": "sale"}).json()["results"]
    assert [one["mapping_type"] for one in sales] == ["sale"]
    assert api.get(MAPPINGS, {"type": "sale"}).status_code == 400


def test_every_fault_of_a_mapping_is_named_at_its_place(api: APIClient) -> None:
    body = {
        "mapping_type": "customer",
        "mappings": [
            {"source_field": "a", "target_field": "shoes"},
            {"source_field": "b", "target_field": "name", "transformation": "shout"},
        ],
    }
    answer = post(api, MAPPINGS, body)
    assert answer.status_code == 400
    assert {(error["field"], error["detail"]) for error in answer.json()["errors"]} >= {
        ("mappings.1.transformation", "There is no “shout”."),
        ("mappings", "Nothing fills “erp_id”."),
    }
    assert not MappingVersion.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"mapping_type": "shoe", "mappings": PUBLIC_EXAMPLE["mappings"]},
        {"mapping_type": "customer", "mappings": []},
        {"mapping_type": "customer", "mappings": "all"},
        {"mapping_type": "customer", "mappings": [1]},
        {**PUBLIC_EXAMPLE, "active": True},
        {
            "mapping_type": "customer",
            "mappings": [{"source_field": "a", "target_field": "erp_id", "is_required": "maybe"}],
        },
        [],
    ],
)
def test_what_is_no_mapping_is_refused(api: APIClient, body: Any) -> None:
    assert post(api, MAPPINGS, body).status_code == 400
    assert not MappingVersion.objects.exists()


def test_a_run_is_requested_and_seen(api: APIClient, erp: Shelf, connection: Connection) -> None:
    erp.put("sale", make_bill())
    stream = stream_of(connection, "sale")
    answer = post(api, f"/api/v1/erp/streams/{stream.pk}/run")
    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["entity"]) == ("waiting", "sale")
    assert post(api, f"/api/v1/erp/streams/{stream.pk}/run/").json()["id"] == answer.json()["id"]
    run_stream(stream=stream)
    (run,) = api.get(f"{RUNS}?stream_id={stream.pk}&state=done").json()["results"]
    assert (run["id"], run["fetched"], run["applied"]) == (answer.json()["id"], 1, 1)


def test_a_stopped_stream_says_why(api: APIClient, connection: Connection) -> None:
    Connection.objects.update(state="needs_attention", attention_reason="Sign-in was refused.")
    stream = stream_of(connection, "sale")
    answer = post(api, f"/api/v1/erp/streams/{stream.pk}/run")
    assert (answer.status_code, answer.json()["code"]) == (409, "stream_stopped")
    assert "Sign-in was refused." in answer.json()["detail"]
    assert not SyncRun.objects.exists()


def test_an_unknown_stream_is_not_found(api: APIClient) -> None:
    assert post(api, "/api/v1/erp/streams/999999999999/run").status_code == 404


@pytest.mark.security
@pytest.mark.parametrize(
    ("role", "reads", "maps", "runs"),
    [
        (Role.MANAGER, 200, 201, 202),
        (Role.INTEGRATOR, 200, 201, 403),
        (Role.CASHIER, 403, 403, 403),
        (Role.MARKETER, 403, 403, 403),
        (None, 401, 401, 401),
    ],
)
def test_each_role_may_do_its_own(
    connection: Connection, role: Role | None, reads: int, maps: int, runs: int
) -> None:
    api = make_client(user=make_user(roles=[role]) if role else None)
    stream = stream_of(connection, "sale")
    assert api.get(MAPPINGS).status_code == reads
    assert api.get(RUNS).status_code == reads
    assert post(api, MAPPINGS, PUBLIC_EXAMPLE).status_code == maps
    assert post(api, f"/api/v1/erp/streams/{stream.pk}/run").status_code == runs
    assert SyncRun.objects.exists() == (runs == 202)


@pytest.mark.performance
@pytest.mark.parametrize("path", [MAPPINGS, RUNS])
def test_lists_cost_the_same_whatever_their_length(
    api: APIClient, connection: Connection, django_assert_num_queries: Any, path: str
) -> None:
    def add() -> None:
        post(api, MAPPINGS, PUBLIC_EXAMPLE)
        run_stream(stream=stream_of(connection, "sale"))

    add()
    with CaptureQueriesContext(database) as captured:
        api.get(path)
    queries = len(captured)
    for _ in range(10):
        add()
    with django_assert_num_queries(queries):
        assert len(api.get(path).json()["results"]) >= 11
