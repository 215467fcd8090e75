"""The plan editor: drafted in the shop's words, tried, published, replayed."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from affiliates.forms import PlanForm
from affiliates.forms.plans import shown
from affiliates.models import CommissionEntry, Plan, PlanReplay
from affiliates.services import (
    create_plan,
    next_plan_replay,
    publish_draft,
    run_plan_replay,
    settle_commissions,
)
from affiliates.tests.factories import LONG_AGO, make_enrolment, make_plan, make_sale
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db
EVERYTHING: dict[str, Any] = {
    "kind": "fixed",
    "rate": "5",
    "hold_days": 0,
    "window_days": 7,
    "bind_days": None,
    "terms": {
        "per": "piece",
        "weird": None,
        "customer_rates": {"new": "15", "active": "0"},
        "lapsed_days": 90,
        "recurring_months": 12,
        "rules": [
            {"name": f"Rule {number}", "kind": "percent", "rate": "9.5", "categories": ["Tea"]}
            for number in range(3)
        ]
        + [
            {
                "name": "Piece",
                "kind": "fixed",
                "per": "piece",
                "rate": "3",
                "brands": ["Green"],
                "customers": ["new", "lapsed"],
                "first_order": True,
                "within_months": 3,
                "minimum_bill": "500",
                "starts_on": "2026-01-01",
            }
        ],
        "tiers": {
            "mode": "next_order",
            "by": "orders",
            "period": "year",
            "steps": [{"from": str(step), "rate": "7"} for step in range(1, 7)],
        },
        "cap": {"amount": "5000", "period": "week"},
        "goals": [{"by": "orders", "threshold": "20", "period": "month", "bonus": "500"}],
        "parent_percent": "10",
        "excluded_categories": ["Gift cards"],
        "excluded_brands": ["Odd"],
    },
}
del EVERYTHING["terms"]["weird"]


@pytest.fixture
def staff(owner: User, client: Client) -> Client:
    client.force_login(owner)
    return client


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:affiliates_{name}", args=args)


def fields(**changes: Any) -> dict[str, Any]:
    """What the browser sends for a plain plan."""
    form = PlanForm()
    sent = {
        name: form.initial.get(name, "") or getattr(field, "choices", [("", "")])[0][0]
        for name, field in form.fields.items()
    }
    formset = {"versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0"}
    return {**sent, **formset, "name": "Friends", "pays": "percent", "rate": "5", **changes}


def test_a_new_plan_is_a_draft_that_reads_like_a_sentence(staff: Client, owner: User) -> None:
    sent = fields(
        rate="7.5",
        rule0_name="Tea",
        rule0_pays="percent",
        rule0_rate="20",
        rule0_categories="Tea\nCoffee",
        tier_mode="retroactive",
        step0_from="5000",
        step0_rate="10",
        cap_amount="900",
        goal0_threshold="20",
        goal0_by="orders",
        goal0_bonus="500",
    )
    assert staff.get(page("plan_add")).status_code == 200
    assert staff.post(page("plan_add"), sent).status_code == 302
    plan = Plan.objects.get()
    assert plan.draft.saved_by == owner
    text = staff.get(page("plan_change", plan.pk)).content.decode()
    for sentence in (
        "Pays 7.5 % of net, after tax, discount and shipping are taken off.",
        "“Tea”: 20 % on Coffee, Tea.",
        "Who brings more a month gets 10 % from ₹5,000.00 on, for the whole period.",
        "At most ₹900.00 a month.",
        "Whoever brings 20 bills a month gets a bonus of ₹500.00.",
        "Commission waits 30 days for returns.",
    ):
        assert sentence in text
    assert staff.post(page("plan_publish", plan.pk), {}).status_code == 302
    version = plan.versions.get()
    assert (version.rate, version.published_by) == (Decimal("7.5"), owner)
    assert version.terms["rules"] == [
        {"name": "Tea", "kind": "percent", "rate": "20", "categories": ["Coffee", "Tea"]}
    ]


def test_a_mistake_is_shown_at_its_field_and_nothing_is_written(staff: Client) -> None:
    for sent, message in (
        (fields(rate="101"), "A percentage cannot be above 100."),
        (fields(rate=""), "above zero"),
        (fields(tier_mode="next_order"), "Give 1 to 10 steps."),
        (fields(orders="months"), "Give the recurring months as a whole number"),
    ):
        answer = staff.post(page("plan_add"), sent)
        assert (answer.status_code, message in answer.content.decode()) == (200, True)
    assert not Plan.objects.exists()


def test_the_editor_keeps_all_that_a_plan_can_say() -> None:
    plan = create_plan(name="Everything", terms=EVERYTHING)
    form = PlanForm(instance=plan)
    assert form.initial["bind"] == "ever"
    sent = {name: form.initial.get(name) or "" for name in form.fields}
    assert sent["rule3_customers"] == "new"
    sent.update({"name": "Everything", "hold_days": 0})
    form = PlanForm(sent, instance=Plan.objects.get())
    assert form.is_valid(), form.errors
    assert form.definition() == EVERYTHING
    assert not form.says_something_new()
    assert shown(EVERYTHING)["rate_active"] == "0"


def test_a_new_name_alone_drafts_nothing(staff: Client) -> None:
    plan = make_plan(rate="10")
    sent = fields(name="Best friends", rate="10", hold_days="30")
    assert staff.post(page("plan_change", plan.pk), sent).status_code == 302
    plan.refresh_from_db()
    assert (plan.name, hasattr(plan, "draft")) == ("Best friends", False)
    sent = {**sent, "rate": "12"}
    assert staff.post(page("plan_change", plan.pk), sent).status_code == 302
    assert Plan.objects.get().draft.terms["rate"] == "12"
    assert "There is no draft" not in staff.get(page("plan_publish", plan.pk)).content.decode()
    assert staff.post(page("plan_discard", plan.pk), {}).status_code == 302
    assert not hasattr(Plan.objects.get(), "draft")


def test_a_draft_is_tried_on_a_real_bill_with_its_arithmetic(staff: Client) -> None:
    make_enrolment()
    bill = make_sale(codes=("ASHA10",))
    settle_commissions(purchase_ids=[bill.pk])
    plan = Plan.objects.get()
    staff.post(page("plan_change", plan.pk), fields(rate="25"))
    assert bill.number in staff.get(page("plan_try_out", plan.pk)).content.decode()
    text = staff.get(page("plan_try_out", plan.pk), {"bill": bill.number}).content.decode()
    for words in ("₹100.00", "₹250.00", "+₹150.00", "Friends v2 pays 25 %, that is ₹250.00."):
        assert words in text
    nobody = make_sale(net="10.00")
    text = staff.get(page("plan_try_out", plan.pk), {"bill": nobody.number}).content.decode()
    assert "Nobody brought this bill" in text and "₹2.50" in text
    text = staff.get(page("plan_try_out", plan.pk), {"bill": "?"}).content.decode()
    assert "There is no such bill." in text
    assert CommissionEntry.objects.count() == 1


def test_a_replay_shows_its_figures_as_charts_and_tables(staff: Client) -> None:
    make_enrolment()
    at = timezone.now() - timedelta(days=3)
    settle_commissions(purchase_ids=[make_sale(codes=("ASHA10",), occurred_at=at).pk])
    plan = Plan.objects.get()
    staff.post(page("plan_change", plan.pk), fields(rate="25"))
    asked = staff.post(page("plan_replay", plan.pk), {"days": "30"})
    job = PlanReplay.objects.get()
    assert asked["Location"] == page("planreplay_change", job.pk)
    assert 'http-equiv="refresh"' in staff.get(asked["Location"]).content.decode()
    claimed = next_plan_replay()
    assert claimed
    run_plan_replay(job=claimed)
    text = staff.get(asked["Location"]).content.decode()
    for words in ("₹250.00", "was ₹100.00", "+₹150.00", "Affiliate ASHA10", "<canvas"):
        assert words in text
    assert staff.get(page("planreplay_changelist")).status_code == 200
    stopped = staff.post(page("planreplay_stop", job.pk), follow=True)
    assert stopped.status_code == 200
    job.refresh_from_db()
    assert job.state == PlanReplay.State.DONE


def test_commission_is_granted_and_taken_back_by_hand(staff: Client) -> None:
    enrolment = make_enrolment()
    url = page("commissionentry_grant")
    assert staff.get(url).status_code == 200
    sent = {"enrolment": enrolment.pk, "what": "clawback", "amount": "50", "reason": "Paid twice"}
    assert staff.post(url, sent).status_code == 302
    assert CommissionEntry.objects.get().amount == -50
    unknown = {**sent, "what": "manual", "bill": "?"}
    assert "There is no such bill." in staff.post(url, unknown).content.decode()
    bill = make_sale()
    assert staff.post(url, {**unknown, "bill": bill.number}).status_code == 302
    assert "Paid twice" in staff.get(page("commissionentry_changelist")).content.decode()
    again = staff.post(url, {**unknown, "bill": bill.number}).content.decode()
    assert "has earned a commission already" in again
    assert CommissionEntry.objects.count() == 2


def test_a_marketer_drafts_but_does_not_publish_and_an_analyst_only_reads() -> None:
    plan = create_plan(name="Friends", terms=EVERYTHING)
    publish_draft(plan=plan, valid_from=LONG_AGO)
    for role, drafts in (("marketer", 200), ("analyst", 403)):
        user = User.objects.create_user(f"{role}@x.com", "a long password", name=role)
        user.is_staff = True
        user.save()
        user.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(user)
        assert client.get(page("plan_change", plan.pk)).status_code == 200
        assert client.get(page("plan_add")).status_code == drafts
        assert client.post(page("plan_publish", plan.pk), {}).status_code == 403
        assert client.get(page("commissionentry_grant")).status_code == 403
    assert plan.versions.count() == 1
