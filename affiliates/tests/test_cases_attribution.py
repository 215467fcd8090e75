"""Cases of other systems, restated: attribution and tracking (see each number)."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from affiliates.errors import ManualCommissionExistsError
from affiliates.models import (
    Affiliate,
    AttributionPolicy,
    Binding,
    CommissionEntry,
    Conversion,
    ManualAttribution,
    Touch,
)
from affiliates.services import attribute_manually, claim_phone, settle_commissions
from affiliates.tests.factories import SALE_AT, make_enrolment, make_sale
from affiliates.tests.test_attribution import make_binding_plan, make_click, reasons, settle
from customers.models import Customer, Purchase
from customers.services import upsert_purchases
from customers.tests.factories import make_customer, make_line_state, make_purchase_state
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db
URL = "/api/v1/affiliates/track/"
WHEN = SALE_AT.isoformat()


@pytest.fixture
def api(owner: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(owner)
    return client


def send(api: APIClient, what: str, **body: Any) -> Any:
    answer = api.post(f"{URL}{what}", body, format="json")
    assert answer.status_code == 200, answer.json()
    return answer.json()


def refuse(api: APIClient, what: str, **body: Any) -> tuple[int, str]:
    before = Purchase.objects.count(), Customer.objects.count(), Touch.objects.count()
    answer = api.post(f"{URL}{what}", body, format="json")
    assert before == (Purchase.objects.count(), Customer.objects.count(), Touch.objects.count())
    return answer.status_code, answer.json()["code"]


def amounts() -> list[Decimal]:
    return list(CommissionEntry.objects.order_by("pk").values_list("amount", flat=True))


# --- case 5 -------------------------------------------------------------------------------------


def test_case_5_a_repeated_sale_answers_the_same_and_pays_once(api: APIClient) -> None:
    enrolment, customer = make_enrolment(), make_customer()
    sale = {
        "order_id": "INV1",
        "amount": "500.00",
        "code": "asha10",
        "customer": {"phone": customer.phone},
    }
    first = send(api, "sale", **sale)
    assert send(api, "sale", **sale) == first
    assert first == {
        "order_id": "INV1",
        "purchase_id": Purchase.objects.get().pk,
        "customer_id": customer.pk,
        "affiliate_id": enrolment.affiliate_id,
        "rung": "code",
        "state": "qualified",
        "commission": "50.00",
        "refusal": None,
    }
    assert amounts() == [Decimal("50.00")]


def test_case_5_a_sale_with_a_commission_granted_by_hand_is_not_attributed(owner: User) -> None:
    make_enrolment()
    other = make_enrolment(code="OTHER")
    sale = make_sale(codes=("ASHA10",))
    settle(sale)
    entry = CommissionEntry.objects.get()
    entry.pk, entry.kind, entry.conversion = None, CommissionEntry.Kind.MANUAL, None
    entry.reference = f"manual:purchase:{sale.pk}"
    entry.save()
    with pytest.raises(ManualCommissionExistsError) as refusal:
        attribute_manually(purchase=sale, enrolment=other, reason="Told us", acting_user=owner)
    assert refusal.value.status == 409
    assert not ManualAttribution.objects.exists()


def test_an_order_is_one_bill_whether_the_shop_or_the_erp_tells_of_it_first(
    api: APIClient,
) -> None:
    enrolment, customer = make_enrolment(), make_customer()
    click = make_click(enrolment)
    sale = {"system": "erp", "amount": "90.00", "click_id": click.public_id, "occurred_at": WHEN}
    lines = (make_line_state(key="1", net="70.00"), make_line_state(key="2", net="50.00"))
    full = [
        make_purchase_state(
            source="erp",
            external_id=f"O{n}",
            customer=customer,
            occurred_at=SALE_AT,
            lines=lines,
        )
        for n in (1, 2)
    ]
    send(api, "sale", order_id="O1", **sale)
    changes = upsert_purchases(states=full)
    settle_commissions(purchase_ids=[change.purchase.pk for change in changes])
    answer = send(api, "sale", order_id="O2", **sale)
    assert answer["commission"] == "12.00"
    assert set(Purchase.objects.values_list("net", "customer")) == {(Decimal(120), customer.pk)}
    assert {one.enrolment for one in Conversion.objects.all()} == {enrolment}
    assert sum(amounts()) == Decimal("24.00")


# --- case 6 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sale",
    [
        {"amount": "500.00"},
        {"amount": "500.00", "customer": {"phone": "+447700900321"}},
        {"amount": "500.00", "click_id": "clk_unknown", "code": "DIWALI"},
        {"amount": "0.00", "code": "ASHA10"},
        {"amount": "-5.00", "code": "ASHA10", "customer": {"phone": "+447700900321"}},
    ],
)
def test_case_6_nobody_known_and_nobody_who_brought_them_creates_nothing(
    api: APIClient, sale: dict[str, Any]
) -> None:
    make_enrolment()
    answer = send(api, "sale", order_id="INV1", **sale)
    assert (answer["purchase_id"], answer["customer_id"]) == (None, None)
    assert answer["refusal"] is None
    for model in (Purchase, Customer, Touch, Conversion):
        assert not model.objects.exists()


# --- case 7 -------------------------------------------------------------------------------------


def test_case_7_a_click_without_a_lead_makes_customer_lead_and_sale_in_one_call(
    api: APIClient,
) -> None:
    enrolment = make_enrolment(plan=make_binding_plan(bind_days=365))
    click = make_click(enrolment)
    for order_id in ("INV1", "INV1", "INV2"):
        answer = send(
            api,
            "sale",
            order_id=order_id,
            amount="500.00",
            occurred_at=WHEN,
            click_id=click.public_id,
            customer={"phone": "+447700900321", "email": "Ravi@Shop.test", "name": "Ravi"},
        )
    customer = Customer.objects.get()
    assert answer["customer_id"] == customer.pk
    assert (customer.name, customer.email) == ("Ravi", "ravi@shop.test")
    assert Binding.objects.get().purchase.external_id == "INV1"  # type: ignore[union-attr]
    assert sorted(Conversion.objects.values_list("rung", flat=True)) == ["binding", "click"]
    assert amounts() == [Decimal("50.00")] * 2


def test_a_lead_is_noted_once_and_its_first_order_counts(api: APIClient) -> None:
    enrolment = make_enrolment()
    click = make_click(enrolment)
    lead = {"click_id": click.public_id, "customer": {"email": "ravi@shop.test"}}
    first = send(api, "lead", **lead)
    assert send(api, "lead", **lead) == first
    assert Touch.objects.get().customer_id == first["customer_id"]
    sale = make_sale(customer=Customer.objects.get())
    settle(sale)
    assert reasons(sale) == [("click", "won")]


def test_a_lead_without_anybody_or_anything_known_is_refused(api: APIClient) -> None:
    make_enrolment()
    ravi = {"phone": "+447700900321"}
    assert refuse(api, "lead", code="ASHA10", customer={}) == (400, "nobody_named")
    assert refuse(api, "lead", click_id="clk_x", customer=ravi) == (404, "click_not_found")
    assert refuse(api, "lead", code="NOPE", customer=ravi) == (404, "code_not_found")
    assert refuse(api, "lead", code="ASHA10", customer={"customer_id": 99}) == (
        404,
        "unknown_buyer",
    )
    assert refuse(api, "lead", code="ASHA10", customer={"phone": "12"}) == (400, "invalid_phone")


# --- case 11 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["applied", "rejected", "suspended"])
def test_case_11_who_may_not_earn_gets_neither_lead_nor_sale(api: APIClient, state: str) -> None:
    make_enrolment(state=state)
    ravi = {"phone": "+447700900321"}
    assert refuse(api, "lead", code="ASHA10", customer=ravi) == (409, "affiliate_not_earning")
    answer = send(api, "sale", order_id="INV1", amount="500.00", code="ASHA10", customer=ravi)
    assert (answer["affiliate_id"], answer["state"]) == (None, "rejected")
    assert answer["customer_id"] is None
    assert amounts() == []


def test_case_11_who_was_invited_earns(api: APIClient) -> None:
    make_enrolment(state=Affiliate.State.INVITED)
    answer = send(api, "sale", order_id="INV1", amount="500.00", code="ASHA10")
    assert answer["commission"] == "50.00"


# --- case 13 and returns ------------------------------------------------------------------------


def test_case_13_a_second_refund_of_a_whole_refund_is_refused(api: APIClient) -> None:
    make_enrolment()
    send(api, "sale", order_id="INV1", amount="500.00", code="ASHA10", occurred_at=WHEN)
    part = {"order_id": "INV1", "return_id": "R1", "amount": "100.00"}
    assert send(api, "return", **part)["commission"] == "40.00"
    assert send(api, "return", **part)["commission"] == "40.00"
    rest = {"order_id": "INV1", "return_id": "R2"}
    assert send(api, "return", **rest)["commission"] == "0.00"
    assert send(api, "return", **rest)["state"] == "cancelled"
    for extra in ({}, {"amount": "0.01"}):
        assert refuse(api, "return", order_id="INV1", return_id="R3", **extra) == (
            409,
            "return_exceeds_sale",
        )
    assert amounts() == [Decimal("50.00"), Decimal("-10.00"), Decimal("-40.00")]


def test_a_return_before_its_sale_waits_for_it(api: APIClient) -> None:
    make_enrolment()
    early = {"order_id": "INV1", "return_id": "R1"}
    assert refuse(api, "return", **early) == (404, "sale_not_found")
    assert send(api, "return", **early, amount="100.00")["commission"] == "0.00"
    sale = send(api, "sale", order_id="INV1", amount="500.00", code="ASHA10")
    assert sale["commission"] == "40.00"


# --- case 14 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ladder", "winner", "verdicts"),
    [
        ([], "B", [("code", "won"), ("click", "later_candidate")]),
        (["click", "code"], "A", [("click", "won"), ("code", "later_candidate")]),
    ],
)
def test_case_14_link_of_one_and_code_of_another_pay_as_the_shop_orders_them(
    ladder: list[str], winner: str, verdicts: list[tuple[str, str]]
) -> None:
    AttributionPolicy.objects.create(ladder=ladder)
    of = {"A": make_enrolment(code="OF-A"), "B": make_enrolment(code="OF-B")}
    sale = make_sale(codes=("OF-B", make_click(of["A"]).public_id))
    settle(sale)
    assert Conversion.objects.get().enrolment == of[winner]
    assert reasons(sale) == verdicts
    assert len(amounts()) == 1


def test_case_14_link_and_code_of_one_pay_once() -> None:
    enrolment = make_enrolment()
    sale = make_sale(codes=("ASHA10", make_click(enrolment).public_id))
    settle(sale)
    assert reasons(sale) == [("code", "won"), ("click", "same_affiliate")]
    assert amounts() == [Decimal("100.00")]


# --- many at once -------------------------------------------------------------------------------


def test_a_batch_answers_for_each_order_and_one_bad_order_harms_no_other(api: APIClient) -> None:
    make_enrolment()
    make_sale(external_id="R9", source="erp", kind="return", net="-5.00")
    sales: Sequence[dict[str, Any]] = [
        {"order_id": "1", "amount": "100.00", "code": "ASHA10", "customer": {"phone": "0"}},
        {"order_id": "2", "amount": "100.00", "code": "ASHA10"},
        {"order_id": "3", "amount": "100.00", "customer": {"customer_id": 99}},
        {"order_id": "4", "amount": "100.00"},
        {"order_id": "R9", "system": "erp", "amount": "100.00", "code": "ASHA10"},
        {"order_id": "2", "amount": "200.00", "code": "ASHA10"},
    ]
    results = send(api, "sales", sales=sales)["results"]
    assert [one["refusal"] and one["refusal"]["code"] for one in results] == [
        "invalid_phone",
        None,
        "unknown_buyer",
        None,
        "invalid_purchase",
        None,
    ]
    assert [one["commission"] for one in results] == [
        "0.00",
        "20.00",
        "0.00",
        "0.00",
        "0.00",
        "20.00",
    ]
    assert results[3]["purchase_id"] is None
    assert Purchase.objects.filter(kind="sale").count() == 1


@pytest.mark.performance
def test_one_reported_sale_and_many_take_the_same_number_of_queries(
    api: APIClient, django_assert_num_queries: Any
) -> None:
    enrolment = make_enrolment(plan=make_binding_plan(bind_days=30))
    click = make_click(enrolment).public_id

    def sales(start: int, count: int) -> list[dict[str, Any]]:
        return [
            {
                "order_id": f"INV{n}",
                "amount": "100.00",
                "occurred_at": WHEN,
                "click_id": click,
                "customer": {"phone": f"+44770090{n:04}"},
            }
            for n in range(start, start + count)
        ]

    send(api, "sales", sales=sales(0, 1))
    with CaptureQueriesContext(connection) as for_one:
        send(api, "sales", sales=sales(1, 1))
    with django_assert_num_queries(len(for_one)):
        send(api, "sales", sales=sales(2, 12))
    assert Conversion.objects.filter(rung="click").count() == 14


def test_strangers_and_the_unpermitted_report_nothing(api: APIClient) -> None:
    make_enrolment()
    weak = APIClient()
    weak.force_authenticate(User.objects.create_user("c@example.com", "a long password", name="C"))
    sale = {"order_id": "1", "amount": "100.00", "code": "ASHA10"}
    for what in ("sale", "sales", "lead", "return"):
        assert APIClient().post(f"{URL}{what}", sale, format="json").status_code == 401
        assert weak.post(f"{URL}{what}", sale, format="json").status_code == 403
    assert not Purchase.objects.exists()


# --- reading and deciding over the API ----------------------------------------------------------


def test_conversions_are_listed_with_all_candidates(api: APIClient) -> None:
    ravi, told, coded = make_customer(), make_enrolment(code="TOLD"), make_enrolment(code="CODED")
    claim_phone(
        enrolment=told,
        phone=ravi.phone,
        place="counter",
        touched_at=SALE_AT - timedelta(days=1),
    )
    settle(make_sale(customer=ravi, codes=("CODED",)))
    [row] = api.get("/api/v1/affiliates/conversions/", {"rung": "code"}).json()["results"]
    assert (row["affiliate_id"], row["commission"]) == (coded.affiliate_id, "100.00")
    assert [(one["rung"], one["code"], one["won"]) for one in row["candidates"]] == [
        ("code", "CODED", True),
        ("claim", "counter", False),
    ]
    assert api.get("/api/v1/affiliates/conversions/", {"rung": "claim"}).json()["results"] == []


def test_a_bill_is_attributed_by_hand_over_the_api(api: APIClient) -> None:
    enrolment, sale = make_enrolment(), make_sale()
    url = f"/api/v1/affiliates/purchases/{sale.pk}/attribution/"
    answer = api.post(url, {"code": "asha10", "reason": "Told us"}, format="json")
    assert answer.json()["affiliate_id"] == enrolment.affiliate_id
    assert answer.json()["commission"] == "100.00"
    answer = api.post(url, {"code": None, "reason": "A colleague"}, format="json")
    assert (answer.json()["affiliate_id"], answer.json()["commission"]) == (None, "0.00")
    assert api.post(url, {"code": "NOPE", "reason": "x"}, format="json").status_code == 404
    assert ManualAttribution.objects.count() == 2
