"""Batches once they are approved: the file, and what became of each payment."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from affiliates.engine import Method, Transfer, payment_file
from affiliates.errors import PayoutNotFoundError, PayoutStateError
from affiliates.events import PayoutFailed, PayoutPaid
from affiliates.models import Payout, PayoutBatch, PayoutStep
from affiliates.services.payouts.steps import (
    free_lines,
    lock_batch,
    note_step,
    open_payouts,
    refuse_blocked,
    require_state,
)
from loyalty.services import PointsRequest, award_points_batch, default_program, open_accounts
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User

_State = PayoutBatch.State
_BEFORE_FILE = (_State.DRAFT, _State.SUBMITTED, _State.APPROVED)


@transaction.atomic
def hand_over(*, batch: PayoutBatch, acting_user: User, now: datetime | None = None) -> PayoutBatch:
    """Make the file of an approved batch, once; asking again gives the same bytes again.

    Every payment has its unique reference in the file; `content` is the text, `file_hash` its
    SHA-256. A batch in points has no file: the points are credited here, in this transaction
    and once per reference, and the batch is paid; an account that refuses them fails its payout.

    Raises:
        BatchStateError: it is not approved, or cancelled.
        BlockedPayoutsError: somebody in it is no longer approved or under review.
    """
    now = now or timezone.now()
    locked = lock_batch(batch)
    if locked.state in (_State.SENT, _State.PAID):
        if locked.content:
            payouts = list(locked.payouts.exclude(state=Payout.State.CANCELLED))
            note_step(locked, PayoutStep.Kind.FETCHED, payouts, acting_user=acting_user, at=now)
        return locked
    require_state(locked, _State.APPROVED)
    payouts = open_payouts(locked)
    refuse_blocked(payouts)
    if locked.method == Method.POINTS:
        _credit_points(locked, payouts, acting_user, now)
        return locked
    transfers = [_transfer(one, locked.currency) for one in payouts if one.net > 0]
    locked.content = payment_file(transfers, method=Method(locked.method))
    locked.file_hash = hashlib.sha256(locked.content.encode()).hexdigest()
    locked.file_name = f"payouts-{locked.pk}-{locked.method}.csv"
    locked.state = _State.SENT
    locked.save(update_fields=["content", "file_hash", "file_name", "state"])
    note_step(locked, PayoutStep.Kind.SENT, payouts, acting_user=acting_user, at=now)
    return locked


def _transfer(payout: Payout, currency: str) -> Transfer:
    details = payout.details
    return Transfer(
        reference=payout.reference,
        name=details.holder or payout.affiliate.name,
        account=details.account,
        bank_code=details.bank_code,
        amount=payout.net,
        currency=currency,
    )


def _credit_points(
    batch: PayoutBatch, payouts: Sequence[Payout], acting_user: User, now: datetime
) -> None:
    program = default_program()
    customers = {one.pk: one.affiliate.customer_id for one in payouts}
    accounts = open_accounts(
        program=program, customer_ids=[pk for pk in customers.values() if pk is not None]
    )
    # Who was a customer when the batch was made still is: the link is never taken away.
    outcomes = award_points_batch(
        program=program,
        requests=[
            PointsRequest(
                account=accounts[customers[one.pk] or 0],
                points=one.points or 0,
                reference=f"payout:{one.reference}",
                reason="Commission paid in points",
            )
            for one in payouts
        ],
        acting_user=acting_user,
    )
    refused = {
        payout.pk: str(outcome.refusal)
        for payout, outcome in zip(payouts, outcomes, strict=True)
        if outcome.refusal is not None
    }
    _settle_paid(batch, [one for one in payouts if one.pk not in refused], acting_user, now)
    for payout in payouts:
        if payout.pk in refused:
            _settle_failed(batch, [payout], refused[payout.pk], acting_user, now)
    _close_if_done(batch, now)


@transaction.atomic
def mark_paid(
    *,
    batch: PayoutBatch,
    acting_user: User,
    payout_ids: Collection[int] | None = None,
    now: datetime | None = None,
) -> PayoutBatch:
    """Say that payments of a handed-over batch have arrived: all that are open, or these.

    What is paid already stays as it is. With the last one the batch is done.

    Raises:
        BatchStateError: its file is not out, or it is cancelled.
        PayoutNotFoundError: an id is not of this batch; nothing was changed.
        PayoutStateError: one of them failed or was cancelled; nothing was changed.
    """
    now = now or timezone.now()
    locked = lock_batch(batch)
    require_state(locked, _State.SENT, _State.PAID)
    payouts = _find(locked, payout_ids)
    if payout_ids is not None:
        _refuse(payouts, Payout.State.FAILED, Payout.State.CANCELLED)
    _settle_paid(locked, _open(payouts), acting_user, now)
    _close_if_done(locked, now)
    return locked


@transaction.atomic
def release_payouts(
    *,
    batch: PayoutBatch,
    payout_ids: Collection[int],
    reason: str,
    acting_user: User,
    now: datetime | None = None,
) -> PayoutBatch:
    """Take payouts out: before the file is out they are left out, afterwards they failed.

    Their commissions are due again. What was taken out before stays as it is.

    Raises:
        BatchStateError: the batch is cancelled.
        PayoutNotFoundError: an id is not of this batch; nothing was changed.
        PayoutStateError: one of them is paid; nothing was changed.
    """
    now = now or timezone.now()
    locked = lock_batch(batch)
    require_state(locked, *_BEFORE_FILE, _State.SENT, _State.PAID)
    payouts = _find(locked, payout_ids)
    _refuse(payouts, Payout.State.PAID)
    taken = _open(payouts)
    if locked.state == _State.SENT:
        _settle_failed(locked, taken, reason, acting_user, now)
    elif taken:
        free_lines(taken, state=Payout.State.CANCELLED, note=reason)
        _note_release(locked, taken, reason, acting_user, now)
    _close_if_done(locked, now)
    return locked


def _find(batch: PayoutBatch, ids: Collection[int] | None) -> list[Payout]:
    payouts = batch.payouts.select_related("affiliate").order_by("pk")
    if ids is None:
        return list(payouts)
    found = list(payouts.filter(pk__in=ids))
    if len(found) != len(set(ids)):
        raise PayoutNotFoundError()
    return found


def _open(payouts: Iterable[Payout]) -> list[Payout]:
    return [one for one in payouts if one.state == Payout.State.OPEN]


def _refuse(payouts: Iterable[Payout], *states: Payout.State) -> None:
    for one in payouts:
        if one.state in states:
            raise PayoutStateError(reference=one.reference, state=one.get_state_display())


def _settle_paid(
    batch: PayoutBatch, payouts: Sequence[Payout], acting_user: User, now: datetime
) -> None:
    if not payouts:
        return
    for one in payouts:
        one.state = Payout.State.PAID
        one.paid_at = now
    Payout.objects.bulk_update(payouts, ["state", "paid_at"])
    note_step(batch, PayoutStep.Kind.PAID, payouts, acting_user=acting_user, at=now)
    publish(
        PayoutPaid(
            payout_id=one.pk,
            affiliate_id=one.affiliate_id,
            customer_id=one.affiliate.customer_id,
            reference=one.reference,
            gross=one.gross,
            withheld=one.withheld,
            net=one.net,
            currency=batch.currency,
            points=one.points,
            paid_at=now,
        )
        for one in payouts
    )


def _settle_failed(
    batch: PayoutBatch, payouts: Sequence[Payout], reason: str, acting_user: User, now: datetime
) -> None:
    if not payouts:
        return
    free_lines(payouts, state=Payout.State.FAILED, note=reason)
    _note_release(batch, payouts, reason, acting_user, now)
    publish(
        PayoutFailed(
            payout_id=one.pk,
            affiliate_id=one.affiliate_id,
            customer_id=one.affiliate.customer_id,
            reference=one.reference,
            net=one.net,
            currency=batch.currency,
            reason=reason,
        )
        for one in payouts
    )


def _note_release(
    batch: PayoutBatch, payouts: Sequence[Payout], reason: str, acting_user: User, now: datetime
) -> None:
    note_step(
        batch, PayoutStep.Kind.RELEASED, payouts, acting_user=acting_user, at=now, reason=reason
    )


def _close_if_done(batch: PayoutBatch, now: datetime) -> None:
    """End a batch in which nothing is on its way any more."""
    if batch.closed_at or batch.payouts.filter(state=Payout.State.OPEN).exists():
        return
    has_paid = batch.payouts.filter(state=Payout.State.PAID).exists()
    batch.state = _State.PAID if has_paid else _State.CANCELLED
    batch.closed_at = now
    batch.save(update_fields=["state", "closed_at"])
