"""Commissions by hand: granted, taken back, amended. Lines are added, never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import Count, Sum
from django.utils import timezone

from affiliates.engine import MINOR_UNIT
from affiliates.errors import (
    CommissionInPayoutError,
    CommissionNotFoundError,
    GrantedAlreadyError,
    InvalidGrantError,
)
from affiliates.models import CommissionEntry, Enrolment
from affiliates.services.settling import announce, granted_reference
from customers.models import Purchase
from loyalty_site.staff.models import User

_MOST = Decimal(10) ** 9
_MOST_AMENDMENTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """What a commission should have been."""

    entry_id: int
    amount: Decimal


@transaction.atomic
def grant_commission(
    *,
    enrolment: Enrolment,
    amount: Decimal,
    reason: str,
    currency: str,
    purchase: Purchase | None = None,
    acting_user: User,
) -> CommissionEntry:
    """Grant a commission, due at once; for a bill, it stands in the place of all it would earn.

    Raises:
        InvalidGrantError: the amount is not above zero, or there is no reason.
        GrantedAlreadyError: the bill has earned a commission already.
    """
    _check(amount, reason)
    if amount < 0:
        raise InvalidGrantError(field="amount", problem="The amount must be above zero.")
    if purchase is not None:
        Purchase.objects.select_for_update(no_key=True).get(pk=purchase.pk)
        credited = CommissionEntry.objects.filter(conversion__purchase=purchase).aggregate(
            amount=Sum("amount")
        )["amount"]
        reference = granted_reference(purchase.pk)
        if credited or CommissionEntry.objects.filter(reference=reference).exists():
            raise GrantedAlreadyError(bill=purchase.number)
    locked = _lock(enrolment)
    if purchase is None:
        reference = _next_reference("manual", locked)
    return _post(
        locked,
        CommissionEntry.Kind.MANUAL,
        amount,
        currency,
        reference,
        {"reason": reason.strip(), "bill": purchase.number if purchase else ""},
        acting_user,
    )


@transaction.atomic
def claw_back(
    *, enrolment: Enrolment, amount: Decimal, reason: str, currency: str, acting_user: User
) -> CommissionEntry:
    """Take money back from an affiliate, at once; `amount` may be written with or without minus.

    Raises:
        InvalidGrantError: the amount is zero, or there is no reason.
    """
    _check(amount, reason)
    locked = _lock(enrolment)
    return _post(
        locked,
        CommissionEntry.Kind.CLAWBACK,
        -abs(amount),
        currency,
        _next_reference("clawback", locked),
        {"reason": reason.strip()},
        acting_user,
    )


@transaction.atomic
def amend_commissions(
    *, amendments: Sequence[Amendment], reason: str, acting_user: User
) -> list[CommissionEntry]:
    """Bring commissions to other amounts: each difference is a line of its own, all or none.

    Amending again to the same amount writes nothing.

    Raises:
        InvalidGrantError: a commission is given twice, an amount is wrong, there is no reason.
        CommissionNotFoundError: one of them does not exist.
        CommissionInPayoutError: one of them is in a payout; take the money back instead.
    """
    wanted = {one.entry_id: one.amount for one in amendments}
    if len(wanted) != len(amendments) or not 0 < len(amendments) <= _MOST_AMENDMENTS:
        raise InvalidGrantError(
            field="items", problem=f"Give 1 to {_MOST_AMENDMENTS} different commissions."
        )
    for amount in wanted.values():
        _check(amount, reason, zero_too=True)
    entries = {
        entry.pk: entry
        for entry in CommissionEntry.objects.filter(pk__in=wanted)
        .select_related("enrolment__affiliate", "line", "conversion__purchase")
        .order_by("pk")
    }
    if wanted.keys() - entries.keys():
        raise CommissionNotFoundError()
    if any(hasattr(entry, "line") for entry in entries.values()):
        raise CommissionInPayoutError()
    list(
        Enrolment.objects.select_for_update(no_key=True)
        .filter(pk__in={entry.enrolment_id for entry in entries.values()})
        .order_by("pk")
    )
    amended = {
        pk: (amount.quantize(MINOR_UNIT), count)
        for pk, amount, count in CommissionEntry.objects.filter(explanation__amends__in=[*wanted])
        .values_list("explanation__amends")
        .annotate(amount=Sum("amount"), count=Count("pk"))
    }
    lines = []
    for pk, entry in entries.items():
        before, count = amended.get(pk, (Decimal(0), 0))
        difference = wanted[pk] - entry.amount - before
        if not difference:
            continue
        lines.append(
            CommissionEntry(
                enrolment=entry.enrolment,
                affiliate=entry.affiliate,
                kind=CommissionEntry.Kind.MANUAL
                if difference > 0
                else CommissionEntry.Kind.CLAWBACK,
                amount=difference,
                currency=entry.currency,
                reference=f"amend:{pk}:{count + 1}",
                explanation={
                    "reason": reason.strip(),
                    "quantity": 1,
                    "amends": pk,
                    "bill": entry.conversion.purchase.number if entry.conversion else "",
                },
                occurred_at=timezone.now(),
                held_until=entry.held_until,
                recorded_by=acting_user,
            )
        )
    CommissionEntry.objects.bulk_create(lines)
    announce(lines)
    return lines


def _check(amount: Decimal, reason: str, *, zero_too: bool = False) -> None:
    if not amount.is_finite() or abs(amount) > _MOST or amount != amount.quantize(MINOR_UNIT):
        raise InvalidGrantError(field="amount", problem="Give an amount of money.")
    if not amount and not zero_too:
        raise InvalidGrantError(field="amount", problem="The amount must not be zero.")
    if not 0 < len(reason.strip()) <= 200:
        raise InvalidGrantError(field="reason", problem="Say why, in up to 200 signs.")


def _lock(enrolment: Enrolment) -> Enrolment:
    return (
        Enrolment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("affiliate")
        .get(pk=enrolment.pk)
    )


def _next_reference(word: str, enrolment: Enrolment) -> str:
    """Numbered within the enrolment, which is locked."""
    start = f"{word}:{enrolment.pk}:"
    return f"{start}{CommissionEntry.objects.filter(reference__startswith=start).count() + 1}"


def _post(
    enrolment: Enrolment,
    kind: CommissionEntry.Kind,
    amount: Decimal,
    currency: str,
    reference: str,
    figures: dict[str, str],
    acting_user: User,
) -> CommissionEntry:
    now = timezone.now()
    entry = CommissionEntry.objects.create(
        enrolment=enrolment,
        affiliate=enrolment.affiliate,
        kind=kind,
        amount=amount,
        currency=currency,
        reference=reference,
        explanation={**figures, "quantity": 1},
        occurred_at=now,
        held_until=now,
        recorded_by=acting_user,
    )
    announce([entry])
    return entry
