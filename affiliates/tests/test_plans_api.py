"""Plans through the API: drafted, tried, published, replayed; commissions by hand."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from affiliates.models import CommissionEntry, Plan, PlanDraft, PlanReplay, PlanVersion
from affiliates.services import settle_commissions
from affiliates.tasks import run_plan_replays
from affiliates.tests.factories import make_enrolment, make_plan, make_sale
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db
PLANS = "/api/v1/affiliates/plans/"
REPLAYS = "/api/v1/affiliates/plan-replays/"
BY_HAND = "/api/v1/affiliates/commissions/"
TEA = {"name": "Tea", "kind": "percent", "rate": "20", "categories": ["Tea"]}
DEFINITION = {"kind": "percent", "rate": "5", "hold_days": 14, "terms": {"rules": [TEA]}}


@pytest.fixture
def api(owner: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(owner)
    return client


def post(api: APIClient, url: str, body: Any, **headers: Any) -> Any:
    return api.post(url, body, format="json", **headers)


def test_a_plan_is_drafted_changed_and_published(api: APIClient) -> None:
    answer = post(api, PLANS, {"name": "Friends", "definition": DEFINITION})
    assert answer.status_code == 201
    plan = answer.json()
    assert plan["versions"] == []
    assert plan["draft"] == {"window_days": 30, "bind_days": 0, **DEFINITION}
    assert plan["draft_says"][:2] == [
        "Pays 5 % of net, after tax, discount and shipping are taken off.",
        "“Tea”: 20 % on Tea.",
    ]
    url = f"{PLANS}{plan['id']}/"
    changed = api.patch(url, {"name": "Best", "definition": {**DEFINITION, "rate": "6"}}, "json")
    assert (changed.status_code, changed.json()["name"]) == (200, "Best")
    published = post(api, f"{url}publish/", {})
    assert published.status_code == 201
    [version] = published.json()["versions"]
    assert (version["number"], version["definition"]["rate"]) == (1, "6")
    assert published.json()["draft"] is None
    assert post(api, f"{url}publish/", {}).status_code == 409
    assert [row["id"] for row in api.get(PLANS).json()["results"]] == [plan["id"]]
    assert api.get(url).json()["versions"][0]["says"] == version["says"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rate": "0"}, "rate"),
        ({"rate": 5}, "rate"),
        ({"kind": "gold"}, "kind"),
        ({"hold_days": -1}, "hold_days"),
        ({"colour": "red"}, ""),
        ({"terms": []}, "terms"),
        ({"terms": {"rules": [{**TEA, "categories": []}]}}, "categories"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(
    api: APIClient, change: dict[str, Any], field: str
) -> None:
    answer = post(api, PLANS, {"name": "Friends", "definition": {**DEFINITION, **change}})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_terms")
    assert [one["field"] for one in answer.json()["errors"]] == ([field] if field else [])
    assert not Plan.objects.exists()


def test_a_name_is_taken_once_and_a_version_never_begins_before_another(api: APIClient) -> None:
    plan = make_plan()
    taken = post(api, PLANS, {"name": "Friends", "definition": DEFINITION})
    assert (taken.status_code, taken.json()["code"]) == (409, "plan_name_taken")
    api.patch(f"{PLANS}{plan.pk}/", {"definition": DEFINITION}, "json")
    early = post(api, f"{PLANS}{plan.pk}/publish/", {"valid_from": "2019-01-01T00:00:00Z"})
    assert (early.status_code, early.json()["code"]) == (400, "plan_date")
    assert PlanVersion.objects.count() == PlanDraft.objects.count() == 1
    assert api.get(f"{PLANS}999/").status_code == 404


def test_an_imagined_bill_says_what_it_would_pay_and_why(api: APIClient) -> None:
    answer = post(
        api,
        f"{PLANS}simulate/",
        {
            "definition": {**DEFINITION, "terms": {"rules": [TEA], "cap": {
                "amount": "100", "period": "month"}}},
            "lines": [
                {"sku": "t", "category": "Tea", "net": "400.00"},
                {"sku": "m", "category": "Milk", "net": "100.00"},
            ],
            "period_earned": "90.00",
        },
    )  # fmt: skip
    assert answer.status_code == 200
    assert (answer.json()["amount"], answer.json()["desired"]) == ("10.00", "85.00")
    assert answer.json()["sentences"] == [
        "The plan pays 20 % of ₹400.00 for “Tea”, that is ₹80.00.",
        "The plan pays 5 %, that is ₹5.00.",
        "Together that is ₹85.00.",
        "It would be ₹85.00; the plan pays at most ₹100.00 a month, of which ₹10.00 was left.",
    ]
    assert not Plan.objects.exists()
    assert post(api, f"{PLANS}simulate/", {"lines": [{"sku": "t", "net": "1"}]}).status_code == 400


def test_a_replay_is_asked_for_run_and_read(api: APIClient) -> None:
    make_enrolment()
    plan = Plan.objects.get()
    asked = post(api, REPLAYS, {"plan_id": plan.pk, "definition": DEFINITION, "days": 30})
    assert (asked.status_code, asked.json()["state"]) == (202, "queued")
    run_plan_replays()
    done = api.get(f"{REPLAYS}{asked.json()['id']}/").json()
    assert (done["state"], done["percent"], done["result"]["bills"]) == ("done", 100, 0)
    assert [row["id"] for row in api.get(REPLAYS).json()["results"]] == [done["id"]]
    assert post(api, f"{REPLAYS}{done['id']}/cancel/", {}).status_code == 409
    assert post(api, REPLAYS, {"plan_id": 999}).status_code == 404
    assert PlanReplay.objects.count() == 1


def test_case_12_by_hand_through_the_api(api: APIClient) -> None:
    enrolment = make_enrolment()
    bill = make_sale(codes=("ASHA10",))
    [entry] = settle_commissions(purchase_ids=[bill.pk])
    who = {"affiliate_id": enrolment.affiliate_id, "reason": "Agreed by phone"}
    taken = post(api, f"{BY_HAND}claw-back/", {**who, "amount": "-500.00"})
    assert (taken.status_code, taken.json()["amount"]) == (201, "-500.00")
    assert taken.json()["figures"]["quantity"] == 1
    assert taken.json()["explanation"] == ["Agreed by phone"]
    assert post(api, f"{BY_HAND}claw-back/", {**who, "amount": "0.00"}).status_code == 422
    no_reason = {**who, "reason": "", "amount": "5.00"}
    assert post(api, f"{BY_HAND}claw-back/", no_reason).status_code == 422
    double = post(api, f"{BY_HAND}grant/", {**who, "amount": "9.00", "purchase_id": bill.pk})
    assert (double.status_code, double.json()["code"]) == (409, "granted_already")
    granted = post(
        api, f"{BY_HAND}grant/", {**who, "amount": "9.00"}, headers={"Idempotency-Key": "a"}
    )
    again = post(
        api, f"{BY_HAND}grant/", {**who, "amount": "9.00"}, headers={"Idempotency-Key": "a"}
    )
    assert (granted.status_code, again.json()) == (201, granted.json())
    items = [{"id": entry.pk, "amount": "80.00"}]
    reason = {"reason": "Agreed by phone"}
    twice = post(api, f"{BY_HAND}amend/", {**reason, "items": items * 2})
    unknown = post(api, f"{BY_HAND}amend/", {**reason, "items": [*items, {"id": 99999, "amount":
        "1.00"}]})  # fmt: skip
    assert (twice.status_code, unknown.status_code) == (422, 404)
    assert post(api, f"{BY_HAND}amend/", {**reason, "items": items}).json()[0]["amount"] == "-20.00"
    amounts = CommissionEntry.objects.order_by("pk").values_list("amount", flat=True)
    assert list(amounts) == [Decimal(one) for one in ("100", "-500", "9", "-20")]
    listed = api.get(f"/api/v1/affiliates/{enrolment.affiliate_id}/commissions/").json()["results"]
    assert [row["purchase_number"] for row in listed] == [None, None, None, bill.number]


def test_a_marketer_drafts_and_tries_but_neither_publishes_nor_grants() -> None:
    plan = make_plan()
    user = User.objects.create_user("m@example.com", "a long password", name="M")
    user.groups.add(Group.objects.get(name="marketer"))
    api = APIClient()
    api.force_authenticate(user)
    changed = api.patch(f"{PLANS}{plan.pk}/", {"definition": DEFINITION}, "json")
    assert changed.status_code == 200
    assert post(api, REPLAYS, {"plan_id": plan.pk}).status_code == 202
    assert post(api, f"{PLANS}{plan.pk}/publish/", {}).status_code == 403
    assert post(api, f"{BY_HAND}grant/", {}).status_code == 403
    assert PlanVersion.objects.count() == 1
