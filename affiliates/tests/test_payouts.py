"""Batches of payouts: who is in, every step, every refusal."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from affiliates.engine import Method, Wait
from affiliates.errors import (
    BatchStateError,
    BlockedPayoutsError,
    NothingToPayError,
    OwnPayoutError,
    PayoutNotFoundError,
    PayoutStateError,
    SameMakerError,
)
from affiliates.models import (
    Affiliate,
    Conversion,
    Enrolment,
    Payout,
    PayoutBatch,
    PayoutLine,
    PayoutStep,
)
from affiliates.selectors import (
    CommissionState,
    Earnings,
    earnings_by_affiliate,
    earnings_of,
    in_state,
    plan_payouts,
    state_of,
    verify_commissions,
    with_earnings,
)
from affiliates.services import (
    approve_batch,
    cancel_batch,
    hand_over,
    make_batch,
    mark_paid,
    release_payouts,
    settle_commissions,
    submit_batch,
)
from affiliates.tests.factories import SALE_AT, make_enrolment, make_sale
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
)
from loyalty_site.outbox.models import Delivery
from loyalty_site.staff.tests.factories import make_user

pytestmark = pytest.mark.django_db


def earnings(enrolment: Enrolment) -> Earnings:
    return earnings_of(enrolment.affiliate, now=NOW)


def money(**amounts: str) -> Earnings:
    return Earnings(**{name: Decimal(amount) for name, amount in amounts.items()})


def in_review(code: str) -> Conversion:
    sale = make_sale(codes=(code,), occurred_at=SALE_AT)
    settle_commissions(purchase_ids=[sale.pk])
    conversion = Conversion.objects.get(purchase=sale)
    conversion.review = Conversion.Review.OPEN
    conversion.save()
    return conversion


# --- earnings -----------------------------------------------------------------------------------


def test_each_commission_is_in_exactly_one_state() -> None:
    payee = make_payee("10.00", "-3.00")
    code = payee.codes.get().text
    in_review(code)
    make_entry(payee, "5.00", held_until=NOW + timedelta(days=1))
    assert earnings(payee) == money(held="5", in_review="100", due="7")
    batch = made()
    make_entry(payee, "2.50")
    assert earnings(payee) == money(held="5", in_review="100", due="2.50", in_batch="7")
    batch = approve_batch(
        batch=submit_batch(batch=batch, acting_user=maker()), acting_user=checker()
    )
    mark_paid(batch=hand_over(batch=batch, acting_user=maker()), acting_user=maker())
    found = earnings(payee)
    assert found == money(held="5", in_review="100", due="2.50", paid="7")
    assert found.balance == found.fell_due - found.paid == Decimal("2.50")
    states = [state_of(entry, now=NOW) for entry in payee.entries.order_by("pk")]
    assert states == [
        CommissionState.PAID,
        CommissionState.PAID,
        CommissionState.IN_REVIEW,
        CommissionState.HELD,
        CommissionState.DUE,
    ]
    found_by_state = [
        [entry.pk for entry in payee.entries.filter(in_state(state, now=NOW)).order_by("pk")]
        for state in CommissionState
    ]
    assert [len(ids) for ids in found_by_state] == [1, 1, 1, 0, 2]
    assert not verify_commissions(now=NOW)


def test_many_affiliates_cost_as_many_queries_as_one(django_assert_num_queries: Any) -> None:
    for amount in ("1.00", "2.00", "3.00"):
        make_payee(amount)
    with django_assert_num_queries(1):
        rows: list[Any] = list(with_earnings(Affiliate.objects.order_by("pk"), now=NOW))
    ids = [row.pk for row in rows]
    with django_assert_num_queries(1):
        found = earnings_by_affiliate(ids, now=NOW)
    assert [found[pk].due for pk in ids] == [Decimal(1), Decimal(2), Decimal(3)]
    assert [row.balance for row in rows] == [Decimal(1), Decimal(2), Decimal(3)]


# --- who is paid --------------------------------------------------------------------------------


def test_the_plan_says_who_waits_and_why() -> None:
    set_policy(minimum=Decimal(100))
    payees = {
        "pays": make_payee("150.00"),
        "little": make_payee("99.99"),
        "minus": make_payee("-5.00"),
        "suspended": make_payee("500.00", state=Affiliate.State.SUSPENDED),
        "fresh": make_payee("500.00"),
        "nowhere": make_enrolment(code="NOWHERE"),
    }
    give_details(payees["fresh"].affiliate, account="999888777666", now=NOW)
    make_entry(payees["nowhere"], "500.00")
    make_payee("10.00", "-10.00")  # nothing due: not in the plan
    waits = {one.affiliate.pk: one.wait for one in plan_payouts(now=NOW)}
    assert waits == {
        payees["pays"].affiliate_id: None,
        payees["little"].affiliate_id: Wait.BELOW_MINIMUM,
        payees["minus"].affiliate_id: Wait.NEGATIVE,
        payees["suspended"].affiliate_id: Wait.NOT_APPROVED,
        payees["fresh"].affiliate_id: Wait.NEW_DETAILS,
        payees["nowhere"].affiliate_id: Wait.NO_DETAILS,
    }
    assert all(bool(one.why) == bool(one.wait) for one in plan_payouts(now=NOW))
    batch = made()
    assert [one.affiliate_id for one in batch.payouts.all()] == [payees["pays"].affiliate_id]


def test_new_details_hold_payouts_for_72_hours() -> None:
    payee = make_payee("50.00")
    give_details(payee.affiliate, account="999888777666", now=NOW)
    with pytest.raises(NothingToPayError):
        made(now=NOW + timedelta(hours=72, seconds=-1))
    assert not PayoutBatch.objects.exists()
    batch = made(now=NOW + timedelta(hours=72))
    assert batch.payouts.get().details.account == "999888777666"


def test_a_batch_takes_one_method_and_leaves_out_whom_it_is_told_to() -> None:
    first, second = make_payee("10.00"), make_payee("20.00")
    make_payee("30.00", method=Method.UPI)
    batch = make_batch(
        method=Method.BANK, acting_user=maker(), leave_out=[first.affiliate_id], now=NOW
    )
    assert [(one.affiliate_id, one.gross) for one in batch.payouts.all()] == [
        (second.affiliate_id, Decimal("20.00"))
    ]
    assert earnings(first).due == Decimal("10.00")


def test_a_negative_row_nets_the_next_payout_and_a_negative_sum_waits() -> None:
    payee = make_payee("100.00")
    mark_paid(batch=sent(), acting_user=maker())
    make_entry(payee, "-14.70")
    with pytest.raises(NothingToPayError):
        made()
    make_entry(payee, "20.00")
    batch = made()
    assert batch.payouts.get().gross == Decimal("5.30")
    assert not verify_commissions(now=NOW)


def test_making_a_batch_costs_the_same_for_few_and_many() -> None:
    make_payee("10.00", "5.00")
    maker()
    with CaptureQueriesContext(connection) as one:
        made()
    for _ in range(12):
        make_payee("10.00", "5.00")
    with CaptureQueriesContext(connection) as many:
        assert made().payouts.count() == 12
    assert len(many) - 1 == len(one)


# --- steps --------------------------------------------------------------------------------------


def test_a_batch_goes_from_its_maker_to_a_checker_to_the_bank_to_paid() -> None:
    payee = make_payee("1234.50")
    batch = sent()
    assert batch.content.splitlines()[1] == (
        f"AP{batch.pk}X{payee.affiliate_id},{payee.affiliate.name},"
        f"00112233{payee.affiliate_id:04},SBIN0001234,1234.50,INR"
    )
    paid = mark_paid(batch=batch, acting_user=maker(), now=NOW)
    assert (paid.state, paid.closed_at) == (PayoutBatch.State.PAID, NOW)
    payout = paid.payouts.get()
    assert (payout.state, payout.paid_at) == (Payout.State.PAID, NOW)
    steps = paid.steps.values_list("kind", "by__email", "payouts", "amount")
    assert list(steps) == [
        ("made", "maker@example.com", 1, Decimal("1234.50")),
        ("submitted", "maker@example.com", 1, Decimal("1234.50")),
        ("approved", "checker@example.com", 1, Decimal("1234.50")),
        ("sent", "maker@example.com", 1, Decimal("1234.50")),
        ("paid", "maker@example.com", 1, Decimal("1234.50")),
    ]


def test_the_file_is_made_once_and_fetched_again_with_the_same_bytes() -> None:
    payee = make_payee("10.00")
    batch = sent()
    make_entry(payee, "99.00")
    give_details(payee.affiliate, account="999888777666")
    again = hand_over(batch=batch, acting_user=checker())
    assert (again.content, again.file_hash) == (batch.content, batch.file_hash)
    assert list(batch.steps.values_list("kind", flat=True))[-2:] == ["sent", "fetched"]
    assert not verify_commissions(now=NOW)


def test_the_file_is_sealed_in_the_database() -> None:
    make_payee("10.00")
    batch = sent()
    with connection.cursor() as cursor:
        cursor.execute("SELECT content FROM affiliates_payoutbatch")
        (stored,) = cursor.fetchone()
    assert stored.startswith("v1.") and batch.payouts.get().details.account not in stored


def test_the_maker_cannot_approve() -> None:
    make_payee("10.00")
    batch = submit_batch(batch=made(), acting_user=maker())
    with pytest.raises(SameMakerError):
        approve_batch(batch=batch, acting_user=maker())
    batch.refresh_from_db()
    assert batch.state == PayoutBatch.State.SUBMITTED and batch.approved_by is None


def test_nobody_approves_a_payout_to_himself() -> None:
    make_payee("10.00", email="checker@example.com")
    batch = submit_batch(batch=made(), acting_user=maker())
    with pytest.raises(OwnPayoutError):
        approve_batch(batch=batch, acting_user=checker())
    batch.refresh_from_db()
    assert batch.state == PayoutBatch.State.SUBMITTED


def test_a_second_approval_by_somebody_else_is_refused_and_ones_own_repeats() -> None:
    make_payee("10.00")
    batch = approved()
    assert approve_batch(batch=batch, acting_user=checker()).approved_at == batch.approved_at
    with pytest.raises(BatchStateError):
        approve_batch(batch=batch, acting_user=make_user())
    assert batch.steps.filter(kind="approved").count() == 1


STEPS: dict[str, Callable[[PayoutBatch], Any]] = {
    "submit": lambda batch: submit_batch(batch=batch, acting_user=maker()),
    "approve": lambda batch: approve_batch(batch=batch, acting_user=checker()),
    "hand over": lambda batch: hand_over(batch=batch, acting_user=maker()),
    "pay": lambda batch: mark_paid(batch=batch, acting_user=maker()),
    "release": lambda batch: release_payouts(
        batch=batch, payout_ids=payout_ids(batch), reason="x", acting_user=maker()
    ),
    "cancel": lambda batch: cancel_batch(batch=batch, reason="x", acting_user=maker()),
}
REFUSED = {
    "draft": ["approve", "hand over", "pay"],
    "submitted": ["hand over", "pay"],
    "approved": ["submit", "pay"],
    "sent": ["submit", "approve", "cancel"],
    "paid": ["submit", "approve", "cancel", "release"],
    "cancelled": ["submit", "approve", "hand over", "pay", "release"],
}


def in_the_state(state: str) -> PayoutBatch:
    batch = made()
    for name in {
        "draft": [],
        "submitted": ["submit"],
        "approved": ["submit", "approve"],
        "sent": ["submit", "approve", "hand over"],
        "paid": ["submit", "approve", "hand over", "pay"],
        "cancelled": ["cancel"],
    }[state]:
        STEPS[name](batch)
    batch.refresh_from_db()
    assert batch.state == state
    return batch


@pytest.mark.parametrize(("state", "step"), [(s, t) for s, steps in REFUSED.items() for t in steps])
def test_a_step_from_the_wrong_state_is_refused_and_changes_nothing(state: str, step: str) -> None:
    make_payee("10.00")
    batch = in_the_state(state)
    before = (
        PayoutBatch.objects.values().get(),
        Payout.objects.values().get(),
        PayoutStep.objects.count(),
        list(PayoutLine.objects.values_list("entry_id", flat=True)),
        Delivery.objects.count(),
    )
    with pytest.raises((BatchStateError, PayoutStateError)):
        STEPS[step](batch)
    assert before == (
        PayoutBatch.objects.values().get(),
        Payout.objects.values().get(),
        PayoutStep.objects.count(),
        list(PayoutLine.objects.values_list("entry_id", flat=True)),
        Delivery.objects.count(),
    )


@pytest.mark.parametrize(
    ("state", "step"), [("submitted", "submit"), ("paid", "pay"), ("cancelled", "cancel")]
)
def test_repeating_a_step_changes_nothing(state: str, step: str) -> None:
    make_payee("10.00")
    batch = in_the_state(state)
    steps = PayoutStep.objects.count()
    STEPS[step](batch)
    assert PayoutStep.objects.count() == steps


@pytest.mark.parametrize("state", ["draft", "submitted", "approved"])
def test_a_cancelled_batch_gives_everything_back(state: str) -> None:
    payee = make_payee("10.00", "-2.00")
    batch = in_the_state(state)
    cancelled = cancel_batch(batch=batch, reason="wrong month", acting_user=maker())
    assert (cancelled.state, cancelled.reason) == (PayoutBatch.State.CANCELLED, "wrong month")
    assert earnings(payee) == money(due="8")
    freed = cancelled.payouts.get().explanation["freed_entries"]
    assert freed == list(payee.entries.order_by("pk").values_list("pk", flat=True))
    assert made().payouts.get().gross == Decimal("8.00")
    assert not verify_commissions(now=NOW)


def test_single_payments_are_marked_paid_or_failed_and_the_failed_fall_due_again() -> None:
    payees = [make_payee("10.00"), make_payee("20.00"), make_payee("30.00")]
    batch = sent()
    first, second, third = payout_ids(batch)
    mark_paid(batch=batch, payout_ids=[first], acting_user=maker())
    release_payouts(batch=batch, payout_ids=[second], reason="No such account", acting_user=maker())
    batch.refresh_from_db()
    assert batch.state == PayoutBatch.State.SENT
    assert [earnings(one) for one in payees] == [
        money(paid="10"),
        money(due="20"),
        money(in_batch="30"),
    ]
    done = mark_paid(batch=batch, payout_ids=[first, third], acting_user=maker())
    assert done.state == PayoutBatch.State.PAID
    assert Payout.objects.get(pk=second).note == "No such account"
    assert not verify_commissions(now=NOW)
    again = made()
    assert again.payouts.get().gross == Decimal("20.00")


def test_a_batch_in_which_nothing_arrived_ends_as_cancelled() -> None:
    payee = make_payee("10.00")
    batch = sent()
    done = release_payouts(
        batch=batch, payout_ids=payout_ids(batch), reason="bank closed", acting_user=maker()
    )
    assert done.state == PayoutBatch.State.CANCELLED and done.closed_at
    assert earnings(payee) == money(due="10")
    assert not verify_commissions(now=NOW)


def test_one_person_is_left_out_before_the_file_is_made() -> None:
    payees = [make_payee("10.00"), make_payee("20.00")]
    batch = submit_batch(batch=made(), acting_user=maker())
    out = Payout.objects.get(affiliate=payees[0].affiliate)
    release_payouts(batch=batch, payout_ids=[out.pk], reason="asked to wait", acting_user=maker())
    approve_batch(batch=batch, acting_user=checker())
    content = hand_over(batch=batch, acting_user=maker()).content
    assert out.reference not in content and len(content.splitlines()) == 2
    assert earnings(payees[0]) == money(due="10")
    assert not verify_commissions(now=NOW)


def test_a_failed_payment_cannot_be_marked_paid_and_a_paid_one_cannot_fail() -> None:
    make_payee("10.00")
    make_payee("20.00")
    batch = sent()
    failed, paid = payout_ids(batch)
    release_payouts(batch=batch, payout_ids=[failed], reason="x", acting_user=maker())
    mark_paid(batch=batch, payout_ids=[paid], acting_user=maker())
    lines = PayoutLine.objects.count()
    with pytest.raises(PayoutStateError):
        mark_paid(batch=batch, payout_ids=[failed], acting_user=maker())
    with pytest.raises(PayoutStateError):
        release_payouts(batch=batch, payout_ids=[paid], reason="x", acting_user=maker())
    assert PayoutLine.objects.count() == lines
    assert Payout.objects.get(pk=paid).state == Payout.State.PAID


def test_an_unknown_payment_changes_nothing() -> None:
    make_payee("10.00")
    batch = sent()
    ids = [*payout_ids(batch), 10**9]
    with pytest.raises(PayoutNotFoundError):
        mark_paid(batch=batch, payout_ids=ids, acting_user=maker())
    with pytest.raises(PayoutNotFoundError):
        release_payouts(batch=batch, payout_ids=ids, reason="x", acting_user=maker())
    assert not Payout.objects.exclude(state=Payout.State.OPEN).exists()


@pytest.mark.parametrize("step", ["approve", "hand over"])
@pytest.mark.parametrize("cause", ["review", "suspended"])
def test_nobody_is_paid_who_came_under_review_or_was_suspended_meanwhile(
    step: str, cause: str
) -> None:
    payee = make_payee(name="Asha Rao")
    code = payee.codes.get().text
    conversion = in_review(code)
    Conversion.objects.update(review=Conversion.Review.NONE)
    make_payee("20.00")
    batch = in_the_state("submitted" if step == "approve" else "approved")
    if cause == "review":
        Conversion.objects.update(review=Conversion.Review.OPEN)
    else:
        Affiliate.objects.filter(pk=payee.affiliate_id).update(state=Affiliate.State.SUSPENDED)
    with pytest.raises(BlockedPayoutsError, match="Asha Rao"):
        STEPS[step](batch)
    batch.refresh_from_db()
    assert not batch.content and batch.state in ("submitted", "approved")
    out = Payout.objects.get(affiliate=payee.affiliate)
    release_payouts(batch=batch, payout_ids=[out.pk], reason=cause, acting_user=maker())
    STEPS[step](batch)
    assert conversion.entries.get().amount == 100
    assert not verify_commissions(now=NOW)
