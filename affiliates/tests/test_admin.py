from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from affiliates.models import (
    Affiliate,
    ApplicationPolicy,
    CommissionEntry,
    Conversion,
    Enrolment,
    Plan,
)
from affiliates.services import settle_commissions
from affiliates.tests.factories import (
    make_customer,
    make_enrolment,
    make_plan,
    make_return,
    make_sale,
)
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(owner: User, client: Client) -> Client:
    client.force_login(owner)
    return client


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:affiliates_{name}", args=args)


def earn(count: int = 1) -> None:
    """Bills with ASHA10 of which a tenth came back."""
    if not Enrolment.objects.exists():
        make_enrolment(code="ASHA10")
    sales = [make_sale(codes=("ASHA10",)) for _ in range(count)]
    for sale in sales:
        make_return(sale=sale, net="-100.00")
    settle_commissions(purchase_ids=[sale.pk for sale in sales])


def test_every_page_shows(staff: Client) -> None:
    earn()
    ApplicationPolicy.objects.create()
    for model in (
        Affiliate,
        ApplicationPolicy,
        CommissionEntry,
        Conversion,
        Enrolment,
        Plan,
    ):
        name = model._meta.model_name
        assert staff.get(page(f"{name}_changelist")).status_code == 200
        assert staff.get(page(f"{name}_change", model.objects.get().pk)).status_code == 200


def test_an_affiliates_page_leads_to_their_commissions_only(staff: Client) -> None:
    earn()
    make_enrolment(code="RAVI5")
    settle_commissions(purchase_ids=[make_sale(codes=("RAVI5",)).pk])
    affiliate = Affiliate.objects.get(enrolments__codes__text="RAVI5")
    text = staff.get(page("affiliate_change", affiliate.pk)).content.decode()
    link = f"{page('commissionentry_changelist')}?affiliate__id__exact={affiliate.pk}"
    assert link in text
    assert staff.get(link).context["cl"].result_count == 1


def test_phone_and_email_are_for_those_who_may_see_contacts(staff: Client) -> None:
    affiliate = make_enrolment(phone="+447700900123", email="asha@example.com").affiliate
    url = page("affiliate_change", affiliate.pk)
    assert "asha@example.com" in staff.get(url).content.decode()
    analyst = User.objects.create_user(
        "analyst@example.com", "a long password", name="A", is_staff=True
    )
    analyst.groups.add(Group.objects.get(name="analyst"))
    looking = Client()
    looking.force_login(analyst)
    text = looking.get(url).content.decode()
    assert affiliate.name in text
    assert "asha@example.com" not in text and "+447700900123" not in text


def test_a_commission_says_why(staff: Client) -> None:
    earn()
    text = staff.get(page("commissionentry_changelist")).content.decode()
    assert "Goods for ₹100.00 came back, so ₹900.00 count." in text


def test_commissions_and_decisions_cannot_be_edited(staff: Client) -> None:
    earn()
    for model in (Conversion, CommissionEntry):
        name, pk = model._meta.model_name, model.objects.get().pk
        assert staff.post(page(f"{name}_change", pk), {"amount": "1"}).status_code == 403
        assert staff.post(page(f"{name}_delete", pk), {"post": "yes"}).status_code == 403
    assert CommissionEntry.objects.count() == 1


def test_adding_an_affiliate_approves_and_enrols_them(staff: Client, owner: User) -> None:
    plan, asha = make_plan(), make_customer()
    form = {
        "name": "Asha Rao",
        "customer": asha.pk,
        "phone": "+447700900123",
        "email": "Asha@Example.com",
        "plan": plan.pk,
        "code": "asha10",
    }
    assert staff.post(page("affiliate_add"), form).status_code == 302
    affiliate = Affiliate.objects.get()
    assert (affiliate.customer, affiliate.email) == (asha, "asha@example.com")
    assert (affiliate.state, affiliate.decided_by) == ("approved", owner)
    assert [code.text for code in affiliate.enrolments.get().codes.all()] == ["ASHA10"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"code": "TAKEN1"}, "The code TAKEN1 is already in use."),
        ({"code": "?!"}, "A code has 3 to 40"),
        ({"phone": "no phone"}, "This is not a phone number."),
    ],
)
def test_a_refusal_is_shown_and_nothing_is_written(
    staff: Client, changes: dict[str, str], message: str
) -> None:
    make_enrolment(code="TAKEN1")
    form = {"name": "Ravi", "plan": Plan.objects.get().pk, "code": "RAVI5", **changes}
    answer = staff.post(page("affiliate_add"), form, follow=True)
    assert message in answer.content.decode()
    assert not Affiliate.objects.filter(name="Ravi").exists()


def test_only_who_may_decide_suspends(staff: Client) -> None:
    affiliate = make_enrolment().affiliate
    request = {
        "action": "suspend",
        "_selected_action": [affiliate.pk],
        "confirmed": "1",
        "reason": "Sold fakes.",
    }
    marketer = User.objects.create_user(
        "marketer@example.com", "a long password", name="M", is_staff=True
    )
    marketer.groups.add(Group.objects.get(name="marketer"))
    looking = Client()
    looking.force_login(marketer)
    assert looking.get(page("affiliate_changelist")).status_code == 200
    looking.post(page("affiliate_changelist"), request)
    affiliate.refresh_from_db()
    assert affiliate.state == Affiliate.State.APPROVED
    staff.post(page("affiliate_changelist"), request)
    affiliate.refresh_from_db()
    assert affiliate.state == Affiliate.State.SUSPENDED


@pytest.mark.performance
@pytest.mark.parametrize(
    "name", ["affiliate", "conversion", "commissionentry", "plan", "enrolment"]
)
def test_lists_take_the_same_number_of_queries_for_few_and_many_rows(
    staff: Client, django_assert_num_queries: Any, name: str
) -> None:
    earn()
    staff.get(page(f"{name}_changelist"))
    with CaptureQueriesContext(connection) as for_few:
        staff.get(page(f"{name}_changelist"))
    earn(8)
    for index in range(6):
        make_enrolment(code=f"CODE{index}", plan=make_plan(name=f"Plan {index}"))
    with django_assert_num_queries(len(for_few)):
        staff.get(page(f"{name}_changelist"))


# --- decisions, plans and codes -----------------------------------------------------------------


def decide(staff: Client, action: str, *affiliates: Affiliate, **given: str) -> str:
    request = {"action": action, "_selected_action": [one.pk for one in affiliates], **given}
    return staff.post(page("affiliate_changelist"), request, follow=True).content.decode()


def test_a_decision_is_shown_before_it_is_made_and_answers_for_each(staff: Client) -> None:
    ApplicationPolicy.objects.create(plan=make_plan())
    asha = Affiliate.objects.create(name="Asha Rao")
    ravi = make_enrolment(code="RAVI5", name="Ravi").affiliate
    text = decide(staff, "approve", asha, ravi)
    assert "Approve 2 affiliates" in text and "Asha Rao" in text
    assert Affiliate.objects.get(pk=asha.pk).state == "applied"
    text = decide(staff, "approve", asha, ravi, confirmed="1")
    assert "Approved: 1 of 2." in text
    assert "Ravi: Ravi is approved; that cannot become approved." in text
    assert Affiliate.objects.get(pk=asha.pk).enrolments.get().codes.get().text == "ASHA"


def test_rejecting_asks_for_a_reason_and_keeps_it(staff: Client, owner: User) -> None:
    asha = Affiliate.objects.create(name="Asha Rao")
    assert "This field is required." in decide(staff, "reject", asha, confirmed="1")
    assert Affiliate.objects.get().state == "applied"
    decide(staff, "reject", asha, confirmed="1", reason="No coupon pages.")
    step = Affiliate.objects.get().steps.get()
    assert (step.state, step.reason, step.taken_by) == ("rejected", "No coupon pages.", owner)
    assert "No coupon pages." in staff.get(page("affiliate_change", asha.pk)).content.decode()


def test_an_invitation_is_made_with_a_code_of_the_name(staff: Client) -> None:
    form = {
        "name": "Asha Rao",
        "phone": "+447700900123",
        "plan": make_plan().pk,
        "is_invitation": "on",
    }
    assert staff.post(page("affiliate_add"), form).status_code == 302
    affiliate = Affiliate.objects.get()
    assert affiliate.state == "invited" and affiliate.customer is not None
    assert affiliate.enrolments.get().codes.get().text == "ASHA"


def act(staff: Client, name: str, pk: int, **given: Any) -> str:
    url = page(name, pk)
    assert staff.get(url).status_code == 200
    return staff.post(url, given, follow=True).content.decode()


def test_an_affiliates_page_offers_what_may_follow(staff: Client) -> None:
    make_plan()
    asha = Affiliate.objects.create(name="Asha Rao")
    shown = staff.get(page("affiliate_change", asha.pk)).content.decode()
    assert page("affiliate_approve_this", asha.pk) in shown
    assert page("affiliate_suspend_this", asha.pk) not in shown
    given = {"plan": Plan.objects.get().pk, "confirmed": "1"}
    text = act(staff, "affiliate_approve_this", asha.pk, **given)
    assert "Approved: Asha Rao." in text
    assert page("affiliate_suspend_this", asha.pk) in text


def test_plans_codes_and_terms_are_changed_by_buttons(staff: Client) -> None:
    enrolment = make_enrolment(code="ASHA10", name="Asha")
    affiliate = enrolment.affiliate
    other = make_plan(name="Schools")
    text = act(staff, "affiliate_enrol_this", affiliate.pk, plan=other.pk, code="school1")
    assert "Asha is on the plan “Schools” now." in text
    assert "already on the plan" in act(
        staff, "affiliate_enrol_this", affiliate.pk, plan=other.pk, code="school2"
    )
    act(staff, "enrolment_add_code_here", enrolment.pk, code="asha20")
    assert "A code has 3 to 40" in act(staff, "enrolment_add_code_here", enrolment.pk, code="!")
    act(staff, "enrolment_change_terms", enrolment.pk, overrides='{"rate": "7"}')
    text = act(staff, "enrolment_change_terms", enrolment.pk, overrides="[1]")
    assert "Write an object" in text
    act(staff, "enrolment_end_this", enrolment.pk)
    enrolment.refresh_from_db()
    assert sorted(code.text for code in enrolment.codes.all()) == ["ASHA10", "ASHA20"]
    assert (enrolment.overrides, enrolment.state) == ({"rate": "7"}, "ended")


def test_a_recruiter_is_named_by_a_code(staff: Client) -> None:
    asha = make_enrolment(code="ASHA10", name="Asha").affiliate
    ravi = make_enrolment(code="RAVI5", name="Ravi").affiliate
    name = "affiliate_set_recruiter_of_this"
    assert "Nobody who earns has this code." in act(staff, name, ravi.pk, code="NOBODY")
    assert "Ravi was recruited by Asha." in act(staff, name, ravi.pk, code="asha10")
    assert "it would be a circle" in act(staff, name, asha.pk, code="ravi5")
    assert Affiliate.objects.get(parent__isnull=False) == ravi


def test_buttons_are_for_those_who_may_decide(staff: Client) -> None:
    enrolment = make_enrolment()
    marketer = User.objects.create_user(
        "marketer@example.com", "a long password", name="M", is_staff=True
    )
    marketer.groups.add(Group.objects.get(name="marketer"))
    looking = Client()
    looking.force_login(marketer)
    for name, pk in (
        ("affiliate_suspend_this", enrolment.affiliate.pk),
        ("affiliate_enrol_this", enrolment.affiliate.pk),
        ("affiliate_set_recruiter_of_this", enrolment.affiliate.pk),
        ("enrolment_add_code_here", enrolment.pk),
        ("enrolment_change_terms", enrolment.pk),
        ("enrolment_end_this", enrolment.pk),
    ):
        assert looking.post(page(name, pk), {"code": "NEW123"}).status_code == 403, name
    enrolment.refresh_from_db()
    assert enrolment.state == "active" and enrolment.codes.count() == 1
    assert enrolment.affiliate.state == "approved"
