"""Segments in the API and in the back office."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.models import Segment
from customers.tests.factories import make_customer, make_purchase, make_segment, make_store
from customers.tests.test_admin import office
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_client, make_user

pytestmark = pytest.mark.django_db

API = "/api/v1/segments/"
ADD = "/admin/customers/segment/add/"
BOUGHT = {"field": "bills", "operator": "at_least", "value": 1}


def api(role: Role = Role.MARKETER) -> Any:
    return make_client(user=make_user(roles=[role]))


def row(part: int, number: int, **fields: str) -> dict[str, str]:
    blank = {"field": "", "operator": "is", "value": "", "days": "", "key": ""}
    return {f"p{part}r{number}-{name}": value for name, value in {**blank, **fields}.items()}


def test_a_segment_is_written_read_and_changed_through_the_api() -> None:
    client = api()
    answer = client.post(API, {"name": "Buyers", "definition": BOUGHT}, format="json")
    assert answer.status_code == 201
    assert answer.json()["sentence"] == "number of purchases is at least 1"
    number = answer.json()["id"]
    answer = client.patch(f"{API}{number}/", {"description": "All who bought"}, format="json")
    assert (answer.json()["name"], answer.json()["description"]) == ("Buyers", "All who bought")
    assert [one["id"] for one in client.get(API).json()["results"]] == [number]
    assert client.get(f"{API}{number}/").json()["definition"] == BOUGHT


def test_a_preview_writes_nothing() -> None:
    buyer = make_customer(city="Pune")
    make_purchase(customer=buyer)
    make_customer()
    answer = api().post(f"{API}preview/", {"definition": BOUGHT}, format="json").json()
    assert (answer["count"], answer["total"], answer["percent"]) == (1, 2, "50.0")
    assert answer["sample"][0] == {
        "id": buyer.pk,
        "public_id": str(buyer.public_id),
        "name": buyer.name,
        "city": "Pune",
    }
    assert not Segment.objects.exists()


def test_members_come_in_pages() -> None:
    segment = make_segment()
    people = [make_customer().pk for _ in range(3)]
    client = api()
    first = client.get(f"{API}{segment.pk}/members/", {"limit": 2}).json()
    second = client.get(first["next"]).json()
    assert [one["id"] for one in first["results"] + second["results"]] == people[::-1]
    assert client.get(f"{API}{segment.pk}/members/", {"colour": "red"}).status_code == 400
    assert client.get(f"{API}999999/members/").status_code == 404


def test_the_fields_say_how_they_can_be_asked() -> None:
    make_store(code="S1", name="High Street")
    fields = {field["key"]: field for field in api().get(f"{API}fields/").json()}
    assert fields["bills"]["operators"] == ["at_least", "at_most", "between", "is"]
    assert fields["home_store"]["choices"] == [{"value": "S1", "label": "High Street"}]
    assert {"tier", "balance", "expiring_points"} <= fields.keys()


def test_the_api_refuses_a_condition_that_it_does_not_understand() -> None:
    wrong = {"all": [{"field": "bills", "operator": "is", "value": "many"}]}
    answer = api().post(API, {"name": "Odd", "definition": wrong}, format="json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_segment"
    assert "whole number" in answer.json()["detail"]
    assert not Segment.objects.exists()


def test_who_may_only_look_writes_nothing() -> None:
    answer = api(Role.ANALYST).post(API, {"name": "x", "definition": BOUGHT}, format="json")
    assert answer.status_code == 403
    assert office(Role.ANALYST).get(ADD).status_code == 403
    assert not Segment.objects.exists()


def test_the_editor_previews_and_saves_parts_of_rows() -> None:
    make_store(code="S1", name="Main, East")
    asha = make_customer(home_store_code="S1", name="Asha Patel")
    make_purchase(customer=asha, net="500.00", store_name="Main, East")
    make_customer(home_store_code="S1", name="Ravi Kumar")
    rows = {
        "name": "Good",
        "description": "",
        **row(0, 0, field="home_store", operator="any_of", value="main, east"),
        **row(0, 1, field="city", operator="any_of", value="Pune, Goa"),
        **row(1, 0, field="spend", operator="at_least", value="499.50", days="60000"),
    }
    client = office(Role.MARKETER)
    shown = client.post(ADD, {**rows, "_preview": "1"}).content.decode()
    assert "less than or equal to 3660" in shown and not Segment.objects.exists()
    rows["p1r0-days"] = "3000"
    shown = client.post(ADD, {**rows, "_preview": "1"}).content.decode()
    assert "of 2 members, 50.0 %" in shown and "Asha Patel" in shown
    assert not Segment.objects.exists()
    assert client.post(ADD, rows).status_code == 302
    segment = Segment.objects.get()
    assert segment.definition == {
        "all": [
            {
                "any": [
                    {"field": "home_store", "operator": "any_of", "value": ["S1"]},
                    {"field": "city", "operator": "any_of", "value": ["Pune", "Goa"]},
                ]
            },
            {"field": "spend", "operator": "at_least", "value": "499.50", "days": 3000},
        ]
    }
    shown = client.get(f"/admin/customers/segment/{segment.pk}/change/").content.decode()
    assert 'value="Main, East"' in shown and 'value="499.50"' in shown


def test_the_editor_marks_the_row_that_is_wrong() -> None:
    rows = {"name": "Odd", **row(0, 0, field="bills", operator="is", value="many")}
    shown = office().post(ADD, rows).content.decode()
    assert "takes a whole number" in shown and not Segment.objects.exists()
    shown = office().post(ADD, {"name": "Odd", **row(0, 0)}).content.decode()
    assert "at least one thing" in shown and not Segment.objects.exists()


def test_a_deep_condition_is_edited_as_text() -> None:
    deep = {"not": {"all": [BOUGHT, {"any": [BOUGHT, {"not": {"not": BOUGHT}}]}]}}
    segment = make_segment(definition=deep)
    page = f"/admin/customers/segment/{segment.pk}/change/"
    assert "nested too deeply" in office().get(page).content.decode()
    answer = office().post(page, {"name": "Deep", "written": '{"all": []}'})
    assert "at least one condition" in answer.content.decode()
    segment.refresh_from_db()
    assert segment.definition == deep


@pytest.mark.performance
def test_a_long_list_takes_as_many_queries_as_a_short_one() -> None:
    client, counts = office(), []
    client.get("/admin/customers/segment/")
    for size in (1, 12):
        for _ in range(size):
            make_segment()
        with CaptureQueriesContext(connection) as queries:
            client.get("/admin/customers/segment/")
        counts.append(len(queries))
    assert counts[0] == counts[1]
