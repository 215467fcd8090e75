from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from affiliates.models import Affiliate, CommissionEntry, Conversion, Enrolment, Plan
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
    for model in (Affiliate, Plan, Conversion, CommissionEntry):
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
    request = {"action": "suspend", "_selected_action": [affiliate.pk]}
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
@pytest.mark.parametrize("name", ["affiliate", "conversion", "commissionentry", "plan"])
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
