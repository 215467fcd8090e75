"""People who share their points."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Min, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from customers.models import Customer
from loyalty.engine import NEVER
from loyalty.engine.people import Purse, draw
from loyalty.errors import (
    HouseholdNotFoundError,
    HouseholdRefusedError,
    InsufficientPointsError,
)
from loyalty.ledger import Command, Outcome, Redeem, Transfer
from loyalty.models import Account, Household, HouseholdMember, Lot, PointsEntry, Program
from loyalty.services.accounts import local_date
from loyalty.services.points import post_commands
from loyalty.services.terms import people_terms
from loyalty_site.staff.models import User

_OPEN = (HouseholdMember.State.INVITED, HouseholdMember.State.ACTIVE)
_NAMESPACE = uuid.UUID("9d3cf3a6-5a3b-4f5e-9a62-3f2b8f1c7a54")


# --- who belongs to it --------------------------------------------------------------------------


@transaction.atomic
def open_household(
    *,
    program: Program,
    customer: Customer,
    name: str,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Household:
    """Start a household with its first member, who becomes its head.

    Raises:
        HouseholdRefusedError: no name, not an active customer, or already in a household.
    """
    now = now or timezone.now()
    name = " ".join(name.split())
    if not 1 <= len(name) <= 60 or not name.isprintable():
        raise HouseholdRefusedError(reason="Give the household a name of up to 60 signs.")
    _check_free(_locked(customer))
    household = Household.objects.create(program=program, name=name, created_at=now)
    _write_place(
        HouseholdMember(
            household=household,
            customer=customer,
            state=HouseholdMember.State.ACTIVE,
            is_head=True,
            invited_at=now,
            joined_at=now,
        )
    )
    return household


@transaction.atomic
def invite_to_household(
    *,
    household: Household,
    customer: Customer,
    invited_by: Customer | None = None,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> HouseholdMember:
    """Offer somebody a place; nothing is shared before they accept. Repeating it changes nothing.

    Raises:
        HouseholdNotFoundError: who invites is not its head.
        HouseholdRefusedError: it is full, or the customer is in a household.
    """
    now = now or timezone.now()
    household = Household.objects.select_for_update().get(pk=household.pk)
    places = household.members.filter(state__in=_OPEN)
    if invited_by is not None:
        is_head = places.filter(
            customer=invited_by, is_head=True, state=HouseholdMember.State.ACTIVE
        ).exists()
        if not is_head:
            raise HouseholdNotFoundError()
    known = places.filter(customer=customer).first()
    if known is not None:
        return known
    size = people_terms(household.program).household_size
    if places.count() >= size:
        raise HouseholdRefusedError(reason=f"A household has at most {size} people.")
    _check_free(_locked(customer))
    return _write_place(
        HouseholdMember(
            household=household, customer=customer, invited_by=invited_by, invited_at=now
        )
    )


@transaction.atomic
def answer_invitation(
    *, member: HouseholdMember, accepts: bool, now: datetime | None = None
) -> HouseholdMember:
    """Accept or decline a place; an answer that was given already stays.

    Raises:
        HouseholdNotFoundError: the invitation is gone.
        HouseholdRefusedError: the customer is in a household by now.
    """
    now = now or timezone.now()
    customer = _locked(member.customer)
    member = HouseholdMember.objects.select_for_update().get(pk=member.pk)
    wanted = HouseholdMember.State.ACTIVE if accepts else HouseholdMember.State.DECLINED
    if member.state == wanted:
        return member
    if member.state != HouseholdMember.State.INVITED:
        raise HouseholdNotFoundError()
    if accepts:
        _check_free(customer)
        member.joined_at = now
    else:
        member.left_at = now
    member.state = wanted
    return _write_place(member)


@transaction.atomic
def leave_household(*, member: HouseholdMember, now: datetime | None = None) -> HouseholdMember:
    """Give a place up, or take an invitation back; the longest-standing other becomes head."""
    now = now or timezone.now()
    household = Household.objects.select_for_update().get(pk=member.household_id)
    member = HouseholdMember.objects.select_for_update().get(pk=member.pk)
    if member.state not in _OPEN:
        return member
    was_head, member.is_head = member.is_head, False
    member.state, member.left_at = HouseholdMember.State.LEFT, now
    member.save(update_fields=["state", "left_at", "is_head"])
    if was_head:
        others = household.members.filter(state=HouseholdMember.State.ACTIVE)
        heir = others.order_by("joined_at", "pk").first()
        if heir is not None:
            heir.is_head = True
            heir.save(update_fields=["is_head"])
    return member


def set_sharing(*, member: HouseholdMember, shares_points: bool) -> None:
    """Let the others of the household redeem one's points, or not any more."""
    HouseholdMember.objects.filter(pk=member.pk).update(shares_points=shares_points)


def _locked(customer: Customer) -> Customer:
    return Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)


def _check_free(customer: Customer) -> None:
    if customer.status != Customer.Status.ACTIVE:
        raise HouseholdRefusedError(reason="This customer is not active.")
    if customer.households.filter(state=HouseholdMember.State.ACTIVE).exists():
        raise HouseholdRefusedError(reason="This customer is in a household already.")


def _write_place(member: HouseholdMember) -> HouseholdMember:
    try:
        with transaction.atomic():
            member.save()
    except IntegrityError as error:
        raise HouseholdRefusedError(reason="This customer is in a household already.") from error
    return member


# --- whose points pay ---------------------------------------------------------------------------


@transaction.atomic
def redeem_from_household(
    *,
    account: Account,
    points: int,
    reference: str,
    reason: str,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Outcome:
    """Spend points of a whole household, once per reference: own ones first.

    What others give moves to the account and is spent there, all in one group of the ledger.
    Without a household it is a plain redemption.

    Raises:
        InvalidPointsError: points is not a positive whole number.
        InsufficientPointsError: all together have fewer points.
        AccountClosedError: the account is closed.
        ReferenceReusedError: the reference stands for a different entry.
    """
    now = now or timezone.now()
    program = account.program
    commands, customers = _pooled(account, points, reference, reason, acting_user, now)
    redeem = Redeem(
        account_id=account.pk,
        points=points,
        reference=reference,
        reason=reason,
        occurred_at=now,
        actor_id=acting_user.pk if acting_user else None,
        group=f"household:{reference}" if commands else "",
    )
    outcomes = post_commands(
        program=program, commands=[*commands, redeem], customers=customers, now=now
    )
    # The cause of a refusal stands with its own command; the others only say that they followed.
    for outcome in sorted(
        outcomes, key=lambda one: getattr(one.refusal, "code", "") == "group_refused"
    ):
        if outcome.refusal is not None:
            raise outcome.refusal
    return outcomes[-1]


def _pooled(
    account: Account,
    points: int,
    reference: str,
    reason: str,
    acting_user: User | None,
    now: datetime,
) -> tuple[list[Command], dict[int, int]]:
    """The transfers that bring an account to the points, and whose accounts they are."""
    accounts = _lock_household(account)
    customers = {one.pk: one.customer_id for one in accounts}
    known = PointsEntry.objects.filter(account=account, reference=reference).first()
    if known is not None or points <= 0:
        return [], customers
    purses = {purse.account_id: purse for purse in purses_of(accounts, now=now)}
    own = purses.pop(account.pk)
    drawn = draw(points, own, purses.values())
    if drawn is None:
        available = own.available + sum(purse.available for purse in purses.values())
        raise InsufficientPointsError(available=available, points=points)
    names = {one.pk: one.customer.first_name for one in accounts}
    return [
        Transfer(
            account_id=giver_id,
            to_account_id=account.pk,
            points=part,
            reference=_share_reference(account.pk, reference, giver_id),
            reason=f"{names[giver_id]} shared points with {names[account.pk]}: {reason}"[:200],
            occurred_at=now,
            actor_id=acting_user.pk if acting_user else None,
            details={"household_of": account.customer_id, "for": reference},
            group=f"household:{reference}",
        )
        for giver_id, part in drawn
        if giver_id != account.pk
    ], customers


def _share_reference(account_id: int, reference: str, giver_id: int) -> str:
    """One reference for each giver, of bounded length."""
    return f"household:{uuid.uuid5(_NAMESPACE, f'{account_id}:{reference}:{giver_id}')}"


def _lock_household(account: Account) -> Sequence[Account]:
    """The account and those whose points it may use, locked in id order."""
    sharing = HouseholdMember.objects.filter(
        Q(shares_points=True) | Q(customer=account.customer_id),
        state=HouseholdMember.State.ACTIVE,
        household__members__customer=account.customer_id,
        household__members__state=HouseholdMember.State.ACTIVE,
        household__program=account.program_id,
    )
    return list(
        Account.objects.filter(
            Q(pk=account.pk)
            | Q(
                program=account.program_id,
                customer__in=sharing.values("customer"),
                customer__status=Customer.Status.ACTIVE,
                closed_at__isnull=True,
            )
        )
        .select_related("customer", "program")
        .order_by("pk")
        .select_for_update(of=("self",))
    )


def purses_of(accounts: Sequence[Account], *, now: datetime) -> list[Purse]:
    """What each account can spend today, and when the first of it ends; one query."""
    if not accounts:
        return []
    today = local_date(accounts[0].program, now)
    lots = {
        row["account_id"]: row
        for row in Lot.objects.filter(account__in=accounts, remaining__gt=0)
        .order_by()
        .values("account_id")
        .annotate(
            due=Coalesce(Sum("remaining", filter=Q(expires_on__lt=today)), 0),
            ends_on=Min("expires_on", filter=Q(expires_on__gte=today)),
        )
    }
    return [
        Purse(
            account_id=account.pk,
            # A hold keeps the points that end soonest, even beyond their last day.
            available=max(
                0,
                account.balance - account.held - max(0, (row["due"] if row else 0) - account.held),
            ),
            ends_on=(row and row["ends_on"]) or NEVER,
        )
        for account in accounts
        for row in [lots.get(account.pk)]
    ]
