"""Points that customers send to each other."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Count, Sum
from django.utils import timezone

from customers.models import Customer
from loyalty.errors import (
    AccountClosedError,
    ReferenceReusedError,
    SameAccountError,
    TransferRefusedError,
)
from loyalty.ledger import Transfer
from loyalty.models import Account, PeopleTerms, PointsTransfer
from loyalty.services.accounts import local_date
from loyalty.services.points import post_commands
from loyalty.services.terms import people_terms
from loyalty_site.staff.models import User

_LONGEST_REFERENCE = 90


@transaction.atomic
def transfer_points(
    *,
    sender: Account,
    receiver: Account,
    points: int,
    reference: str,
    note: str = "",
    acting_user: User | None = None,
    now: datetime | None = None,
) -> PointsTransfer:
    """Send points to another customer, once per reference; they keep their last day.

    The limits of a day hold for customers and staff alike. Repeating a call answers with the
    transfer that the first one made.

    Raises:
        SameAccountError: sender and receiver are one.
        TransferRefusedError: transfers are off, too small, or too many for one day; or somebody
            is blocked.
        InvalidPointsError: points is not a positive whole number.
        InsufficientPointsError: fewer points are available.
        AccountClosedError: one of the accounts is closed.
        ReferenceReusedError: the reference stands for something else.
    """
    now = now or timezone.now()
    if sender.pk == receiver.pk:
        raise SameAccountError()
    accounts = {
        account.pk: account
        for account in Account.objects.filter(pk__in=(sender.pk, receiver.pk))
        .select_related("customer", "program")
        .order_by("pk")
        .select_for_update(of=("self",))
    }
    sender, receiver = accounts[sender.pk], accounts[receiver.pk]
    known = PointsTransfer.objects.filter(sender=sender, reference=reference).first()
    if known is not None:
        if (known.receiver_id, known.points) != (receiver.pk, points):
            raise ReferenceReusedError(reference=reference)
        return known
    if len(reference) > _LONGEST_REFERENCE:
        raise TransferRefusedError(reason="The reference of the transfer is too long.")
    if receiver.closed_at or sender.closed_at:
        raise AccountClosedError()
    terms = people_terms(sender.program)
    _check(terms, sender, receiver, points, now)
    common: dict[str, Any] = {
        "from": sender.customer_id,
        "to": receiver.customer_id,
        "note": note,
    }
    command = Transfer(
        account_id=sender.pk,
        to_account_id=receiver.pk,
        points=points,
        reference=f"transfer:{sender.pk}:{reference}",
        reason=_reason(sender.customer, receiver.customer, note),
        occurred_at=now,
        actor_id=acting_user.pk if acting_user else None,
        details=common,
    )
    (outcome,) = post_commands(
        program=sender.program,
        commands=[command],
        customers={sender.pk: sender.customer_id, receiver.pk: receiver.customer_id},
        now=now,
    )
    return PointsTransfer.objects.create(
        sender=sender,
        receiver=receiver,
        points=points,
        note=note[:120],
        reference=reference,
        entry_id=outcome.entry.id or 0,
        sent_at=now,
        sent_by=acting_user,
    )


def _check(
    terms: PeopleTerms, sender: Account, receiver: Account, points: int, now: datetime
) -> None:
    if not terms.allows_transfers:
        raise TransferRefusedError(reason="This programme does not allow to send points.")
    if sender.program_id != receiver.program_id:
        raise TransferRefusedError(reason="Points cannot leave their programme.")
    for customer in (sender.customer, receiver.customer):
        if customer.status != Customer.Status.ACTIVE:
            state = customer.get_status_display().lower()
            raise TransferRefusedError(reason=f"Customer {customer.pk} is {state}.")
    if 0 < points < terms.transfer_minimum:
        raise TransferRefusedError(
            reason=f"The smallest transfer is {terms.transfer_minimum} points."
        )
    zone = ZoneInfo(sender.program.zone)
    start = datetime.combine(local_date(sender.program, now), time.min, tzinfo=zone)
    sent = PointsTransfer.objects.filter(
        sender=sender, sent_at__gte=start, sent_at__lt=start + timedelta(days=1)
    ).aggregate(count=Count("pk"), points=Sum("points"))
    if sent["count"] >= terms.transfer_daily_count:
        raise TransferRefusedError(
            reason=f"At most {terms.transfer_daily_count} transfers are possible in a day."
        )
    left = terms.transfer_daily_points - (sent["points"] or 0)
    if points > left:
        raise TransferRefusedError(
            reason=f"Only {max(0, left)} more points can be sent today; "
            f"the limit is {terms.transfer_daily_points} a day."
        )


def _reason(sender: Customer, receiver: Customer, note: str) -> str:
    """One sentence that is true in both ledgers."""
    said = f"{sender.first_name} sent points to {receiver.first_name}"
    return (f"{said}: {note}" if note else said)[:200]
