"""Tiers, the programme and the nightly jobs in the back office; the tier on the portal's card."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from customers.tests.factories import make_purchase
from loyalty import ledger
from loyalty.models import Account, JobRun, Program, Tier, TierChange
from loyalty.services import run_nightly
from loyalty.services.points import post_commands
from loyalty.tests.factories import award, make_account, make_program, make_rule
from loyalty.tests.test_admin import sign_in
from loyalty.tests.test_portal import sign_in as sign_in_customer
from loyalty_site.staff.roles import Role

pytestmark = pytest.mark.django_db


def program_form(**fields: Any) -> dict[str, Any]:
    return {
        "name": "Rewards",
        "zone": "Asia/Kolkata",
        "currency": "INR",
        "point_value": "0.25",
        "expiry_kind": "months",
        "expiry_length": "6",
        "expiry_round_up": "quarter",
        "expiry_dates": "",
        "notices": "14, 3",
        "tier_measure": "spend",
        "tier_window": "year",
        "tier_window_days": "365",
        "tier_demotion": "to_earned",
        "shortfall": "may_go_negative",
        "marks": "1000, 500",
        "grace_days": "0",
        "tier_grace_days": "10",
        **fields,
    }


def test_the_programme_is_set_in_the_shops_words() -> None:
    client = sign_in(Role.OWNER)
    program = make_program()
    url = reverse("admin:loyalty_program_change", args=[program.pk])
    page = client.get(url).content.decode()
    assert "Points are usable for 12 months after they were earned." in page
    answer = client.post(url, program_form())
    assert answer.status_code == 302, answer.context["errors"]
    program.refresh_from_db()
    assert program.expiry == {"kind": "months", "length": 6, "round_up": "quarter"}
    assert (program.notice_days, program.tier_window) == ([14, 3], "year")
    client.post(url, program_form(expiry_kind="fixed_dates", expiry_dates="12-31, 06-30"))
    program.refresh_from_db()
    assert program.expiry == {"kind": "fixed_dates", "dates": ["06-30", "12-31"]}


@pytest.mark.parametrize(
    "fields",
    [
        {"expiry_length": ""},
        {"expiry_kind": "fixed_dates"},
        {"expiry_kind": "fixed_dates", "expiry_dates": "31-12"},
        {"notices": "soon"},
        {"notices": "30, 30"},
        {"notices": "0"},
        {"zone": "Mars/Olympus"},
        {"tier_window_days": "0"},
        {"tier_grace_days": "400"},
    ],
)
def test_a_programme_that_is_not_complete_is_refused(fields: dict[str, str]) -> None:
    client = sign_in(Role.OWNER)
    program = make_program()
    before = Program.objects.values().get()
    url = reverse("admin:loyalty_program_change", args=[program.pk])
    assert client.post(url, program_form(**fields)).status_code == 200
    assert Program.objects.values().get() == before


def test_a_tier_may_say_how_long_its_points_live() -> None:
    client = sign_in(Role.OWNER)
    program = make_program()
    gold = program.tiers.get(name="Gold")
    url = reverse("admin:loyalty_tier_change", args=[gold.pk])
    form = {
        "program": program.pk,
        "name": "Gold",
        "color": "#D4A72C",
        "threshold": "2500",
        "benefits": "Own queue",
        "birthday_points": "250",
        "expiry_kind": "none",
    }
    assert client.post(url, form).status_code == 302
    program.refresh_from_db()
    assert program.tier_expiry == {str(gold.pk): {"kind": "none"}}
    gold.refresh_from_db()
    assert (gold.color, gold.birthday_points) == ("#d4a72c", 250)
    assert client.post(url, {**form, "expiry_kind": ""}).status_code == 302
    program.refresh_from_db()
    assert program.tier_expiry == {}
    assert client.post(url, {**form, "color": "gold"}).status_code == 200


def test_the_ladder_is_a_picture_with_members_and_benefits() -> None:
    client = sign_in(Role.ANALYST)
    make_account()
    Tier.objects.filter(name="Gold").update(benefits="Own queue", birthday_points=250)
    make_rule(name="Gold counts double", tiers=[Tier.objects.get(name="Gold").pk])
    page = client.get(reverse("admin:loyalty_tier_changelist")).content.decode()
    assert "Own queue" in page
    assert page.count("Rule: Gold counts double") == 1
    assert "250 points on the birthday" in page
    assert "1 member" in page
    assert "from ₹2,500.00" in page
    assert "style=" not in page[page.index('class="ladder') : page.index("</section>")]


def test_a_tier_is_given_and_ended_on_the_account_page() -> None:
    client = sign_in(Role.MANAGER)
    account = make_account()
    gold = make_program().tiers.get(name="Gold")
    give = reverse("admin:loyalty_account_give_tier", args=[account.pk])
    assert client.get(give).status_code == 200
    refused = client.post(give, {"tier": gold.pk, "reason": "x", "ends_on": "2020-01-01"})
    assert "its last day has passed" in refused.content.decode()
    assert not TierChange.objects.exists()
    assert client.post(give, {"tier": gold.pk, "reason": "Founder"}).status_code == 302
    change = TierChange.objects.get()
    assert (change.tier, change.reason) == (gold, "Given for good: Founder")
    assert change.actor and change.actor.email == "manager@example.com"
    end = reverse("admin:loyalty_account_end_given_tier", args=[account.pk])
    assert client.post(end, {"reason": "Left"}).status_code == 302
    assert "no tier was given" in client.post(end, {"reason": "Left"}).content.decode()
    account.refresh_from_db()
    assert str(account.tier) == "Bronze"


def test_support_does_not_give_tiers() -> None:
    client = sign_in(Role.SUPPORT)
    account = make_account()
    gold = make_program().tiers.get(name="Gold")
    url = reverse("admin:loyalty_account_give_tier", args=[account.pk])
    assert client.post(url, {"tier": gold.pk, "reason": "x"}).status_code == 403
    account.refresh_from_db()
    assert account.floor_tier is None


def test_the_jobs_page_shows_progress_and_runs_again() -> None:
    client = sign_in(Role.OWNER)
    program = make_program()
    today = program.day_of(timezone.now())
    award(make_account(), 10, reference="old", expires_on=today - timedelta(days=1))
    run_nightly(program=program, on=today)
    url = reverse("admin:loyalty_jobrun_changelist")
    page = client.get(url).content.decode()
    assert "<progress" in page
    assert "1 entries, -10 points" in page
    run = JobRun.objects.get(job="expire")
    data = {"action": "run_again", "_selected_action": [run.pk]}
    assert "1 jobs will run again" in client.post(url, data, follow=True).content.decode()
    JobRun.objects.filter(pk=run.pk).update(on=today - timedelta(days=1))
    assert "Only jobs of today" in client.post(url, data, follow=True).content.decode()
    now = client.get(reverse("admin:loyalty_jobrun_run_now"), follow=True)
    assert "Asked for" in now.content.decode()
    analyst = sign_in(Role.ANALYST)
    assert analyst.get(reverse("admin:loyalty_jobrun_run_now")).status_code == 403


@pytest.mark.performance
def test_the_ladder_and_the_jobs_take_the_same_queries_whatever_the_number(
    django_assert_max_num_queries: Any,
) -> None:
    client = sign_in(Role.OWNER)
    program = make_program()
    for days in range(12):
        JobRun.objects.create(program=program, job="expire", on=date(2026, 6, 1 + days))
        program.tiers.create(name=f"T{days}", threshold=5000 + days)
        make_account()
        if days in {0, 11}:
            for model in ("tier", "jobrun"):
                with django_assert_max_num_queries(14):
                    client.get(reverse(f"admin:loyalty_{model}_changelist"))


# --- the portal ---------------------------------------------------------------------------------


def card(account: Account) -> str:
    client: Client = sign_in_customer(account.customer)
    page = client.get("/card/")
    assert page.status_code == 200
    return page.content.decode()


def test_the_card_says_what_keeps_the_tier_and_what_follows_otherwise() -> None:
    program = make_program()
    program.tier_window, program.tier_demotion = "year", "to_earned"
    program.save()
    account = make_account()
    this_year = program.day_of(timezone.now()).year
    Account.objects.filter(pk=account.pk).update(
        tier=program.tiers.get(name="Silver"), tier_ends_on=date(this_year, 12, 31)
    )
    make_purchase(customer=account.customer, net="400", occurred_at=timezone.now())
    page = card(account)
    assert "₹2,100.00 more to Gold" in page
    assert (
        f"You move to Bronze on 31 Jan {this_year + 1} unless you add ₹600.00"
        f" by 30 Jan {this_year + 1}." in page
    )


def test_the_card_lists_all_that_expires_and_what_is_on_its_way() -> None:
    account = make_account()
    today = account.program.day_of(timezone.now())
    for days in (10, 20):
        award(account, days, reference=f"{days}", expires_on=today + timedelta(days=days))
    command = ledger.Pend(
        account_id=account.pk,
        points=70,
        reference="p",
        reason="Bill 17",
        occurred_at=datetime.now(UTC),
        activates_on=today + timedelta(days=14),
    )
    post_commands(
        program=account.program,
        commands=[command],
        customers={account.pk: account.customer_id},
    )
    page = card(account)
    assert "All that expires" in page
    assert "70 points on their way" in page
    assert f"usable from {(today + timedelta(days=14)).strftime('%-d %b %Y')}" in page
