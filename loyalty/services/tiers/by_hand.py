"""Tiers that staff give and take back."""

from datetime import date, datetime

from django.db import transaction
from django.utils import timezone

from loyalty.errors import AccountClosedError, InvalidFloorError
from loyalty.models import Account, Program, Tier, TierChange
from loyalty.services.tiers.moving import (
    Mover,
    Reason,
    clear_floor,
)
from loyalty_site.staff.models import User


@transaction.atomic
def give_tier(
    *,
    account: Account,
    tier: Tier,
    reason: str,
    ends_on: date | None = None,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Account:
    """Give a customer a tier below which he never stands, until a last day or for good.

    It replaces a tier given before. Own purchases go on counting beside it.

    Raises:
        InvalidFloorError: the tier is of another programme, the day has passed, no reason.
        AccountClosedError: the account is closed.
    """
    now = now or timezone.now()
    program = account.program
    if tier.program_id != program.pk:
        raise InvalidFloorError(problem="the tier belongs to another programme.", field="tier")
    if ends_on is not None and ends_on < program.day_of(now):
        raise InvalidFloorError(problem="its last day has passed.", field="ends_on")
    if not reason.strip():
        raise InvalidFloorError(problem="say why.", field="reason")
    locked = _lock_one(account)
    own_id = locked.own_tier_id
    locked.floor_tier_id, locked.floor_ends_on = tier.pk, ends_on
    locked.floor_reason = reason.strip()[:200]
    until = f"until {ends_on:%-d %b %Y}" if ends_on else "for good"
    return _stand_by_hand(
        program, locked, own_id, f"Given {until}: {locked.floor_reason}", acting_user, now
    )


@transaction.atomic
def take_given_tier(
    *,
    account: Account,
    reason: str,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Account:
    """End a given tier now; the customer stands where own purchases lead.

    Raises:
        InvalidFloorError: no tier was given, or no reason.
        AccountClosedError: the account is closed.
    """
    now = now or timezone.now()
    if not reason.strip():
        raise InvalidFloorError(problem="say why.", field="reason")
    locked = _lock_one(account)
    if locked.floor_tier_id is None:
        raise InvalidFloorError(problem="no tier was given to this customer.", field="tier")
    own_id = locked.own_tier_id
    clear_floor(locked)
    words = f"Given tier taken back: {reason.strip()}"
    return _stand_by_hand(account.program, locked, own_id, words, acting_user, now)


def _lock_one(account: Account) -> Account:
    locked = Account.objects.select_for_update().get(pk=account.pk)
    if locked.closed_at:
        raise AccountClosedError()
    return locked


def _stand_by_hand(
    program: Program,
    account: Account,
    own_id: int | None,
    words: str,
    acting_user: User | None,
    now: datetime,
) -> Account:
    mover = Mover(program, now)
    reason = Reason(cause=TierChange.Cause.GIVEN, words=words, occurred_at=now, actor=acting_user)
    mover.stand(account, own_id=own_id, ends_on=account.tier_ends_on, reason=reason)
    mover.save()
    return account
