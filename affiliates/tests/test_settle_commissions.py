from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from affiliates.engine import Kind
from affiliates.events import CommissionPosted
from affiliates.models import Affiliate, CommissionEntry, Conversion, PlanVersion
from affiliates.services import decide_affiliates, publish_plan, settle_commissions
from affiliates.tests.factories import (
    SALE_AT,
    make_customer,
    make_enrolment,
    make_plan,
    make_return,
    make_sale,
)
from customers.models import Purchase
from loyalty_site.outbox.models import Delivery
from loyalty_site.outbox.services import subscribe
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db


def settle(*purchases: Purchase) -> list[CommissionEntry]:
    return settle_commissions(purchase_ids=[purchase.pk for purchase in purchases])


def amounts() -> list[Decimal]:
    return list(CommissionEntry.objects.order_by("pk").values_list("amount", flat=True))


def total() -> Decimal:
    return sum(amounts(), Decimal(0))


def test_a_code_on_a_bill_earns_commission_on_its_net() -> None:
    enrolment = make_enrolment(code="ASHA10")
    sale = make_sale(net="1234.50", codes=(" asha10 ",))
    [entry] = settle(sale)
    assert (entry.amount, entry.affiliate) == (Decimal("123.45"), enrolment.affiliate)
    assert entry.held_until == SALE_AT + timedelta(days=30)
    assert entry.explanation["plan"] == "Friends v1"
    conversion = Conversion.objects.get(purchase=sale)
    assert conversion.state == Conversion.State.QUALIFIED
    assert conversion.candidates[0]["reason"] == "won"


def test_case_5_a_repeated_bill_earns_once() -> None:
    make_enrolment()
    sale = make_sale(codes=("ASHA10",))
    settle(sale)
    assert settle(sale) == []
    assert settle(sale, sale) == []
    assert amounts() == [Decimal("100.00")]


def test_case_6_bills_without_amount_or_known_code_create_nothing() -> None:
    make_enrolment()
    settle(make_sale(net="0.00", codes=("ASHA10",)), make_sale(codes=("DIWALI",)), make_sale())
    assert not Conversion.objects.exists()
    assert not CommissionEntry.objects.exists()


def test_case_13_a_refund_reverses_what_was_credited_and_a_second_one_nothing() -> None:
    make_enrolment(plan=make_plan(rate="30"))
    sale = make_sale(net="49.00", codes=("ASHA10",))
    [earned] = settle(sale)
    refund = make_return(sale=sale, net="-49.00", days_later=60)
    [reversal] = settle(refund)
    assert (earned.amount, reversal.amount) == (Decimal("14.70"), Decimal("-14.70"))
    assert reversal.occurred_at == refund.occurred_at
    assert reversal.held_until == earned.held_until
    assert settle(refund, sale) == []
    assert Conversion.objects.get().state == Conversion.State.CANCELLED


def test_three_partial_returns_sum_exactly_to_the_whole() -> None:
    make_enrolment(plan=make_plan(rate="3.33"))
    sale = make_sale(net="100.00", codes=("ASHA10",))
    settle(sale)
    for part in ("-33.33", "-33.33", "-33.34"):
        settle(make_return(sale=sale, net=part))
    assert amounts()[0] == Decimal("3.33")
    assert total() == 0


def test_a_small_return_takes_back_its_share_only() -> None:
    make_enrolment()
    sale = make_sale(net="1000.00", codes=("ASHA10",))
    settle(sale)
    settle(make_return(sale=sale, net="-10.00"))
    assert amounts() == [Decimal("100.00"), Decimal("-1.00")]


def test_a_return_that_is_settled_with_or_before_its_sale_ends_the_same() -> None:
    make_enrolment()
    sale = make_sale(net="1000.00", codes=("ASHA10",))
    refund = make_return(sale=sale, net="-400.00")
    [entry] = settle(refund)
    assert entry.amount == Decimal("60.00")
    assert settle(sale) == []


def test_a_cancelled_bill_gives_its_commission_back() -> None:
    make_enrolment()
    sale = make_sale(codes=("ASHA10",))
    settle(sale)
    Purchase.objects.filter(pk=sale.pk).update(status=Purchase.Status.CANCELLED)
    settle(sale)
    assert amounts() == [Decimal("100.00"), Decimal("-100.00")]
    Purchase.objects.filter(pk=sale.pk).update(status=Purchase.Status.ACTIVE)
    settle(sale)
    assert total() == Decimal("100.00")
    assert Conversion.objects.get().state == Conversion.State.QUALIFIED


def test_a_bill_that_turns_out_to_be_an_own_purchase_loses_its_commission() -> None:
    asha = make_customer()
    make_enrolment(customer=asha)
    sale = make_sale(codes=("ASHA10",))
    settle(sale)
    Purchase.objects.filter(pk=sale.pk).update(customer=asha)
    settle(sale)
    assert amounts() == [Decimal("100.00"), Decimal("-100.00")]
    conversion = Conversion.objects.get()
    assert conversion.state == Conversion.State.REJECTED
    assert conversion.candidates[0]["reason"] == "own_purchase"


def test_another_code_on_the_corrected_bill_moves_the_commission() -> None:
    first = make_enrolment(code="ASHA10")
    second = make_enrolment(code="RAVI5", plan=make_plan(name="Rich", rate="20"))
    sale = make_sale(codes=("ASHA10",))
    settle(sale)
    Purchase.objects.filter(pk=sale.pk).update(codes=["RAVI5"])
    settle(sale)
    assert [
        (entry.enrolment, entry.amount) for entry in CommissionEntry.objects.order_by("pk")
    ] == [
        (first, Decimal("100.00")),
        (first, Decimal("-100.00")),
        (second, Decimal("200.00")),
    ]


def test_two_codes_pay_the_first_and_keep_the_other_as_a_candidate() -> None:
    winner = make_enrolment(code="ASHA10")
    make_enrolment(code="RAVI5")
    [entry] = settle(make_sale(codes=("ASHA10", "RAVI5")))
    assert entry.enrolment == winner
    assert [one["reason"] for one in Conversion.objects.get().candidates] == [
        "won",
        "later_candidate",
    ]


def test_a_decision_stands_when_plan_or_affiliate_change_later(owner: User) -> None:
    enrolment = make_enrolment()
    sale = make_sale(codes=("ASHA10",))
    settle(sale)
    publish_plan(
        plan=enrolment.plan, kind=Kind.PERCENT, rate=Decimal(50), hold_days=0, valid_from=SALE_AT
    )
    decide_affiliates(
        affiliates=[enrolment.affiliate],
        state=Affiliate.State.SUSPENDED,
        acting_user=owner,
        reason="Sold fakes.",
    )
    settle(make_return(sale=sale, net="-500.00"))
    assert total() == Decimal("50.00")


def test_case_11_a_suspended_affiliate_earns_nothing_on_new_bills(owner: User) -> None:
    enrolment = make_enrolment()
    decide_affiliates(
        affiliates=[enrolment.affiliate],
        state=Affiliate.State.SUSPENDED,
        acting_user=owner,
        reason="Sold fakes.",
    )
    settle(make_sale(codes=("ASHA10",)))
    assert not CommissionEntry.objects.exists()
    assert Conversion.objects.get().candidates[0]["reason"] == "not_approved"


def test_the_plan_version_of_the_bills_date_pays() -> None:
    plan = make_plan(rate="10")
    make_enrolment(plan=plan)
    publish_plan(
        plan=plan,
        kind=Kind.FIXED,
        rate=Decimal("75"),
        hold_days=30,
        valid_from=SALE_AT + timedelta(days=1),
    )
    settle(make_sale(codes=("ASHA10",)))
    settle(make_sale(codes=("ASHA10",), occurred_at=SALE_AT + timedelta(days=2)))
    assert amounts() == [Decimal("100.00"), Decimal("75.00")]


def test_each_new_entry_is_published_with_the_affiliate_as_customer() -> None:
    heard: list[Any] = []
    subscribe(heard.extend, CommissionPosted, name="tests.heard")
    asha = make_customer()
    make_enrolment(customer=asha)
    sale = make_sale(codes=("ASHA10",))
    [entry] = settle(sale)
    settle(sale)
    [delivery] = Delivery.objects.filter(handler="tests.heard")
    event = CommissionPosted.from_payload(delivery.payload)
    assert (event.entry_id, event.customer_id) == (entry.pk, asha.pk)
    assert (event.amount, event.purchase_number) == (Decimal("100.00"), sale.number)


@pytest.mark.performance
def test_one_bill_and_fifteen_take_the_same_number_of_queries(
    django_assert_num_queries: Any,
) -> None:
    make_enrolment()
    make_enrolment(code="RAVI5")
    sales = [make_sale(codes=("ASHA10", "RAVI5")) for _ in range(16)]
    with CaptureQueriesContext(connection) as for_one:
        settle(sales[0])
    with django_assert_num_queries(len(for_one)):
        settle(*sales[1:])
    returns = [make_return(sale=sale, net="-100.00") for sale in sales]
    with CaptureQueriesContext(connection) as for_one_return:
        settle(returns[0])
    with django_assert_num_queries(len(for_one_return)):
        settle(*returns[1:])
    assert max(len(for_one), len(for_one_return)) <= 36
    assert total() == 16 * Decimal("90.00")


@pytest.mark.parametrize("table", [CommissionEntry, PlanVersion])
@pytest.mark.parametrize("verb", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_the_database_refuses_to_change_what_was_written(table: Any, verb: str) -> None:
    make_enrolment()
    settle(make_sale(codes=("ASHA10",)))
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(verb.format(table._meta.db_table))
    assert table.objects.count() == 1
