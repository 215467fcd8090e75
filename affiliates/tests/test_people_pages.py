"""The portal's pages on which one becomes an affiliate and sees what comes of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.models import Affiliate, ApplicationPolicy, Link, ReachDay, Target, Touch
from affiliates.services import register_affiliate, settle_commissions
from affiliates.tests.factories import make_customer, make_enrolment, make_plan, make_sale
from affiliates.tests.test_portal import signed_in
from customers.models import Customer, SignInChallenge
from customers.services import sign_in_code
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db
HOME, APPLY = "/affiliate/", "/affiliate/apply/"
FORM = {"name": "Asha Rao", "website": "", "about": "On my page.", "agrees": "on"}


def test_a_member_applies_and_is_told_that_the_shop_looks_at_it(client: Client) -> None:
    asha = make_customer()
    page = signed_in(client, asha).get(APPLY).content.decode()
    assert "I recommend the shop honestly" in page
    answer = client.post(APPLY, FORM, follow=True)
    assert "looking at your application" in answer.content.decode()
    affiliate = Affiliate.objects.get()
    assert (affiliate.customer, affiliate.about) == (asha, "On my page.")
    assert affiliate.agreed_to == ApplicationPolicy().terms
    assert client.get(APPLY).status_code == 302


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agrees": ""}, "Without agreeing to the terms"),
        ({"about": ""}, "Write a sentence or two."),
        ({"website": "javascript:x"}, "Write an address like"),
    ],
)
def test_an_incomplete_application_is_shown_again_and_not_taken(
    client: Client, changes: dict[str, str], message: str
) -> None:
    answer = signed_in(client, make_customer()).post(APPLY, {**FORM, **changes})
    assert answer.status_code == 422 and message in answer.content.decode()
    assert not Affiliate.objects.exists()


def test_a_stranger_comes_from_a_recruiters_link_through_a_code_to_the_application(
    client: Client,
) -> None:
    recruiter = make_enrolment(code="ASHA10", name="Asha").affiliate
    url = f"{APPLY}asha10/"
    assert "Asha invites you." in client.get(url).content.decode()
    answer = client.post(url, {"name": "Ravi", "phone": "+447700900177"})
    assert answer["Location"] == "/sign-in/code/"
    code = sign_in_code(SignInChallenge.objects.get())
    answer = client.post("/sign-in/code/", {"code": code})
    assert answer["Location"] == url
    client.post(url, {**FORM, "name": "Ravi"})
    affiliate = Affiliate.objects.get(name="Ravi")
    assert affiliate.parent == recruiter
    assert affiliate.customer is not None and affiliate.customer.phone == "+447700900177"


def test_a_known_phone_is_answered_like_an_unknown_one_and_only_gets_a_code(
    client: Client,
) -> None:
    client.post(APPLY, {"name": "Asha", "phone": "+447700900177"})
    other = Client()
    answer = other.post(APPLY, {"name": "Somebody else", "phone": "+447700900178"})
    SignInChallenge.objects.all().delete()
    again = Client().post(APPLY, {"name": "Somebody else", "phone": "+447700900177"})
    assert (again.status_code, again["Location"]) == (answer.status_code, answer["Location"])
    assert sorted(Customer.objects.values_list("name", flat=True)) == ["Asha", "Somebody else"]


@pytest.mark.security
def test_strangers_cannot_ask_for_codes_without_end(client: Client) -> None:
    for number in range(25):
        answer = client.post(APPLY, {"name": "X", "phone": f"+4477009002{number:02}"})
    assert answer.status_code == 422
    assert Customer.objects.count() == SignInChallenge.objects.count() == 20


def test_an_invitation_that_nobody_sent_is_lost(client: Client) -> None:
    answer = client.get(f"{APPLY}NOBODY/")
    assert answer.status_code == 404
    assert "This invitation is not valid" in answer.content.decode()


def test_who_is_invited_accepts_on_the_page(client: Client, owner: User) -> None:
    asha = make_customer()
    register_affiliate(
        name="Asha",
        customer=asha,
        plan=make_plan(),
        acting_user=owner,
        state=Affiliate.State.INVITED,
    )
    assert "The shop invites you" in signed_in(client, asha).get(HOME).content.decode()
    client.post("/affiliate/answer/", {"answer": "perhaps"})
    assert Affiliate.objects.get().state == "invited"
    client.post("/affiliate/answer/", {"answer": "accept"})
    affiliate = Affiliate.objects.get()
    assert (affiliate.state, affiliate.agreed_to) == ("approved", ApplicationPolicy().terms)
    assert "The shop invites you" not in client.get(HOME).content.decode()


def test_who_was_rejected_reads_why_and_how_to_apply_again(client: Client) -> None:
    asha = make_customer()
    make_enrolment(customer=asha, state="rejected", decision_reason="No coupon pages.")
    text = signed_in(client, asha).get(HOME).content.decode()
    assert "No coupon pages." in text and APPLY in text
    assert "Your last application was not accepted." in client.get(APPLY).content.decode()


def test_name_and_website_are_changed_by_their_owner_only(client: Client) -> None:
    asha = make_customer()
    make_enrolment(customer=asha, name="Asha")
    make_enrolment(code="RAVI5", name="Ravi")
    given = {"name": "Asha R.", "website": "asha.example", "about": "Hi"}
    assert signed_in(client, asha).post("/affiliate/profile/", given).status_code == 302
    assert set(Affiliate.objects.values_list("name", "website")) == {
        ("Asha R.", "https://asha.example"),
        ("Ravi", ""),
    }


def test_recruits_are_those_who_came_by_the_own_link(client: Client) -> None:
    asha = make_customer()
    affiliate = make_enrolment(code="ASHA10", customer=asha).affiliate
    make_enrolment(code="RAVI5", name="Ravi Deshmukh", parent=affiliate)
    make_enrolment(code="MEERA1", name="Meera Pillai")
    text = signed_in(client, asha).get("/affiliate/recruits/").content.decode()
    assert "/affiliate/apply/ASHA10/" in text
    assert "Ravi Deshmukh" in text and "Meera Pillai" not in text


def reach(code: str = "ASHA10", **fields: Any) -> Link:
    """A link that was shared, clicked and written about today."""
    enrolment = make_enrolment(code=code, **fields)
    target, _ = Target.objects.get_or_create(address="https://shop.example", name="Shop")
    link = Link.objects.create(enrolment=enrolment, code=f"L{code}", target=target)
    today = timezone.localdate()
    for kind, count in (("share", 4), ("person", 20), ("bot", 500), ("preview", 50)):
        ReachDay.objects.create(link=link, day=today, kind=kind, count=count)
    for place in ("whatsapp", "whatsapp", "counter"):
        Touch.objects.create(
            enrolment=enrolment,
            way=Touch.Way.CLAIM,
            place=place,
            order_key="x",
            touched_at=timezone.now(),
        )
    return link


def test_the_funnel_counts_people_and_leads_to_commission(client: Client) -> None:
    asha = make_customer()
    reach(customer=asha)
    reach(code="RAVI5")
    now = timezone.now()
    sales = [
        make_sale(net="500.00", codes=("ASHA10",), occurred_at=now - timedelta(days=days))
        for days in (0, 3, 100)
    ]
    settle_commissions(purchase_ids=[sale.pk for sale in sales])
    answer = signed_in(client, asha).get(HOME)
    assert [(bar.name, bar.count, bar.width) for bar in answer.context["bars"]] == [
        ("shares", 4, 20),
        ("clicks", 20, 100),
        ("chats", 2, 10),
        ("bills", 2, 10),
    ]
    assert answer.context["total"].commission == 100
    assert sum(column.amount for column in answer.context["columns"]) == 100
    text = answer.content.decode()
    assert "₹100.00" in text and '<rect width="20%"' in text
    year = client.get(HOME, {"period": "year"})
    assert year.context["total"].bills == 3
    assert len(year.context["columns"]) == 12
    assert year.context["columns"][-1].first.day == 1


@pytest.mark.performance
def test_the_page_takes_the_same_number_of_queries_for_few_and_many(
    client: Client, django_assert_num_queries: Any
) -> None:
    asha = make_customer()
    reach(customer=asha)
    settle_commissions(purchase_ids=[make_sale(codes=("ASHA10",)).pk])
    signed_in(client, asha).get(HOME)
    with CaptureQueriesContext(connection) as for_few:
        client.get(HOME)
    for index in range(5):
        reach(code=f"CODE{index}")
    settle_commissions(purchase_ids=[make_sale(codes=("ASHA10",)).pk for _ in range(10)])
    with django_assert_num_queries(len(for_few)):
        client.get(HOME)
