"""Codes set aside, given to customers, or put back."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import F

from loyalty.engine.codes import code_key
from loyalty.engine.expiry import NEVER
from loyalty.errors import (
    PoolEmptyError,
)
from loyalty.events import VoucherIssued
from loyalty.models import (
    Redemption,
    Voucher,
    VoucherPool,
    VoucherStep,
)
from loyalty.services.vouchers.pools import fresh_codes
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User


def claim_codes(
    *, redemption: Redemption, count: int, acting_user: User | None, now: datetime
) -> list[Voucher]:
    """Set codes aside for a reservation; part of the redemption's own transaction.

    Codes that another transaction is taking are passed over, not waited for.

    Raises:
        PoolEmptyError: there are not as many.
    """
    pool = redemption.reward.pool
    if pool is None or (pool.ends_on and pool.ends_on < pool.program.day_of(now)):
        raise PoolEmptyError()
    free = Voucher.objects.filter(pool=pool, state=Voucher.State.AVAILABLE).order_by("id")
    vouchers = list(free.select_for_update(skip_locked=True)[:count])
    missing = count - len(vouchers)
    if missing and pool.is_generated and pool.refills:
        made = [
            Voucher(pool=pool, code=code, key=code_key(code)) for code in fresh_codes(pool, missing)
        ]
        vouchers += Voucher.objects.bulk_create(made)
        VoucherPool.objects.filter(pk=pool.pk).update(
            wanted=F("wanted") + missing, made=F("made") + missing
        )
    elif missing:
        raise PoolEmptyError()
    for voucher in vouchers:
        voucher.account, voucher.redemption = redemption.account, redemption
    move_vouchers(
        vouchers, Voucher.State.SET_ASIDE, "", acting_user, now, ["account", "redemption"]
    )
    return vouchers


def return_codes(
    *, redemptions: Sequence[Redemption], acting_user: User | None, now: datetime
) -> None:
    """Put codes back that nobody saw; part of the redemptions' own transaction."""
    vouchers = list(
        Voucher.objects.filter(redemption__in=redemptions, state=Voucher.State.SET_ASIDE)
        .order_by("pk")
        .select_for_update(of=("self",))
    )
    for voucher in vouchers:
        voucher.account = voucher.redemption = None
    move_vouchers(
        vouchers, Voucher.State.AVAILABLE, "", acting_user, now, ["account", "redemption"]
    )


def issue_claimed(
    *, redemption: Redemption, acting_user: User | None, now: datetime
) -> list[Voucher]:
    """Give a redemption's codes to the customer; part of the redemption's own transaction."""
    reward, program = redemption.reward, redemption.account.program
    vouchers = list(
        redemption.vouchers.filter(state=Voucher.State.SET_ASIDE)
        .order_by("pk")
        .select_for_update(of=("self",))
    )
    pool = reward.pool
    last_day = voucher_last_day(
        today=program.day_of(now),
        valid_days=reward.valid_days,
        ends_on=pool.ends_on if pool else None,
    )
    for voucher in vouchers:
        voucher.issued_at, voucher.expires_on = now, last_day
        voucher.amount = reward.amount.quantize(Decimal("0.01")) if reward.amount else None
    written = ["issued_at", "expires_on", "amount"]
    move_vouchers(vouchers, Voucher.State.ISSUED, reward.name, acting_user, now, written)
    publish(
        VoucherIssued(
            voucher_id=voucher.pk,
            account_id=redemption.account_id,
            customer_id=redemption.account.customer_id,
            redemption_id=redemption.pk,
            expires_on=last_day,
            occurred_at=now,
        )
        for voucher in vouchers
    )
    return vouchers


def voucher_last_day(*, today: date, valid_days: int | None, ends_on: date | None) -> date:
    """The last day of a voucher issued today: the sooner of the reward's days and the pool's."""
    days = today + timedelta(days=valid_days) if valid_days else NEVER
    return min(days, ends_on or NEVER)


def move_vouchers(
    vouchers: Sequence[Voucher],
    state: Voucher.State,
    reason: str,
    acting_user: User | None,
    now: datetime,
    written: Sequence[str],
) -> None:
    """Bring locked vouchers into a state, with its line in their history."""
    for voucher in vouchers:
        voucher.state = state
    Voucher.objects.bulk_update(vouchers, ["state", *written], batch_size=500)
    VoucherStep.objects.bulk_create(
        [
            VoucherStep(
                voucher=voucher, state=state, reason=reason[:200], actor=acting_user, at=now
            )
            for voucher in vouchers
        ],
        batch_size=500,
    )
