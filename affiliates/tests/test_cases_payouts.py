"""Cases 12 and 13 of the affiliates' cases, as far as they are about paid money."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from affiliates.engine import Method
from affiliates.models import CommissionEntry
from affiliates.selectors import CommissionState, earnings_of, state_of, verify_commissions
from affiliates.services import (
    approve_batch,
    hand_over,
    make_batch,
    mark_paid,
    settle_commissions,
    submit_batch,
)
from affiliates.tests.factories import SALE_AT, make_enrolment, make_plan, make_return, make_sale
from affiliates.tests.payouts import checker, give_details, make_entry, make_payee, maker, sent
from loyalty_site.staff.tests.factories import make_client, make_user

pytestmark = pytest.mark.django_db


def day(number: int) -> Any:
    return SALE_AT + timedelta(days=number)


def pay(on: Any) -> None:
    batch = make_batch(method=Method.BANK, acting_user=maker(), now=on)
    submit_batch(batch=batch, acting_user=maker(), now=on)
    approve_batch(batch=batch, acting_user=checker(), now=on)
    mark_paid(
        batch=hand_over(batch=batch, acting_user=maker(), now=on), acting_user=maker(), now=on
    )


def test_case_12_a_paid_row_is_never_edited() -> None:
    payee = make_payee("100.00")
    mark_paid(batch=sent(), acting_user=maker())
    entry = payee.entries.get()
    for change in (
        lambda: CommissionEntry.objects.update(amount=1),
        lambda: CommissionEntry.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    # The case answers 400 to an edit; here the API has no way to edit a row at all.
    api = make_client(user=make_user())
    url = f"/api/v1/affiliates/{payee.affiliate_id}/commissions/"
    assert api.patch(url, {"id": entry.pk, "amount": "1.00"}).status_code == 405
    entry = CommissionEntry.objects.get()
    assert (entry.amount, state_of(entry)) == (Decimal("100.00"), CommissionState.PAID)
    clawback = make_entry(payee, "-500.00")
    assert earnings_of(payee.affiliate).balance == clawback.amount
    assert not verify_commissions()


def test_case_13_a_refund_within_the_hold_leaves_nothing_to_pay() -> None:
    plan = make_plan(name="Tolt", rate="30", hold_days=30)
    affiliate = make_enrolment(code="TOLT", plan=plan).affiliate
    give_details(affiliate, now=SALE_AT)
    sale = make_sale(net="49.00", codes=("TOLT",))
    settle_commissions(purchase_ids=[sale.pk])
    assert earnings_of(affiliate, now=day(29)).held == Decimal("14.70")
    assert earnings_of(affiliate, now=day(30)).due == Decimal("14.70")
    settle_commissions(purchase_ids=[make_return(sale=sale, net="-49.00", days_later=9).pk])
    assert earnings_of(affiliate, now=day(9)).held == 0
    assert earnings_of(affiliate, now=day(45)).due == 0
    # DESIGN: the row stays, and a row of its own takes it back; together they pay nothing.
    assert sorted(CommissionEntry.objects.values_list("amount", flat=True)) == [
        Decimal("-14.70"),
        Decimal("14.70"),
    ]


def test_case_13_a_refund_after_payment_nets_the_next_payout() -> None:
    plan = make_plan(name="Tolt", rate="30", hold_days=30)
    affiliate = make_enrolment(code="TOLT", plan=plan).affiliate
    give_details(affiliate, now=SALE_AT)
    sale = make_sale(net="49.00", codes=("TOLT",))
    settle_commissions(purchase_ids=[sale.pk])
    original = CommissionEntry.objects.values().get()
    pay(day(45))
    assert earnings_of(affiliate, now=day(45)).paid == Decimal("14.70")
    refund = make_return(sale=sale, net="-49.00", days_later=60)
    settle_commissions(purchase_ids=[refund.pk])
    assert CommissionEntry.objects.values().get(pk=original["id"]) == original
    taken = CommissionEntry.objects.exclude(pk=original["id"]).get()
    assert (taken.amount, taken.kind) == (Decimal("-14.70"), CommissionEntry.Kind.CORRECT)
    assert earnings_of(affiliate, now=day(60)).balance == Decimal("-14.70")
    # The case answers 409 to a second refund; here it is known already and changes nothing.
    settle_commissions(purchase_ids=[refund.pk, sale.pk])
    assert CommissionEntry.objects.count() == 2
    second = make_sale(net="100.00", codes=("TOLT",), occurred_at=day(61))
    settle_commissions(purchase_ids=[second.pk])
    pay(day(100))
    assert affiliate.payouts.order_by("pk").last().gross == Decimal("15.30")  # type: ignore[union-attr]
    found = earnings_of(affiliate, now=day(100))
    assert (found.balance, found.paid) == (Decimal(0), Decimal("30.00"))
    assert not verify_commissions(now=day(100))
