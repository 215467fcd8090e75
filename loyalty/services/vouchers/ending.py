"""Codes used once, withdrawn, or past their day."""

from datetime import date, datetime

from django.db import transaction
from django.utils import timezone

from customers.models import Store
from loyalty.events import VoucherUsed
from loyalty.models import (
    Redemption,
    Voucher,
)
from loyalty.selectors.vouchers import refusal_of
from loyalty.services.vouchers.handing_out import move_vouchers
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User


@transaction.atomic
def use_voucher(
    *,
    voucher: Voucher,
    store: Store | None = None,
    bill: str = "",
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Voucher:
    """Use a voucher at a till, once. The same store and bill again answer with the same voucher.

    Raises:
        VoucherUsedError: it was used; it says where and when.
        VoucherExpiredError: its last day is over.
        VoucherNotUsableError: it was cancelled, or never given out.
        VoucherWrongStoreError: it is for other stores.
    """
    now = now or timezone.now()
    locked = (
        Voucher.objects.select_related(
            "account__customer", "redemption__reward", "used_store", "pool__program"
        )
        .select_for_update(of=("self",))
        .get(pk=voucher.pk)
    )
    is_same = bill and (locked.used_bill, locked.used_store) == (bill, store)
    if locked.state == Voucher.State.USED and is_same:
        return locked
    today = locked.pool.program.day_of(now)
    if refusal := refusal_of(locked, store=store, today=today):
        raise refusal
    locked.used_at, locked.used_store, locked.used_bill = now, store, bill
    written = ["used_at", "used_store", "used_bill"]
    move_vouchers([locked], Voucher.State.USED, bill, acting_user, now, written)
    if locked.account is not None:
        publish(
            [
                VoucherUsed(
                    voucher_id=locked.pk,
                    account_id=locked.account.pk,
                    customer_id=locked.account.customer_id,
                    store_id=store.pk if store else None,
                    occurred_at=now,
                )
            ]
        )
    return locked


def cancel_issued(
    *, redemption: Redemption, reason: str, acting_user: User | None, now: datetime
) -> list[Voucher]:
    """End the vouchers of a redemption that is undone; returns those that were used instead.

    Part of the redemption's own transaction, which must not go on if any were used.
    """
    vouchers = list(redemption.vouchers.order_by("pk").select_for_update(of=("self",)))
    used = [voucher for voucher in vouchers if voucher.state == Voucher.State.USED]
    if not used:
        move_vouchers(vouchers, Voucher.State.CANCELLED, reason, acting_user, now, [])
    return used


@transaction.atomic
def expire_vouchers(*, on: date, program_id: int, limit: int = 1000) -> int:
    """End vouchers whose last day is before `on`; returns how many. Call again until it is 0."""
    due = (
        Voucher.objects.filter(
            state=Voucher.State.ISSUED, expires_on__lt=on, pool__program_id=program_id
        )
        .order_by("pk")
        .select_for_update(of=("self",), skip_locked=True)
    )
    vouchers = list(due[:limit])
    move_vouchers(vouchers, Voucher.State.EXPIRED, "", None, timezone.now(), [])
    return len(vouchers)
