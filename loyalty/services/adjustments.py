"""Corrections by hand, with a second pair of eyes where they are large."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Abs
from django.utils import timezone

from loyalty import ledger
from loyalty.engine import expires_on
from loyalty.errors import (
    AdjustmentDecidedError,
    OwnAccountError,
    ReferenceReusedError,
    SamePersonError,
)
from loyalty.ledger.model import check_points
from loyalty.models import Account, Adjustment, AdjustmentLimit
from loyalty.services.accounts import local_date
from loyalty.services.expiry import policy_for
from loyalty.services.points import post_commands
from loyalty_site.staff.models import User
from loyalty_site.staff.roles import Role

_DAY = timedelta(days=1)


@transaction.atomic
def request_adjustment(
    *,
    account: Account,
    points: int,
    cause: Adjustment.Cause,
    note: str,
    document: str,
    token: str,
    acting_user: User,
) -> Adjustment:
    """Correct a balance, signed; what exceeds the role's limit of the day waits for approval.

    Repeating a token answers with the adjustment that the first call made.

    Raises:
        InvalidPointsError: points is zero or out of range.
        OwnAccountError: the account belongs to the person who asks.
        InsufficientPointsError: more is taken away than is available.
        AccountClosedError: the account is closed.
        ReferenceReusedError: the token stands for another adjustment.
    """
    check_points(abs(points))
    _refuse_own(account, acting_user)
    # One at a time for each user, so that two at once cannot both fit into the limit.
    User.objects.select_for_update(no_key=True).get(pk=acting_user.pk)
    adjustment, created = Adjustment.objects.get_or_create(
        token=token,
        defaults={
            "account": account,
            "points": points,
            "cause": cause,
            "note": note,
            "document": document,
            "requested_by": acting_user,
        },
    )
    if not created:
        if (adjustment.account_id, adjustment.points) != (account.pk, points):
            raise ReferenceReusedError(reference=token)
        return adjustment
    alone_today = _moved_alone(acting_user) + abs(points)
    if alone_today <= adjustment_limit(acting_user):
        _post(adjustment)
    return adjustment


@transaction.atomic
def approve_adjustment(*, adjustment: Adjustment, acting_user: User, note: str = "") -> Adjustment:
    """Let a waiting correction through, as the second person.

    Raises:
        AdjustmentDecidedError: it was decided already.
        SamePersonError: who asked cannot approve.
        OwnAccountError: the account belongs to the person who approves.
        InsufficientPointsError: the points are no longer there; it goes on waiting.
        AccountClosedError: the account was closed meanwhile.
    """
    locked = _lock_waiting(adjustment, acting_user)
    _decide(locked, acting_user, note)
    _post(locked)
    return locked


@transaction.atomic
def refuse_adjustment(*, adjustment: Adjustment, acting_user: User, note: str) -> Adjustment:
    """Turn a waiting correction down; nothing is posted.

    Raises:
        AdjustmentDecidedError: it was decided already.
        SamePersonError: who asked cannot decide.
        OwnAccountError: the account belongs to the person who decides.
    """
    locked = _lock_waiting(adjustment, acting_user)
    locked.state = Adjustment.State.REFUSED
    _decide(locked, acting_user, note)
    locked.save(update_fields=["state"])
    return locked


def adjustment_limit(user: User) -> int:
    """Points a day that a user may correct alone: the highest limit of their roles."""
    roles = [Role.OWNER.value] if user.is_superuser else user.groups.values_list("name", flat=True)
    limits = AdjustmentLimit.objects.filter(role__in=list(roles))
    return max(limits.values_list("points_a_day", flat=True), default=0)


def _moved_alone(user: User) -> int:
    """What a user corrected in the last 24 hours without a second person."""
    alone = Adjustment.objects.filter(
        requested_by=user,
        state=Adjustment.State.POSTED,
        decided_by__isnull=True,
        requested_at__gt=timezone.now() - _DAY,
    )
    return alone.aggregate(total=Sum(Abs("points")))["total"] or 0


def _refuse_own(account: Account, user: User) -> None:
    if account.customer.email and account.customer.email.casefold() == user.email.casefold():
        raise OwnAccountError()


def _lock_waiting(adjustment: Adjustment, acting_user: User) -> Adjustment:
    locked = (
        Adjustment.objects.select_related("account__customer", "account__program")
        .select_for_update(of=("self",))
        .get(pk=adjustment.pk)
    )
    if locked.state != Adjustment.State.WAITING:
        raise AdjustmentDecidedError(state=locked.get_state_display())
    if locked.requested_by_id == acting_user.pk:
        raise SamePersonError()
    _refuse_own(locked.account, acting_user)
    return locked


def _decide(adjustment: Adjustment, acting_user: User, note: str) -> None:
    adjustment.decided_by = acting_user
    adjustment.decided_at = timezone.now()
    adjustment.decision_note = note
    adjustment.save(update_fields=["decided_by", "decided_at", "decision_note"])


def _post(adjustment: Adjustment) -> None:
    now = timezone.now()
    account = adjustment.account
    program = account.program
    command = ledger.Adjust(
        account_id=account.pk,
        points=adjustment.points,
        reference=f"adjust:{adjustment.token}",
        reason=adjustment.note,
        occurred_at=now,
        actor_id=adjustment.requested_by_id,
        expires_on=expires_on(policy_for(program, account.tier_id), local_date(program, now)),
        details={
            "cause": adjustment.get_cause_display(),
            "document": adjustment.document,
            "approved_by": adjustment.decided_by.name if adjustment.decided_by else "",
        },
    )
    (outcome,) = post_commands(
        program=program, commands=[command], customers={account.pk: account.customer_id}, now=now
    )
    adjustment.entry_id = outcome.entry.id
    adjustment.state = Adjustment.State.POSTED
    adjustment.save(update_fields=["entry", "state"])
