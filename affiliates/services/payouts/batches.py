"""Batches of payouts until they are approved: made by one person, approved by another."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from affiliates.engine import MINOR_UNIT, Method
from affiliates.errors import NothingToPayError, OwnPayoutError, SameMakerError
from affiliates.models import Affiliate, Payout, PayoutBatch, PayoutLine, PayoutStep
from affiliates.selectors import PlannedPayout, due_entries, plan_payouts
from affiliates.services.payouts.steps import (
    free_lines,
    lock_batch,
    note_step,
    open_payouts,
    refuse_blocked,
    require_state,
)
from loyalty_site.common.rows import insert_missing_rows
from loyalty_site.staff.models import User

MOST_PAYOUTS = 5_000
_State = PayoutBatch.State


@transaction.atomic
def make_batch(
    *,
    method: Method,
    acting_user: User | None,
    leave_out: Collection[int] = (),
    now: datetime | None = None,
) -> PayoutBatch:
    """Put everything that is due of everybody who is paid this way into a new batch.

    `leave_out` names affiliates who are not to be in it. Who waits is left out, too (see
    `plan_payouts`), and who comes after the first 5,000. A commission goes into one batch however
    many are made at once: affiliates are locked in order, and a line is unique.

    Raises:
        NothingToPayError: nobody can be paid this way; nothing was written.
        NoTaxRateError: tax is to be withheld, and no rate is known.
    """
    now = now or timezone.now()
    wanted = [
        one.affiliate.pk
        for one in _payable(plan_payouts(now=now), method)
        if one.affiliate.pk not in leave_out
    ]
    ids = sorted(wanted)[:MOST_PAYOUTS]
    list(
        Affiliate.objects.select_for_update(no_key=True)
        .filter(pk__in=ids)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    batch = PayoutBatch.objects.create(
        method=method, currency=settings.DEFAULT_CURRENCY, made_at=now, made_by=acting_user
    )
    payouts = _claim(batch, ids, now)
    if not payouts:
        raise NothingToPayError()
    note_step(batch, PayoutStep.Kind.MADE, payouts, acting_user=acting_user, at=now)
    return batch


def _payable(planned: list[PlannedPayout], method: Method) -> list[PlannedPayout]:
    return [
        one for one in planned if one.wait is None and one.details and one.details.method == method
    ]


def _claim(batch: PayoutBatch, affiliate_ids: Collection[int], now: datetime) -> list[Payout]:
    """Make the payouts of these affiliates, who are locked, and give each its commissions."""
    entries: dict[int, list[int]] = {}
    sums: dict[int, Decimal] = {}
    rows = due_entries(now=now, currency=batch.currency).filter(affiliate_id__in=affiliate_ids)
    for pk, entry_id, amount in rows.order_by("pk").values_list("affiliate_id", "pk", "amount"):
        entries.setdefault(pk, []).append(entry_id)
        sums[pk] = sums.get(pk, Decimal("0.00")) + amount
    planned = _payable(plan_payouts(now=now, due=sums), Method(batch.method))
    payouts = Payout.objects.bulk_create([_payout(batch, one) for one in planned])
    lines = [(entry_id, one.pk) for one in payouts for entry_id in entries[one.affiliate_id]]
    insert_missing_rows(PayoutLine, ["entry_id", "payout_id"], sorted(lines))
    return _won(payouts)


def _payout(batch: PayoutBatch, planned: PlannedPayout) -> Payout:
    return Payout(
        batch=batch,
        affiliate=planned.affiliate,
        details=planned.details,
        reference=f"AP{batch.pk}X{planned.affiliate.pk}",
        gross=planned.due,
        withheld=planned.withheld,
        taxed=planned.taxed,
        net=planned.net,
        points=planned.points,
        explanation=dict(planned.explanation),
    )


def _won(payouts: list[Payout]) -> list[Payout]:
    """The payouts that got all of their commissions; the others are given up."""
    sums = dict(
        PayoutLine.objects.filter(payout__in=payouts)
        .values_list("payout_id")
        .annotate(won=Sum("entry__amount"))
    )
    won = [one for one in payouts if _rounded(sums.get(one.pk)) == one.gross]
    lost = [one.pk for one in payouts if one not in won]
    if lost:
        Payout.objects.filter(pk__in=lost).delete()
    return won


def _rounded(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount.quantize(MINOR_UNIT)


@transaction.atomic
def submit_batch(
    *, batch: PayoutBatch, acting_user: User, now: datetime | None = None
) -> PayoutBatch:
    """Send a batch to a second person; sending it again changes nothing.

    Whoever submits a batch that the schedule made answers for it as its maker.

    Raises:
        BatchStateError: it is past this step.
    """
    locked = lock_batch(batch)
    if locked.state == _State.SUBMITTED:
        return locked
    require_state(locked, _State.DRAFT)
    locked.state = _State.SUBMITTED
    locked.made_by = locked.made_by or acting_user
    locked.save(update_fields=["state", "made_by"])
    _note(locked, PayoutStep.Kind.SUBMITTED, acting_user, now)
    return locked


@transaction.atomic
def approve_batch(
    *, batch: PayoutBatch, acting_user: User, now: datetime | None = None
) -> PayoutBatch:
    """Let a batch go out, as the second person; repeating one's own approval changes nothing.

    Raises:
        BatchStateError: it does not wait for approval, or somebody else approved it.
        SameMakerError: the maker cannot approve.
        OwnPayoutError: who approves would be paid.
        BlockedPayoutsError: somebody in it is no longer approved or under review.
    """
    now = now or timezone.now()
    locked = lock_batch(batch)
    if locked.state == _State.APPROVED and locked.approved_by_id == acting_user.pk:
        return locked
    require_state(locked, _State.SUBMITTED)
    if locked.made_by_id in (None, acting_user.pk):
        raise SameMakerError()
    payouts = open_payouts(locked)
    email = acting_user.email.casefold()
    if any(
        email in (one.affiliate.email, getattr(one.affiliate.customer, "email", ""))
        for one in payouts
    ):
        raise OwnPayoutError()
    refuse_blocked(payouts)
    locked.state = _State.APPROVED
    locked.approved_at = now
    locked.approved_by = acting_user
    locked.save(update_fields=["state", "approved_at", "approved_by"])
    note_step(locked, PayoutStep.Kind.APPROVED, payouts, acting_user=acting_user, at=now)
    return locked


@transaction.atomic
def cancel_batch(
    *, batch: PayoutBatch, reason: str, acting_user: User, now: datetime | None = None
) -> PayoutBatch:
    """Give a batch up before its file is out; everything in it is due again.

    Raises:
        BatchStateError: its file is out, or all is paid.
    """
    now = now or timezone.now()
    locked = lock_batch(batch)
    if locked.state == _State.CANCELLED:
        return locked
    require_state(locked, _State.DRAFT, _State.SUBMITTED, _State.APPROVED)
    payouts = open_payouts(locked)
    free_lines(payouts, state=Payout.State.CANCELLED, note=reason)
    locked.state = _State.CANCELLED
    locked.closed_at = now
    locked.reason = reason
    locked.save(update_fields=["state", "closed_at", "reason"])
    note_step(
        locked,
        PayoutStep.Kind.CANCELLED,
        payouts,
        acting_user=acting_user,
        at=now,
        reason=reason,
    )
    return locked


def _note(
    batch: PayoutBatch, kind: PayoutStep.Kind, acting_user: User, now: datetime | None
) -> None:
    note_step(batch, kind, open_payouts(batch), acting_user=acting_user, at=now or timezone.now())
