"""Tiers, lots and the past, as integrators read them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from loyalty import ledger
from loyalty.models import Account, JobRun, TierChange
from loyalty.services import give_tier
from loyalty.services.points import post_commands
from loyalty.tests.factories import award, make_account, make_program
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db
AT = datetime(2026, 6, 15, 6, 30, tzinfo=UTC)


@pytest.fixture
def client() -> APIClient:
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("till@example.com", "x", name="Till"))
    return client


def path(account: Account, name: str) -> str:
    return f"/api/v1/loyalty/accounts/{account.customer_id}/{name}/"


def test_the_ladder_says_how_tiers_are_reached_and_what_they_bring(client: APIClient) -> None:
    program = make_program()
    program.tiers.filter(name="Gold").update(birthday_points=250, benefits="Own queue\n\nGift")
    ladder = client.get("/api/v1/loyalty/tiers").json()
    assert (ladder["measure"], ladder["window"], ladder["window_days"]) == ("spend", "rolling", 365)
    gold = ladder["tiers"][-1]
    assert (gold["name"], gold["needed"], gold["benefits"]) == (
        "Gold",
        "2500.00",
        ["Own queue", "Gift"],
    )
    assert gold["points_live"] == "are usable for 12 months after they were earned"


def test_a_customers_standing_is_read_and_a_tier_given_and_ended(client: APIClient) -> None:
    account = make_account()
    standing = client.get(path(account, "tier")).json()
    assert (standing["tier"], standing["next_tier"], standing["missing"]) == (
        "Bronze",
        "Silver",
        "1000.00",
    )
    gold = make_program().tiers.get(name="Gold")
    body = {"tier_id": gold.pk, "reason": "Founder", "ends_on": None}
    for _ in range(2):
        answer = client.post(
            path(account, "given-tier"), body, format="json", headers={"Idempotency-Key": "k"}
        )
        assert answer.status_code == 201, answer.json()
        assert (answer.json()["tier"], answer.json()["is_given"]) == ("Gold", True)
    change = TierChange.objects.get()
    assert change.actor and change.actor.email == "till@example.com"
    ended = client.post(path(account, "given-tier/end"), {"reason": "Left"}, format="json")
    assert (ended.status_code, ended.json()["tier"]) == (200, "Bronze")
    again = client.post(path(account, "given-tier/end"), {"reason": "Left"}, format="json")
    assert (again.status_code, again.json()["code"]) == (400, "invalid_given_tier")
    moves = client.get(path(account, "tier-history")).json()["results"]
    assert [(move["previous_tier"], move["tier"], move["cause"]) for move in moves] == [
        ("Gold", "Bronze", "given"),
        ("Bronze", "Gold", "given"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tier_id": 1},
        {"tier_id": "1", "reason": "x"},
        {"tier_id": 999, "reason": "x"},
        {"tier_id": 1, "reason": "x", "ends_on": "2020-01-01"},
        {"tier_id": 1, "reason": "x", "until": "2030-01-01"},
    ],
)
def test_refuses_a_tier_that_cannot_be_given(client: APIClient, body: dict[str, Any]) -> None:
    account = make_account()
    answer = client.post(path(account, "given-tier"), body, format="json")
    assert answer.status_code == 400
    account.refresh_from_db()
    assert account.floor_tier is None
    assert not TierChange.objects.exists()


def test_lots_and_points_on_their_way_are_listed(client: APIClient) -> None:
    account = make_account()
    award(account, 10, reference="a", expires_on=date(2027, 6, 15))
    award(account, 20, reference="b")
    command = ledger.Pend(
        account_id=account.pk,
        points=7,
        reference="c",
        reason="Referral",
        occurred_at=AT,
        awaits="visit",
        cancels_on=date(2026, 7, 1),
    )
    post_commands(
        program=account.program,
        commands=[command],
        customers={account.pk: account.customer_id},
        now=AT,
    )
    lots = client.get(path(account, "lots"), {"is_open": "true"}).json()["results"]
    assert [(lot["remaining"], lot["expires_on"]) for lot in lots] == [
        (20, None),
        (10, "2027-06-15"),
    ]
    assert client.get(path(account, "lots"), {"is_open": "false"}).json()["results"] == []
    (pending,) = client.get(path(account, "pending")).json()["results"]
    assert (pending["remaining"], pending["awaits"], pending["reason"]) == (7, "visit", "Referral")
    assert client.get(path(account, "lots"), {"open": "1"}).status_code == 400


def test_the_past_is_asked_by_either_clock(client: APIClient) -> None:
    account = make_account()
    with time_machine.travel(AT, tick=False):
        award(account, 10, reference="a", now=AT)
        give_tier(account=account, tier=make_program().tiers.get(name="Gold"), reason="x")
    url = path(account, "as-of")
    before = client.get(url, {"at": (AT - timedelta(days=1)).isoformat()}).json()
    assert (before["balance"], before["tier"]) == (0, "Bronze")
    after = client.get(url, {"at": AT.isoformat(), "clock": "occurred"}).json()
    assert (after["balance"], after["tier"], after["clock"]) == (10, "Gold", "occurred")
    for query in ({}, {"at": "yesterday"}, {"at": AT.isoformat(), "clock": "wall"}, {"when": "x"}):
        assert client.get(url, query).status_code == 400
    assert client.get("/api/v1/loyalty/accounts/999/as-of/", {"at": str(AT)}).status_code == 404


def test_nightly_jobs_show_their_progress(client: APIClient) -> None:
    JobRun.objects.create(
        program=make_program(), job="expire", on=date(2026, 6, 15), state="running", done=1, total=4
    )
    (run,) = client.get("/api/v1/loyalty/jobs", {"state": "running"}).json()["results"]
    assert (run["job"], run["percent"]) == ("expire", 25)


@pytest.mark.performance
@pytest.mark.parametrize("name", ["lots", "pending", "tier-history"])
def test_lists_take_the_same_queries_for_one_row_and_ten(client: APIClient, name: str) -> None:
    account = make_account()
    gold = make_program().tiers.get(name="Gold")
    counts = []
    for start, number in ((0, 1), (1, 10)):
        for place in range(start, start + number):
            award(account, 1, reference=f"{name}-{place}")
            account.tier_changes.create(tier=gold, spend=0, reason="t", occurred_at=AT)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path(account, name)).status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1]
