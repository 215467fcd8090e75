"""Reservations given up or run out, and redemptions taken back."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from loyalty import ledger
from loyalty.errors import (
    RedemptionClosedError,
    RedemptionNotDoneError,
    RedemptionVoucherUsedError,
)
from loyalty.events import RedemptionCancelled
from loyalty.models import Redemption
from loyalty.selectors.rewards import (
    redemption_rows,
)
from loyalty.services.points import post_commands
from loyalty.services.redemptions.steps import (
    command_fields,
    lock,
    note_step,
    post_for,
    put_back,
    title_of,
)
from loyalty.services.vouchers.ending import cancel_issued
from loyalty.services.vouchers.handing_out import return_codes
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User


@transaction.atomic
def cancel_reservation(
    *,
    redemption: Redemption,
    reason: str = "",
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Redemption:
    """Let a reservation go: its points and pieces are free again. Repeating it changes nothing.

    Raises:
        RedemptionClosedError: it was completed.
    """
    now = now or timezone.now()
    locked = lock(redemption)
    if locked.state in {Redemption.State.CANCELLED, Redemption.State.EXPIRED}:
        return locked
    if locked.state != Redemption.State.RESERVED:
        raise RedemptionClosedError(state=locked.get_state_display().lower())
    _let_go([locked], Redemption.State.CANCELLED, reason, acting_user, now)
    return locked


@transaction.atomic
def expire_reservations(*, now: datetime | None = None, limit: int = 200) -> int:
    """Let go of reservations whose time is over; returns how many. Call again until it is 0.

    Rows that are being completed are left to whoever holds them.
    """
    now = now or timezone.now()
    due = list(
        redemption_rows()
        .filter(state=Redemption.State.RESERVED, expires_at__lte=now)
        .order_by("pk")
        .select_for_update(of=("self",), skip_locked=True)[:limit]
    )
    if due:
        _let_go(due, Redemption.State.EXPIRED, "Nobody fetched it in time", None, now)
    return len(due)


def _let_go(
    redemptions: Sequence[Redemption],
    state: Redemption.State,
    reason: str,
    acting_user: User | None,
    now: datetime,
) -> None:
    """Free what locked reservations hold, in a constant number of queries."""
    put_back(redemptions)
    return_codes(redemptions=redemptions, acting_user=acting_user, now=now)
    by_program: dict[int, list[Redemption]] = {}
    for redemption in redemptions:
        by_program.setdefault(redemption.account.program_id, []).append(redemption)
    for group in by_program.values():
        outcomes = post_commands(
            program=group[0].account.program,
            commands=[
                ledger.Release(
                    **command_fields(redemption, acting_user, now),
                    reference=f"{redemption.hold_reference}:free",
                    hold_reference=redemption.hold_reference,
                    ran_out=state == Redemption.State.EXPIRED,
                )
                for redemption in group
            ],
            customers={one.account_id: one.account.customer_id for one in group},
            now=now,
        )
        for outcome in outcomes:
            if outcome.refusal is not None:
                raise outcome.refusal
    for redemption in redemptions:
        redemption.state, redemption.closed_at = state, now
    Redemption.objects.filter(pk__in=[one.pk for one in redemptions]).update(
        state=state, closed_at=now
    )
    note_step(redemptions, reason=reason, acting_user=acting_user, now=now)


@transaction.atomic
def cancel_redemption(
    *,
    redemption: Redemption,
    reason: str,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Redemption:
    """Undo a completed redemption: its vouchers end, its points return to their lots.

    Points that came back with returned goods do not come back twice. Repeating it changes nothing.

    Raises:
        RedemptionNotDoneError: it is only reserved.
        RedemptionClosedError: it ran out.
        RedemptionVoucherUsedError: its voucher was used.
    """
    now = now or timezone.now()
    locked = lock(redemption)
    if locked.state == Redemption.State.RESERVED:
        raise RedemptionNotDoneError()
    if locked.state == Redemption.State.CANCELLED:
        return locked
    if locked.state != Redemption.State.COMMITTED or locked.entry_id is None:
        raise RedemptionClosedError(state=locked.get_state_display().lower())
    put_back([locked])
    used = cancel_issued(redemption=locked, reason=reason, acting_user=acting_user, now=now)
    if used:
        raise RedemptionVoucherUsedError(code=used[0].masked)
    give_back = ledger.GiveBack(
        **{
            **command_fields(locked, acting_user, now),
            "reason": _("Given back: %s") % title_of(locked),
        },
        reference=f"{locked.hold_reference}:back",
        entry_id=locked.entry_id,
        total=locked.points,
        details={"redemption": str(locked.public_id), "why": reason},
    )
    post_for(locked, give_back, now)
    locked.state, locked.closed_at = Redemption.State.CANCELLED, now
    locked.save(update_fields=["state", "closed_at"])
    note_step([locked], reason=reason, acting_user=acting_user, now=now)
    publish(
        [
            RedemptionCancelled(
                redemption_id=locked.pk,
                account_id=locked.account_id,
                customer_id=locked.account.customer_id,
                reward_id=locked.reward_id,
                occurred_at=now,
            )
        ]
    )
    return locked
