"""The rule editor and the replays, as staff use them."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from customers.models import Customer
from loyalty.engine import Kind
from loyalty.models import EarningRule, EarningRuleVersion, ReplayJob, Tier
from loyalty.services import next_replay, run_replay, settle_purchases
from loyalty.tests.factories import make_program, make_rule
from loyalty.tests.test_admin import sign_in
from loyalty.tests.test_settle_purchases import line, sale
from loyalty_site.staff.roles import Role

pytestmark = pytest.mark.django_db
ADD = "admin:loyalty_earningrule_add"


@pytest.fixture(autouse=True)
def _programme() -> None:
    make_program()


def rule_form(**fields: Any) -> dict[str, Any]:
    return {
        "name": "Tea twice",
        "points": "2",
        "amount": "1.00",
        "rounding": "floor",
        "basis": "net",
        "categories": "Food/Tea\n",
        "limit_period": "ever",
        "stackable": "on",
        "qualifies": "on",
        "versions-TOTAL_FORMS": "0",
        "versions-INITIAL_FORMS": "0",
        **fields,
    }


def change_url(rule: EarningRule, name: str = "change") -> str:
    return reverse(f"admin:loyalty_earningrule_{name}", args=[rule.pk])


def add(client: Client, kind: str = "per_amount", **fields: Any) -> Any:
    return client.post(f"{reverse(ADD)}?kind={kind}", rule_form(**fields))


def test_a_new_rule_begins_with_its_kind() -> None:
    client = sign_in(Role.MARKETER)
    page = client.get(reverse(ADD)).content.decode()
    for kind in Kind:
        assert f"?kind={kind}" in page
        form = client.get(f"{reverse(ADD)}?kind={kind}")
        assert form.status_code == 200
    assert 'name="factor"' in client.get(f"{reverse(ADD)}?kind=multiplier").content.decode()
    assert 'name="factor"' not in client.get(f"{reverse(ADD)}?kind=per_bill").content.decode()


def test_saving_keeps_a_draft_and_publishing_makes_the_next_version() -> None:
    client = sign_in(Role.OWNER)
    assert add(client).status_code == 302
    rule = EarningRule.objects.get()
    assert rule.draft and rule.draft_saved_by
    assert not EarningRuleVersion.objects.exists()
    page = client.get(change_url(rule)).content.decode()
    assert "2 points for each ₹1.00 spent on Food/Tea." in page
    assert client.get(change_url(rule, "publish")).status_code == 200
    assert client.post(change_url(rule, "publish"), {}).status_code == 302
    rule.refresh_from_db()
    assert rule.draft is None
    client.post(change_url(rule), rule_form(name="Tea"))
    rule.refresh_from_db()
    assert (rule.name, rule.draft) == ("Tea", None)
    client.post(change_url(rule), rule_form(name="Tea", points="3"))
    client.post(change_url(rule, "publish"), {})
    newest, first = rule.versions.order_by("-number")
    assert newest.definition["points"] == 3
    assert first.valid_until == newest.valid_from
    assert newest.published_by and newest.published_by.email == "owner@example.com"


def test_every_part_of_the_form_reaches_the_rule_and_comes_back() -> None:
    client = sign_in(Role.OWNER)
    settle_purchases(states=[sale(None)])
    silver = Tier.objects.get(name="Silver")
    fields = {
        "points": "1",
        "basis": "before_discount_with_tax",
        "rounding": "ceiling",
        "excluded_categories": "Fuel\nTobacco",
        "brands": "Ruby",
        "products": "sku-1",
        "starts_on": "2026-05-01",
        "ends_on": "2026-05-31",
        "hours_from": "18:00",
        "hours_until": "21:00",
        "weekdays": ["2", "7"],
        "stores": ["1"],
        "minimum_bill": "500.00",
        "minimum_amount": "20.00",
        "minimum_quantity": "2",
        "tiers": [str(silver.pk)],
        "codes": "diwali",
        "channels": "logic",
        "tenders": "upi",
        "excluded_tenders": "points",
        "max_per_bill": "100",
        "budget": "5000",
        "limit_points": "300",
        "limit_times": "4",
        "limit_period": "month",
        "pending_days": "14",
        "life_kind": "months",
        "life_length": "3",
        "priority": "5",
    }
    answer = client.post(
        f"{reverse(ADD)}?kind=per_amount",
        {
            key: value
            for key, value in rule_form(**fields).items()
            if key not in ("stackable", "qualifies")
        },
    )
    assert answer.status_code == 302, answer.context["errors"]
    rule = EarningRule.objects.get()
    assert rule.draft == {
        "kind": "per_amount",
        "points": 1,
        "amount": "1.00",
        "rounding": "ceiling",
        "basis": "before_discount_with_tax",
        "excluded_tenders": ["points"],
        "priority": 5,
        "stackable": False,
        "qualifies": False,
        "expiry": {"kind": "months", "length": 3},
        "pending_days": 14,
        "stores": ["1"],
        "channels": ["logic"],
        "tenders": ["upi"],
        "codes": ["DIWALI"],
        "tiers": [silver.pk],
        "starts_on": "2026-05-01",
        "ends_on": "2026-05-31",
        "weekdays": [2, 7],
        "hours": ["18:00", "21:00"],
        "minimum_bill": "500.00",
        "minimum_amount": "20.00",
        "minimum_quantity": "2",
        "products": ["sku-1"],
        "categories": ["Food/Tea"],
        "brands": ["Ruby"],
        "excluded_categories": ["Fuel", "Tobacco"],
        "max_per_bill": 100,
        "limit_points": 300,
        "limit_times": 4,
        "limit_period": "month",
        "budget": 5000,
    }
    form = client.get(change_url(rule)).context["adminform"].form
    again = rule_form(
        **{
            name: form.initial.get(name, "")
            for name in form.fields
            if form.initial.get(name) not in (None, False)
        }
    )
    again = {key: value for key, value in again.items() if key not in ("stackable", "qualifies")}
    saved_at = rule.draft_saved_at
    assert client.post(change_url(rule), again).status_code == 302
    rule.refresh_from_db()
    assert rule.draft_saved_at == saved_at


@pytest.mark.parametrize(
    ("kind", "wrong", "field"),
    [
        ("per_amount", {"amount": "0"}, "amount"),
        ("per_amount", {"points": ""}, "points"),
        ("per_amount", {"hours_from": "18:00", "hours_until": "18:00"}, "hours_from"),
        ("per_amount", {"starts_on": "2026-05-02", "ends_on": "2026-05-01"}, "ends_on"),
        ("per_amount", {"limit_period": "month"}, "limit_points"),
        ("per_amount", {"life_kind": "days"}, "life_length"),
        ("multiplier", {"factor": "1"}, "factor"),
        ("streak", {"streak": "1", "streak_period": "week"}, "streak"),
        ("event", {"event": "Not A Name"}, "event"),
    ],
)
def test_a_rule_that_is_not_complete_is_refused_at_its_field(
    kind: str, wrong: dict[str, str], field: str
) -> None:
    client = sign_in(Role.OWNER)
    answer = add(client, kind, **wrong)
    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors
    assert not EarningRule.objects.exists()


def test_a_marketer_drafts_and_replays_but_does_not_publish() -> None:
    client = sign_in(Role.MARKETER)
    assert add(client).status_code == 302
    rule = EarningRule.objects.get()
    for name in ("publish", "end"):
        assert client.post(change_url(rule, name), {}).status_code == 403
    assert client.post(change_url(rule, "replay"), {"days": "30"}).status_code == 302
    assert ReplayJob.objects.count() == 1
    cashier = sign_in(Role.CASHIER)
    for name in ("replay", "try_out", "discard"):
        assert cashier.post(change_url(rule, name), {"days": "30"}).status_code in {302, 403}
    assert ReplayJob.objects.count() == 1
    assert not EarningRuleVersion.objects.exists()


def test_a_rule_ends_and_a_draft_is_discarded() -> None:
    client = sign_in(Role.OWNER)
    rule = make_rule()
    client.post(change_url(rule), rule_form())
    assert client.post(change_url(rule, "discard")).status_code == 302
    rule.refresh_from_db()
    assert rule.draft is None
    assert client.post(change_url(rule, "end"), {}).status_code == 302
    assert rule.versions.get().valid_until is not None
    assert "not in force" in client.post(change_url(rule, "end"), {}).content.decode()


def test_a_real_bill_shows_before_and_after() -> None:
    client = sign_in(Role.OWNER)
    rule = make_rule()
    customer = Customer.objects.create(name="Asha Patel")
    settle_purchases(states=[sale(customer, line("a", "100"))])
    client.post(change_url(rule), rule_form(points="3", categories=""))
    page = client.get(change_url(rule, "try_out"), {"bill": "B1"})
    assert page.status_code == 200
    assert (page.context["tried"].earned, page.context["draft"].points) == (100, 300)
    assert "3 points for each ₹1.00 on ₹100.00 = 300 points." in page.content.decode()
    assert "no sale" in client.get(change_url(rule, "try_out"), {"bill": "B9"}).content.decode()
    assert "B1" in client.get(change_url(rule, "try_out")).content.decode()


def test_a_replay_shows_its_progress_and_then_its_charts() -> None:
    client = sign_in(Role.OWNER)
    rule = make_rule()
    customer = Customer.objects.create(name="Asha Patel")
    settle_purchases(states=[sale(customer, line("a", "100"), occurred_at=timezone.now())])
    client.post(change_url(rule), rule_form(points="3", categories=""))
    answer = client.post(change_url(rule, "replay"), {"days": "30"})
    assert '<progress class="rule-progress"' in client.get(answer["Location"]).content.decode()
    job = next_replay()
    assert job
    run_replay(job=job)
    page = client.get(answer["Location"])
    assert "Asha Patel" in page.content.decode()
    assert len(page.context["charts"]) == 2
    stop = reverse("admin:loyalty_replayjob_stop", args=[job.pk])
    assert client.get(stop).status_code == 405
    client.post(stop)
    job.refresh_from_db()
    assert job.state == "done"
