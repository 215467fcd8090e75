"""What every step of a batch does first and last: lock it, and note who did what."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from affiliates.errors import BatchStateError, BlockedPayoutsError
from affiliates.models import Affiliate, Conversion, Payout, PayoutBatch, PayoutLine, PayoutStep
from loyalty_site.staff.models import User

_SHOWN_NAMES = 5


def lock_batch(batch: PayoutBatch) -> PayoutBatch:
    return PayoutBatch.objects.select_for_update(no_key=True).get(pk=batch.pk)


def require_state(batch: PayoutBatch, *states: PayoutBatch.State) -> None:
    """Refuse a step that does not follow from the batch's state.

    Raises:
        BatchStateError: it is in another state.
    """
    if batch.state not in states:
        raise BatchStateError(state=batch.get_state_display())


def open_payouts(batch: PayoutBatch) -> list[Payout]:
    return list(
        batch.payouts.filter(state=Payout.State.OPEN)
        .select_related("affiliate__customer", "details")
        .order_by("pk")
    )


def note_step(
    batch: PayoutBatch,
    kind: PayoutStep.Kind,
    payouts: Sequence[Payout],
    *,
    acting_user: User | None,
    at: datetime,
    reason: str = "",
) -> None:
    """Write down who did what, with how many payouts and their net sum."""
    PayoutStep.objects.create(
        batch=batch,
        kind=kind,
        payouts=len(payouts),
        amount=sum((payout.net for payout in payouts), Decimal("0.00")),
        reason=reason,
        at=at,
        by=acting_user,
    )


def refuse_blocked(payouts: Sequence[Payout]) -> None:
    """Refuse to pay somebody who is no longer approved, or whose commission came under review.

    Raises:
        BlockedPayoutsError: there are such payouts; they can be taken out.
    """
    reviewed = set(
        PayoutLine.objects.filter(
            payout__in=payouts, entry__conversion__review=Conversion.Review.OPEN
        ).values_list("payout_id", flat=True)
    )
    blocked = [one for one in payouts if one.pk in reviewed or not one.affiliate.may_earn]
    if blocked:
        raise BlockedPayoutsError(names=_names([one.affiliate for one in blocked]))


def _names(affiliates: Sequence[Affiliate]) -> str:
    shown = ", ".join(one.name for one in affiliates[:_SHOWN_NAMES])
    more = len(affiliates) - _SHOWN_NAMES
    return f"{shown} (+{more})" if more > 0 else shown


def free_lines(payouts: Sequence[Payout], *, state: Payout.State, note: str) -> None:
    """Take payouts out: their commissions are due again; the payout remembers which they were."""
    lines: dict[int, list[int]] = {payout.pk: [] for payout in payouts}
    rows = PayoutLine.objects.filter(payout__in=payouts)
    for payout_id, entry_id in rows.order_by("entry_id").values_list("payout_id", "entry_id"):
        lines[payout_id].append(entry_id)
    for payout in payouts:
        payout.explanation = {**payout.explanation, "freed_entries": lines[payout.pk]}
        payout.state = state
        payout.note = note
    Payout.objects.bulk_update(payouts, ["explanation", "state", "note"])
    rows.delete()
