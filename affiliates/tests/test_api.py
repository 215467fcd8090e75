from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from affiliates.models import Affiliate, ApplicationPolicy
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
URL = "/api/v1/affiliates/"
KEY = {"Idempotency-Key": "application-1"}


@pytest.fixture
def api(owner: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(owner)
    return client


def test_lists_affiliates_with_codes_and_earnings(api: APIClient) -> None:
    enrolment = make_enrolment(code="ASHA10")
    settle_commissions(purchase_ids=[make_sale(net="1000.00", codes=("ASHA10",)).pk])
    answer = api.get(URL)
    assert answer.status_code == 200
    [row] = answer.json()["results"]
    assert row["id"] == enrolment.affiliate.pk
    assert row["codes"] == ["ASHA10"]
    assert (row["state"], row["held"], row["due"]) == ("approved", "0.00", "100.00")
    assert "phone" not in row and "email" not in row


def test_each_commission_is_explained(api: APIClient) -> None:
    enrolment = make_enrolment(code="ASHA10")
    sale = make_sale(net="1000.00", codes=("ASHA10",))
    refund = make_return(sale=sale, net="-400.00")
    settle_commissions(purchase_ids=[sale.pk])
    rows = api.get(f"{URL}{enrolment.affiliate.pk}/commissions").json()["results"]
    assert [row["amount"] for row in rows] == ["60.00"]
    assert rows[0]["purchase_number"] == sale.number
    assert rows[0]["figures"]["remaining_net"] == "600.00"
    assert rows[0]["explanation"] == [
        f"Bill {sale.number}, ₹1,000.00 net of tax and discount.",
        "Goods for ₹400.00 came back, so ₹600.00 count.",
        "Friends v1 pays 10 %, that is ₹60.00.",
    ]
    assert refund.sale_id == sale.pk


def test_refuses_strangers_the_unpermitted_and_unknown_parameters(api: APIClient) -> None:
    cashier = User.objects.create_user("cashier@example.com", "a long password", name="C")
    stranger, weak = APIClient(), APIClient()
    weak.force_authenticate(cashier)
    assert stranger.get(URL).status_code == 401
    assert weak.get(URL).status_code == 403
    assert weak.get(f"{URL}1/commissions/").status_code == 403
    assert api.get(URL, {"colour": "red"}).status_code == 400
    assert api.get(f"{URL}999/commissions/").status_code == 404


@pytest.mark.performance
def test_one_affiliate_and_many_take_the_same_number_of_queries(
    api: APIClient, django_assert_num_queries: Any
) -> None:
    make_enrolment(code="CODE0")
    with CaptureQueriesContext(connection) as for_one:
        api.get(URL)
    for index in range(1, 12):
        make_enrolment(code=f"CODE{index}")
    with django_assert_num_queries(len(for_one)):
        assert len(api.get(URL).json()["results"]) == 12


# --- applying and deciding ----------------------------------------------------------------------


def application(**changes: Any) -> dict[str, Any]:
    return {
        "customer_id": make_customer(name="Asha Rao").pk,
        "about": "On my page.",
        "agrees": True,
        **changes,
    }


def test_an_application_comes_in_once_and_is_decided(api: APIClient) -> None:
    ApplicationPolicy.objects.create(plan=make_plan())
    body = application(website="asha.example")
    first, again = (api.post(URL, body, format="json", headers=KEY) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json() and again["Idempotency-Replayed"] == "true"
    row = first.json()
    assert (row["state"], row["website"]) == ("applied", "https://asha.example")
    assert row["last_30_days"] == {
        "shares": 0,
        "clicks": 0,
        "chats": 0,
        "bills": 0,
        "sales": "0.00",
        "commission": "0.00",
        "conversion_rate": None,
    }
    decide = f"{URL}{row['id']}/decide/"
    approved = api.post(decide, {"decision": "approved"}, format="json")
    assert (approved.status_code, approved.json()["codes"]) == (200, ["ASHA"])
    refused = api.post(decide, {"decision": "rejected", "reason": "No."}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "decision_refused")
    assert api.get(f"{URL}{row['id']}/").json()["state"] == "approved"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"agrees": False}, 400),
        ({"customer_id": 999_999}, 404),
        ({"website": "javascript:x"}, 400),
        ({"colour": "red"}, 400),
    ],
)
def test_a_bad_application_leaves_nothing(
    api: APIClient, changes: dict[str, Any], status: int
) -> None:
    assert api.post(URL, application(**changes), format="json").status_code == status
    assert not Affiliate.objects.exists()


def test_a_recruiters_code_counts_and_the_detail_shows_the_figures(api: APIClient) -> None:
    recruiter = make_enrolment(code="ASHA10").affiliate
    row = api.post(URL, application(recruiter_code="asha10"), format="json").json()
    assert row["parent_id"] == recruiter.pk
    sale = make_sale(codes=("ASHA10",), occurred_at=timezone.now())
    settle_commissions(purchase_ids=[sale.pk])
    figures = api.get(f"{URL}{recruiter.pk}/").json()["last_30_days"]
    assert (figures["bills"], figures["sales"], figures["commission"]) == (1, "1000.00", "100.00")


def test_only_who_may_decide_decides(api: APIClient) -> None:
    affiliate = make_enrolment().affiliate
    user = User.objects.create_user("machine@example.com", "a long password", name="M")
    user.groups.add(Group.objects.get(name="integrator"))
    machine = APIClient()
    machine.force_authenticate(user)
    assert machine.post(URL, application(), format="json").status_code == 201
    body = {"decision": "suspended", "reason": "No."}
    answer = machine.post(f"{URL}{affiliate.pk}/decide/", body, format="json")
    assert answer.status_code == 403
    affiliate.refresh_from_db()
    assert affiliate.state == "approved"
    assert api.get(f"{URL}999999/").status_code == 404
