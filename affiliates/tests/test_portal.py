import pytest
from django.test import Client, RequestFactory

from affiliates.services import settle_commissions
from affiliates.tests.factories import make_customer, make_enrolment, make_sale
from customers.models import Customer
from customers.portal import sign_in

pytestmark = pytest.mark.django_db
URL = "/affiliate/"


def signed_in(client: Client, customer: Customer) -> Client:
    request = RequestFactory().get("/")
    request.session = client.session
    sign_in(request, customer)
    request.session.save()
    client.cookies["session"] = str(request.session.session_key)
    return client


def test_an_affiliate_sees_code_earnings_and_each_commission_with_its_reason(
    client: Client,
) -> None:
    asha = make_customer()
    make_enrolment(code="ASHA10", customer=asha)
    make_enrolment(code="RAVI5")
    sales = [make_sale(net="1000.00", codes=(code,)) for code in ("ASHA10", "RAVI5")]
    settle_commissions(purchase_ids=[sale.pk for sale in sales])
    text = signed_in(client, asha).get(URL).content.decode()
    assert "ASHA10" in text and "₹100.00" in text
    assert f"Bill {sales[0].number}, ₹1,000.00 net of tax and discount." in text
    assert "RAVI5" not in text and sales[1].number not in text


def test_a_long_list_is_turned_page_by_page(client: Client) -> None:
    asha = make_customer()
    make_enrolment(code="ASHA10", customer=asha)
    sales = [make_sale(codes=("ASHA10",)) for _ in range(30)]
    settle_commissions(purchase_ids=[sale.pk for sale in sales])
    first = signed_in(client, asha).get(URL)
    assert len(first.context["commissions"]) == 25
    second = client.get(URL, {"before": first.context["next_before"]})
    assert len(second.context["commissions"]) == 5
    assert second.context["next_before"] is None
    assert client.get(URL, {"before": "x" * 30}).status_code == 200


def test_a_suspended_affiliate_is_told_and_shows_no_code(client: Client) -> None:
    asha = make_customer()
    make_enrolment(code="ASHA10", customer=asha, state="suspended")
    text = signed_in(client, asha).get(URL).content.decode()
    assert "You do not earn on new bills" in text and "ASHA10" not in text


def test_other_customers_are_told_how_to_become_one(client: Client) -> None:
    answer = signed_in(client, make_customer()).get(URL, follow=True)
    assert answer.redirect_chain == [("/affiliate/apply/", 302)]
    assert "Recommend us and earn" in answer.content.decode()


def test_strangers_sign_in_first(client: Client) -> None:
    answer = client.get(URL)
    assert answer.status_code == 302 and "next=%2Faffiliate%2F" in answer["Location"]
