"""Bills of one affiliate's period, settled by many at once; real connections, PostgreSQL."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from affiliates.models import CommissionEntry, Tally
from affiliates.services import settle_commissions
from affiliates.tests.factories import SALE_AT, make_customer, make_enrolment, make_plan, make_sale
from tests.support.threads import run_together

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.needs_postgresql,
]
THREADS = 16


def settle_together(bills: Iterable[Any]) -> list[Decimal]:
    """Each bill by a thread of its own; answers the amounts that were posted."""
    answers = run_together(
        [
            lambda pk=bill.pk: settle_commissions(purchase_ids=[pk])  # type: ignore[misc]
            for bill in bills
        ]
    )
    assert [answer for answer in answers if isinstance(answer, BaseException)] == []
    return sorted(CommissionEntry.objects.values_list("amount", flat=True))


def bills(customer: Any = None) -> list[Any]:
    return [
        make_sale(
            codes=("ASHA10",), customer=customer, occurred_at=SALE_AT + timedelta(minutes=number)
        )
        for number in range(THREADS)
    ]


def test_a_limit_is_reached_exactly_when_sixteen_bills_come_at_once() -> None:
    make_enrolment(plan=make_plan(cap={"amount": "550", "period": "month"}))
    assert settle_together(bills()) == [Decimal(50), *[Decimal(100)] * 5]
    assert Tally.objects.count() == THREADS


def test_steps_lift_as_many_bills_as_if_they_came_one_by_one() -> None:
    steps = [{"from": "4", "rate": "20"}, {"from": "10", "rate": "30"}]
    tiers = {"mode": "next_order", "by": "orders", "period": "month", "steps": steps}
    make_enrolment(plan=make_plan(tiers=tiers))
    amounts = settle_together(bills())
    assert amounts == [Decimal(one) for one in [100] * 4 + [200] * 6 + [300] * 6]


def test_a_retroactive_step_and_a_goal_are_paid_once() -> None:
    steps = [{"from": "8", "rate": "20"}]
    tiers = {"mode": "retroactive", "by": "orders", "period": "month", "steps": steps}
    goal = {"by": "orders", "threshold": "10", "period": "month", "bonus": "500"}
    make_enrolment(plan=make_plan(tiers=tiers, goals=[goal]))
    amounts = settle_together(bills())
    assert sum(amounts) == THREADS * 200 + 500
    assert CommissionEntry.objects.filter(kind="tier").get().amount == 700
    assert CommissionEntry.objects.filter(kind="goal").get().amount == 500


def test_a_customer_has_one_first_order() -> None:
    make_enrolment(plan=make_plan(first_order_only=True))
    assert settle_together(bills(make_customer(name="Ravi"))) == [Decimal(100)]
