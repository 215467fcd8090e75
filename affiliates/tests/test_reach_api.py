"""Links and clicks as integrators call them."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from affiliates.models import Click, Link
from affiliates.tests.factories import make_enrolment
from affiliates.tests.reach import PHONE, counts, make_link
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_client, make_user

pytestmark = pytest.mark.django_db
LINKS = "/api/v1/affiliates/links/"
TRACK = "/api/v1/affiliates/track/click/"


@pytest.fixture
def till() -> APIClient:
    return make_client(user=make_user(roles=[Role.INTEGRATOR]))


def click(till: APIClient, link: Link, /, *, agent: str = PHONE, **body: Any) -> Any:
    body = {"address": "203.0.113.9", "user_agent": agent, **body}
    body.setdefault("link", link.code)
    return till.post(TRACK, body, format="json")


def test_a_click_of_the_shops_server_gets_an_id_that_repeats_within_the_hour(
    till: APIClient,
) -> None:
    link = make_link()
    first = click(
        till, link, url="https://shop.example/?sub=a&gclid=1", referrer="https://b.example/"
    )
    assert first.status_code == 201
    assert first.json() | {"click_id": ""} == {
        "click_id": "",
        "visitor": "person",
        "is_repeat": False,
    }
    again = click(till, link).json()
    assert again == {**first.json(), "is_repeat": True}
    row = Click.objects.get(public_id=first.json()["click_id"])
    assert (row.sub_id, row.paid_parameters, row.referrer_host) == ("a", ["gclid"], "b.example")
    assert counts(link) == {"person": 1, "repeat": 1}


def test_a_robot_on_the_shops_server_gets_no_id(till: APIClient) -> None:
    link = make_link()
    answer = click(till, link, agent="Googlebot/2.1").json()
    assert answer == {"click_id": "", "visitor": "bot", "is_repeat": False}
    assert counts(link) == {"bot": 1}


def test_the_same_key_records_one_click(till: APIClient) -> None:
    link = make_link()
    body = {"link": link.code, "address": "2001:db8::1", "user_agent": PHONE}
    answers = [
        till.post(TRACK, body, format="json", HTTP_IDEMPOTENCY_KEY="click-1") for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json() and Click.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"link": "nobody"}, 404),
        ({"address": "not an address"}, 400),
        ({"address": "203.0.113.9, 10.0.0.1"}, 400),
        ({"clicked_at": "2020-01-01T00:00:00Z"}, 400),
        ({"clicked_at": "2999-01-01T00:00:00Z"}, 400),
        ({"user_agent": None}, 400),
        ({"user_agent": "a\x00b"}, 400),
        ({"surprise": 1}, 400),
    ],
)
def test_refuses_bad_clicks_and_records_nothing(
    till: APIClient, body: dict[str, Any], status: int
) -> None:
    assert click(till, make_link(), **body).status_code == status
    assert not Click.objects.exists()


def test_links_are_listed_with_their_counts_and_made(till: APIClient) -> None:
    link = make_link()
    make_link(make_enrolment(code="RAVI5"))
    click(till, link)
    affiliate_id = link.enrolment.affiliate_id
    rows = till.get(f"{LINKS}?affiliate_id={affiliate_id}").json()["results"]
    assert [row["code"] for row in rows] == [link.code, "asha10"]
    assert (rows[0]["clicks"], rows[0]["bots"], rows[0]["affiliate_id"]) == (1, 0, affiliate_id)
    assert rows[0]["address"] == f"http://localhost:8000/r/{link.code}"
    body = {"enrolment_id": link.enrolment_id, "page": "https://shop.example/men", "label": "App"}
    made = till.post(LINKS, body, format="json")
    assert made.status_code == 201
    assert (made.json()["path"], made.json()["label"], made.json()["clicks"]) == ("men", "App", 0)
    refused = till.post(LINKS, {**body, "page": "https://evil.example"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "target_not_allowed")
    assert till.get(f"{LINKS}?colour=red").status_code == 400


@pytest.mark.performance
def test_the_list_takes_the_same_number_of_queries_for_one_and_many(
    till: APIClient, django_assert_num_queries: Any
) -> None:
    make_link()
    till.get(LINKS)
    with CaptureQueriesContext(connection) as for_one:
        till.get(LINKS)
    for number in range(6):
        make_link(make_enrolment(code=f"CODE{number}"))
    with django_assert_num_queries(len(for_one)):
        till.get(LINKS)
