"""Many workers on the first bills of one customer; real connections, PostgreSQL."""

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest

from affiliates.models import Binding, CommissionEntry, Conversion
from affiliates.services import TrackedSale, settle_commissions, track_sales
from affiliates.services.buyers import Buyer
from affiliates.tests.factories import SALE_AT, make_enrolment, make_sale
from affiliates.tests.test_attribution import make_binding_plan, make_click
from customers.models import Customer
from customers.tests.factories import make_customer
from tests.support.threads import run_together

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.needs_postgresql,
]
ROUNDS = 6


def first_bills_at_once() -> None:
    """Eight affiliates' first bills of one customer, of one moment, each by its own worker."""
    ravi = make_customer()
    plan = make_binding_plan(bind_days=None, name=f"Plan {ravi.pk}")
    bills = [
        make_sale(
            customer=ravi,
            codes=(make_enrolment(code=f"C{ravi.pk}-{n}", plan=plan).codes.get().text,),
        )
        for n in range(8)
    ]
    answers = run_together([partial(settle_commissions, purchase_ids=[bill.pk]) for bill in bills])
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    binding = Binding.objects.get(customer=ravi, ended_at__isnull=True)
    winners = set(
        Conversion.objects.filter(purchase__customer=ravi).values_list("enrolment", flat=True)
    )
    assert winners == {binding.enrolment_id}


def test_first_bills_at_once_bind_their_customer_to_one_who_gets_them_all() -> None:
    for _ in range(ROUNDS):
        first_bills_at_once()


def test_eight_workers_on_the_same_bills_convert_each_once() -> None:
    enrolment = make_enrolment(plan=make_binding_plan(bind_days=30))
    people = [make_customer() for _ in range(4)]
    ids = [
        make_sale(customer=one, codes=("ASHA10",), occurred_at=SALE_AT + timedelta(days=day)).pk
        for one in people
        for day in range(2)
    ]
    answers = run_together(
        [
            partial(settle_commissions, purchase_ids=ids[::step])
            for step in (1, -1, 1, -1, 2, -2, 3, -1)
        ]
    )
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    assert Conversion.objects.count() == len(ids)
    assert CommissionEntry.objects.filter(enrolment=enrolment).count() == len(ids)
    assert Binding.objects.count() == len(people)


@pytest.mark.parametrize("orders", [1, 2])
def test_case_7_two_reports_at_once_count_one_first_conversion(orders: int) -> None:
    click = make_click(make_enrolment(plan=make_binding_plan(bind_days=None)))
    sales = [
        TrackedSale(
            source="web",
            order_id=f"INV{place % orders}",
            amount=Decimal("500.00"),
            occurred_at=SALE_AT,
            click_id=click.public_id,
            buyer=Buyer(phone="+447700900321"),
        )
        for place in range(6)
    ]
    answers = run_together([partial(track_sales, sales=[sale]) for sale in sales])
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    assert Customer.objects.count() == 1
    assert Conversion.objects.count() == orders
    assert Conversion.objects.filter(rung="click").count() == 1
    assert CommissionEntry.objects.count() == orders
