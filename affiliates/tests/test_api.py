from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from affiliates.services import settle_commissions
from affiliates.tests.factories import make_enrolment, make_return, make_sale
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db
URL = "/api/v1/affiliates/"


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
