"""Many workers on the same bills; real connections, PostgreSQL."""

from decimal import Decimal

import pytest

from affiliates.models import CommissionEntry, Conversion
from affiliates.services import settle_commissions
from affiliates.tests.factories import make_enrolment, make_return, make_sale
from tests.support.threads import run_together

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.needs_postgresql,
]


def test_workers_that_settle_the_same_bills_at_once_credit_them_once() -> None:
    make_enrolment(code="ASHA10")
    sales = [make_sale(net="1000.00", codes=("ASHA10",)) for _ in range(5)]
    refunds = [make_return(sale=sale, net="-250.00") for sale in sales]
    ids = [purchase.pk for purchase in (*sales, *refunds)]
    answers = run_together(
        [
            lambda order=order: settle_commissions(purchase_ids=order)  # type: ignore[misc]
            for order in (ids, ids[::-1], ids[:5], ids[5:]) * 4
        ]
    )
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    assert Conversion.objects.count() == 5
    assert list(CommissionEntry.objects.values_list("amount", flat=True)) == [Decimal("75.00")] * 5
