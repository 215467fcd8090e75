"""Complete a reservation: points are spent, vouchers handed out, the bill noted."""

from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from customers.models import Purchase
from loyalty import ledger
from loyalty.errors import (
    OtherCustomersBillError,
    PaymentTooLargeError,
    RedemptionClosedError,
    ReservationOverError,
)
from loyalty.events import RewardRedeemed
from loyalty.models import Redemption
from loyalty.services.redemptions.steps import BillNamed, command_fields, lock, note_step, post_for
from loyalty.services.vouchers.handing_out import issue_claimed
from loyalty_site.common.money import format_money
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User


@transaction.atomic
def commit_redemption(
    *,
    redemption: Redemption,
    bill: BillNamed | None = None,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Redemption:
    """Complete a reservation: spend its points, hand out its vouchers, note the bill. Once.

    Repeating it answers with the same redemption.

    Raises:
        RedemptionClosedError: it was cancelled or ran out.
        ReservationOverError: its 15 minutes are over.
        OtherCustomersBillError: the bill belongs to somebody else.
        PaymentTooLargeError: points would pay more than the bill allows.
    """
    now, bill = now or timezone.now(), bill or BillNamed()
    if bill.purchase is not None:
        # A settlement holds the bill before it waits for the account; so do we.
        Purchase.objects.select_for_update(of=("self",)).get(pk=bill.purchase.pk)
    locked = lock(redemption)
    if locked.state == Redemption.State.COMMITTED:
        return locked
    if locked.state != Redemption.State.RESERVED:
        raise RedemptionClosedError(state=locked.get_state_display().lower())
    if locked.expires_at <= now:
        until = timezone.localtime(locked.expires_at).strftime("%H:%M")
        raise ReservationOverError(until=until)
    complete(locked, bill, acting_user, now)
    return locked


def complete(
    redemption: Redemption, bill: BillNamed, acting_user: User | None, now: datetime
) -> None:
    _check_bill(redemption, bill)
    redemption.purchase = bill.purchase
    redemption.bill_source, redemption.bill_key = bill.source, bill.key
    if bill.purchase is not None:
        redemption.bill_source = bill.purchase.source
        redemption.bill_key = bill.purchase.external_id
    capture = ledger.Capture(
        **command_fields(redemption, acting_user, now),
        reference=f"{redemption.hold_reference}:done",
        hold_reference=redemption.hold_reference,
        details=redemption.details,
    )
    entry = post_for(redemption, capture, now)
    redemption.entry_id = entry.id if entry else None
    redemption.state = Redemption.State.COMMITTED
    redemption.committed_at = now
    redemption.save(
        update_fields=[
            "state",
            "entry",
            "purchase",
            "bill_source",
            "bill_key",
            "committed_at",
        ]
    )
    if redemption.reward.has_voucher:
        issue_claimed(redemption=redemption, acting_user=acting_user, now=now)
    note_step([redemption], reason=redemption.bill_key, acting_user=acting_user, now=now)
    publish(
        [
            RewardRedeemed(
                redemption_id=redemption.pk,
                account_id=redemption.account_id,
                customer_id=redemption.account.customer_id,
                reward_id=redemption.reward_id,
                points=redemption.points,
                occurred_at=now,
            )
        ]
    )


def _check_bill(redemption: Redemption, bill: BillNamed) -> None:
    purchase = bill.purchase
    if purchase is None:
        return
    if purchase.customer_id not in {None, redemption.account.customer_id}:
        raise OtherCustomersBillError(bill=purchase.number)
    if redemption.amount is None:
        return
    # Tills differ in whether points lower the net; the gross with its tax is the most there was.
    most = (purchase.gross + purchase.tax) * redemption.reward.share_percent / 100
    if redemption.amount > most:
        currency = redemption.account.program.currency
        raise PaymentTooLargeError(
            bill=purchase.number,
            most=format_money(most.quantize(Decimal("0.01")), currency),
            amount=format_money(redemption.amount, currency),
        )
