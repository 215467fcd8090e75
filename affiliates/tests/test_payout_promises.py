"""Payouts in points, their tax, their calendar, and what verification finds."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from affiliates.engine import Method, Wait
from affiliates.errors import (
    NoTaxRateError,
    NothingToPayError,
    SameMakerError,
)
from affiliates.events import PayoutDetailsChanged, PayoutFailed, PayoutPaid
from affiliates.models import (
    CommissionEntry,
    Enrolment,
    Payout,
    PayoutBatch,
    PayoutLine,
)
from affiliates.selectors import (
    Earnings,
    due_entries,
    earnings_of,
    explain_payout,
    payout_rows,
    plan_payouts,
    verify_commissions,
)
from affiliates.services import (
    approve_batch,
    hand_over,
    make_scheduled_batches,
    mark_paid,
    release_payouts,
    submit_batch,
)
from affiliates.tests.payouts import (
    NOW,
    approved,
    checker,
    give_details,
    made,
    make_entry,
    make_payee,
    maker,
    payout_ids,
    sent,
    set_policy,
    ship_rates,
)
from loyalty.models import Account, PointsEntry
from loyalty.services import default_program, open_accounts
from loyalty_site.common.errors import DomainError
from loyalty_site.common.rows import insert_missing_rows
from loyalty_site.outbox import services as outbox
from loyalty_site.outbox.services import subscribe

pytestmark = pytest.mark.django_db


def earnings(enrolment: Enrolment) -> Earnings:
    return earnings_of(enrolment.affiliate, now=NOW)


def money(**amounts: str) -> Earnings:
    return Earnings(**{name: Decimal(amount) for name, amount in amounts.items()})


# --- points -------------------------------------------------------------------------------------


def test_points_are_credited_at_the_shops_rate_once() -> None:
    set_policy(points_per_unit=Decimal("2.5"))
    payee = make_payee("100.30", method=Method.POINTS)
    batch = approved(Method.POINTS)
    done = hand_over(batch=batch, acting_user=maker())
    assert (done.state, done.content) == (PayoutBatch.State.PAID, "")
    account = Account.objects.get(customer=payee.affiliate.customer)
    assert account.balance == 251  # 250.75, half-up
    entry = PointsEntry.objects.get()
    assert entry.reference == f"payout:{done.payouts.get().reference}"
    hand_over(batch=batch, acting_user=maker())
    mark_paid(batch=batch, acting_user=maker())
    account.refresh_from_db()
    assert account.balance == 251
    assert earnings(payee) == money(paid="100.30")
    assert explain_payout(payout_rows().get()) == ["₹100.30 are 251 points, at 2.5 for one."]
    assert not verify_commissions(now=NOW)


def test_a_closed_account_fails_its_payout_and_the_money_is_due_again() -> None:
    gone, stays = (make_payee("10.00", method=Method.POINTS) for _ in range(2))
    customer_id = gone.affiliate.customer_id
    assert customer_id
    accounts = open_accounts(program=default_program(), customer_ids=[customer_id])
    Account.objects.filter(pk=accounts[customer_id].pk).update(closed_at=NOW)
    done = hand_over(batch=approved(Method.POINTS), acting_user=maker())
    assert done.state == PayoutBatch.State.PAID
    assert earnings(gone) == money(due="10") and earnings(stays) == money(paid="10")
    assert not verify_commissions(now=NOW)


def test_less_than_half_a_point_waits() -> None:
    make_payee("0.40", method=Method.POINTS)
    (planned,) = plan_payouts(now=NOW)
    assert planned.wait == Wait.NO_POINT
    with pytest.raises(NothingToPayError):
        made(Method.POINTS)


# --- tax ----------------------------------------------------------------------------------------


def test_tax_is_withheld_once_the_years_payouts_exceed_the_threshold() -> None:
    ship_rates()
    set_policy(withholds_tax=True)
    payee = make_payee("19000.00", tax_id="ABCDE1234F")
    mark_paid(batch=sent(), acting_user=maker())
    first = payee.affiliate.payouts.get()
    assert (first.withheld, first.net) == (Decimal(0), Decimal(19000))
    assert explain_payout(first) == [
        "No TDS on commission: ₹19,000.00 since 1 Apr 2026 is not more than ₹20,000.00."
    ]
    make_entry(payee, "2000.00")
    batch = sent()
    second = batch.payouts.get()
    assert (second.gross, second.withheld, second.net) == (
        Decimal(2000),
        Decimal(420),
        Decimal(1580),
    )
    assert "1580.00" in batch.content
    assert explain_payout(second) == [
        "TDS on commission: 2 % of ₹21,000.00 is ₹420.00.",
        "It includes earlier payouts of the tax year.",
    ]
    mark_paid(batch=batch, acting_user=maker())
    assert earnings(payee) == money(paid="21000")
    assert not verify_commissions(now=NOW)


def test_payouts_that_are_still_on_their_way_count_for_the_threshold_and_failed_ones_do_not() -> (
    None
):
    ship_rates()
    set_policy(withholds_tax=True)
    payee = make_payee("19000.00", tax_id="ABCDE1234F")
    batch = sent()
    make_entry(payee, "2000.00")
    assert plan_payouts(now=NOW)[0].withheld == 420
    release_payouts(
        batch=batch, payout_ids=payout_ids(batch), reason="bank closed", acting_user=maker()
    )
    (planned,) = plan_payouts(now=NOW)
    assert (planned.due, planned.withheld) == (Decimal(21000), Decimal(420))


def test_a_new_tax_year_starts_from_nothing_and_rates_follow_their_dates() -> None:
    ship_rates()
    set_policy(withholds_tax=True)
    march, april = datetime(2025, 3, 31, 12, tzinfo=UTC), datetime(2025, 4, 1, 12, tzinfo=UTC)
    payee = make_payee(tax_id="ABCDE1234F")
    give_details(payee.affiliate, tax_id="ABCDE1234F", account="777777", now=march - timedelta(30))
    make_entry(payee, "16000.00", held_until=march - timedelta(days=1))
    assert plan_payouts(now=march)[0].withheld == 320
    mark_paid(batch=sent(now=march), acting_user=maker(), now=march)
    make_entry(payee, "16000.00", held_until=march - timedelta(days=1))
    assert plan_payouts(now=march)[0].withheld == 320
    assert plan_payouts(now=april)[0].withheld == 0


def test_without_pan_a_fifth_is_withheld_and_it_is_said() -> None:
    ship_rates()
    set_policy(withholds_tax=True)
    make_payee("30000.00")
    payout = made().payouts.get()
    assert (payout.withheld, payout.net) == (Decimal(6000), Decimal(24000))
    assert "no tax id (PAN)" in explain_payout(payout)[-1]


def test_a_payment_of_which_all_is_withheld_is_not_in_the_file() -> None:
    ship_rates()
    set_policy(withholds_tax=True)
    payee = make_payee("20000.00")
    mark_paid(batch=sent(), acting_user=maker())
    make_entry(payee, "100.00")
    batch = sent()
    assert batch.payouts.get().net == 0 and len(batch.content.splitlines()) == 1
    mark_paid(batch=batch, acting_user=maker())
    assert not verify_commissions(now=NOW)


def test_a_shop_that_withholds_needs_a_rate() -> None:
    make_payee("10.00")
    set_policy(withholds_tax=True, country="XX")
    with pytest.raises(NoTaxRateError):
        made()
    assert not PayoutBatch.objects.exists()


# --- by the calendar ----------------------------------------------------------------------------


def test_the_schedule_makes_a_batch_for_each_method_once_a_period() -> None:
    set_policy(schedule="monthly")
    make_payee("10.00")
    make_payee("20.00", method=Method.UPI)
    batches = make_scheduled_batches(now=NOW)
    assert [(one.method, one.state, one.made_by) for one in batches] == [
        ("bank", "draft", None),
        ("upi", "draft", None),
    ]
    make_payee("30.00")
    assert make_scheduled_batches(now=NOW + timedelta(hours=1)) == []
    assert make_scheduled_batches(now=NOW + timedelta(days=10)) == []
    assert len(make_scheduled_batches(now=NOW + timedelta(days=30))) == 1


def test_a_scheduled_batch_needs_two_people_too() -> None:
    set_policy(schedule="weekly")
    make_payee("10.00")
    (batch,) = make_scheduled_batches(now=NOW)
    submit_batch(batch=batch, acting_user=maker())
    with pytest.raises(SameMakerError):
        approve_batch(batch=batch, acting_user=maker())
    assert approve_batch(batch=batch, acting_user=checker()).approved_by == checker()


def test_by_hand_nothing_is_made_by_itself() -> None:
    make_payee("10.00")
    assert make_scheduled_batches(now=NOW) == []
    assert not PayoutBatch.objects.exists()


# --- what cannot happen -------------------------------------------------------------------------


def test_the_database_refuses_a_commission_in_two_payouts() -> None:
    make_payee("10.00")
    other = make_payee("20.00")
    batch = made()
    entry = PayoutLine.objects.exclude(entry__affiliate=other.affiliate).get().entry
    payout = batch.payouts.get(affiliate=other.affiliate)
    with pytest.raises(IntegrityError), transaction.atomic():
        PayoutLine.objects.create(entry=entry, payout=payout)
    assert not due_entries(now=NOW, currency="INR").exists()


def test_who_loses_a_line_to_another_batch_gives_that_payout_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    payees = [make_payee("10.00", "5.00"), make_payee("20.00")]
    rival = PayoutBatch.objects.create(method="bank", currency="INR", made_by=maker())
    place = "affiliates.services.payouts.batches.insert_missing_rows"

    def insert_after_a_rival(*given: Any) -> None:
        entry = payees[0].entries.get(amount=10)
        other = Payout.objects.create(
            batch=rival,
            affiliate=payees[0].affiliate,
            details=payees[0].affiliate.payout_details.get(),
            reference="rival",
            gross=10,
            net=10,
        )
        PayoutLine.objects.create(entry=entry, payout=other)
        insert_missing_rows(*given)

    monkeypatch.setattr(place, insert_after_a_rival)
    batch = made()
    assert [(one.affiliate, one.gross) for one in batch.payouts.all()] == [
        (payees[1].affiliate, Decimal("20.00"))
    ]
    assert batch.steps.get().payouts == 1
    assert earnings(payees[0]) == money(due="5", in_batch="10")
    assert not verify_commissions(now=NOW)


BREAKS: dict[str, Callable[[], Any]] = {
    "A payout is the sum of its lines": lambda: Payout.objects.update(gross=11, net=11),
    "Gross less tax is net": lambda: Payout.objects.update(withheld=1),
    "Two people stand behind a payment": lambda: PayoutBatch.objects.update(approved_by=maker()),
    "The file is as it was handed over": lambda: PayoutBatch.objects.update(file_hash="0" * 64),
    "The file holds each payment once": lambda: Payout.objects.update(reference="other"),
    "What was taken out holds no commission": lambda: Payout.objects.update(state="failed"),
    "A batch says what became of its payouts": lambda: PayoutBatch.objects.update(state="paid"),
    "The balance is what fell due less what was paid": lambda: (
        mark_paid(batch=PayoutBatch.objects.get(), acting_user=maker()),
        PayoutLine.objects.all().delete(),
    ),
}


@pytest.mark.parametrize("promise", BREAKS)
def test_verification_names_every_broken_promise(promise: str) -> None:
    make_payee("10.00")
    sent()
    assert not verify_commissions(now=NOW)
    BREAKS[promise]()
    assert promise in {fault.promise for fault in verify_commissions(now=NOW)}


def test_the_command_ends_with_an_error_when_a_promise_is_broken(capsys: Any) -> None:
    make_payee("10.00")
    sent()
    call_command("verify_commissions")
    assert "agree: 1 commissions, 1 payouts" in capsys.readouterr().out
    Payout.objects.update(withheld=1)
    with pytest.raises(CommandError, match="1 promises"):
        call_command("verify_commissions")


def test_payments_are_told_by_event() -> None:
    seen: list[Any] = []
    saved = {name: [*listeners] for name, listeners in outbox._listeners.items()}
    try:
        kinds = (PayoutPaid, PayoutFailed, PayoutDetailsChanged)
        subscribe(seen.extend, *kinds, name="test.payouts")
        payee = make_payee("10.00")
        make_payee("20.00")
        batch = sent()
        paid, failed = payout_ids(batch)
        mark_paid(batch=batch, payout_ids=[paid], acting_user=maker(), now=NOW)
        release_payouts(batch=batch, payout_ids=[failed], reason="closed", acting_user=maker())
        outbox.deliver("test.payouts")
    finally:
        outbox._listeners.clear()
        outbox._listeners.update(saved)
    assert [event.name.partition(".")[2] for event in seen] == [
        "payout_details_changed",
        "payout_details_changed",
        "payout_paid",
        "payout_failed",
    ]
    assert (seen[2].affiliate_id, seen[2].net, seen[2].paid_at) == (
        payee.affiliate_id,
        Decimal("10.00"),
        NOW,
    )
    assert seen[3].reason == "closed"


def test_refusals_are_domain_errors_in_the_shops_words() -> None:
    make_payee("10.00")
    batch = made()
    with pytest.raises(DomainError, match="Being made"):
        hand_over(batch=batch, acting_user=maker())
    assert CommissionEntry.objects.count() == 1
