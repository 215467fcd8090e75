"""Points by hand, by API and at night: award, redeem, reverse, expire."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from loyalty import ledger
from loyalty.engine import expires_on
from loyalty.engine.rewards import milestone_crossed
from loyalty.errors import ReferenceReusedError
from loyalty.events import MilestoneReached, PointsPosted
from loyalty.ledger import Command, Entry, Outcome
from loyalty.models import Account, Lot, PointsEntry, Program
from loyalty.services.accounts import local_date
from loyalty.services.expiry import lifetime, policy_for, prolonging
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsRequest:
    """Points (whole, above zero) for an account, once per reference."""

    account: Account
    points: int
    reference: str
    reason: str


def post_commands(
    *,
    program: Program,
    commands: Sequence[Command],
    customers: dict[int, int],
    now: datetime | None = None,
) -> list[Outcome]:
    """Hand commands to the ledger and publish what it posted, in one transaction.

    `customers` gives the customer id of each account id.
    """
    now = now or timezone.now()
    with transaction.atomic():
        passed_on = _passed_on(commands, customers)
        outcomes = ledger.post(
            [*prolonging(program, commands), *passed_on], now=now, today=local_date(program, now)
        )
        entries = [
            entry for outcome in outcomes if not outcome.replayed for entry in outcome.entries
        ]
        publish(_events(program, entries, customers))
    return outcomes[: len(commands)]


_UNDOING = (ledger.Reverse, ledger.GiveBack, ledger.ClawBack)


def _passed_on(commands: Sequence[Command], customers: dict[int, int]) -> list[ledger.Merge]:
    """What is undone on accounts that were merged since goes on to those who took them over.

    The owners of the latter are added to `customers`. One query, and only where something is
    undone.
    """
    undoing: dict[int, Command] = {
        one.account_id: one for one in commands if isinstance(one, _UNDOING)
    }
    merged: list[ledger.Merge] = []
    while undoing:
        found = Account.objects.filter(pk__in=undoing, merged_into__isnull=False).values_list(
            "pk", "merged_into_id", "merged_into__customer_id"
        )
        following: dict[int, Command] = {}
        for pk, heir_id, heir in found:
            cause = undoing[pk]
            customers[heir_id] = heir
            following[heir_id] = cause
            merged.append(
                ledger.Merge(
                    account_id=pk,
                    to_account_id=heir_id,
                    reference=f"{cause.reference}:{pk}"[-120:],
                    reason=cause.reason,
                    occurred_at=cause.occurred_at,
                    actor_id=cause.actor_id,
                    details=cause.details,
                )
            )
        undoing = following
    return merged


def _events(
    program: Program, entries: Sequence[Entry], customers: dict[int, int]
) -> Iterator[PointsPosted | MilestoneReached]:
    """That entries were posted, and where a balance rose to a milestone, the highest of these."""
    for entry in entries:
        customer_id = customers[entry.account_id]
        yield _posted(entry, customer_id)
        milestone = milestone_crossed(
            before=entry.balance_after - entry.points,
            after=entry.balance_after,
            milestones=program.milestones,
        )
        if milestone is not None:
            yield MilestoneReached(
                entry_id=entry.id or 0,
                account_id=entry.account_id,
                customer_id=customer_id,
                milestone=milestone,
                balance=entry.balance_after,
                occurred_at=entry.occurred_at,
            )


def _posted(entry: Entry, customer_id: int) -> PointsPosted:
    return PointsPosted(
        entry_id=entry.id or 0,
        account_id=entry.account_id,
        customer_id=customer_id,
        kind=entry.kind,
        points=entry.points,
        balance_after=entry.balance_after,
        occurred_at=entry.occurred_at,
        purchase_id=entry.purchase_id,
    )


def award_points_batch(
    *, program: Program, requests: Sequence[PointsRequest], acting_user: User | None = None
) -> list[Outcome]:
    """Give points to many accounts; each request answers with its entry or its refusal.

    Repeating a reference answers with the entry that the first call wrote.
    """
    now = timezone.now()
    commands = [
        ledger.Award(
            account_id=request.account.pk,
            points=request.points,
            reference=request.reference,
            reason=request.reason,
            occurred_at=now,
            actor_id=acting_user.pk if acting_user else None,
            **lifetime(policy_for(program, request.account.tier_id), program, now),
        )
        for request in requests
    ]
    return post_commands(
        program=program,
        commands=commands,
        customers={request.account.pk: request.account.customer_id for request in requests},
        now=now,
    )


def award_points(
    *,
    account: Account,
    points: int,
    reference: str,
    reason: str,
    acting_user: User | None = None,
) -> Outcome:
    """Give an account points, once per reference; the outcome says whether it was a repeat.

    Raises:
        InvalidPointsError: points is not a positive whole number.
        AccountClosedError: the account no longer earns.
        ReferenceReusedError: the reference stands for a different entry.
    """
    request = PointsRequest(account=account, points=points, reference=reference, reason=reason)
    try:
        (outcome,) = award_points_batch(
            program=account.program, requests=[request], acting_user=acting_user
        )
    except IntegrityError as error:
        raise ReferenceReusedError(reference=reference) from error
    return _accepted(outcome)


def redeem_points(
    *,
    account: Account,
    points: int,
    reference: str,
    reason: str,
    acting_user: User | None = None,
) -> Outcome:
    """Spend an account's points, soonest expiry first, once per reference.

    Raises:
        InvalidPointsError: points is not a positive whole number.
        InsufficientPointsError: fewer points are available.
        AccountClosedError: the account is closed.
        ReferenceReusedError: the reference stands for a different entry.
    """
    now = timezone.now()
    command = ledger.Redeem(
        account_id=account.pk,
        points=points,
        reference=reference,
        reason=reason,
        occurred_at=now,
        actor_id=acting_user.pk if acting_user else None,
    )
    return _post_one(account, command, now)


def reverse_entry(*, entry: PointsEntry, reason: str, acting_user: User | None = None) -> Outcome:
    """Undo an entry, once; spent points that come back keep their lots and expiry.

    Raises:
        EntryNotReversibleError: expiries are not undone this way.
    """
    now = timezone.now()
    account = entry.account
    program = account.program
    command = ledger.Reverse(
        account_id=account.pk,
        entry_id=entry.pk,
        reference=f"reverse:{entry.pk}",
        reason=reason,
        occurred_at=now,
        purchase_id=entry.purchase_id,
        actor_id=acting_user.pk if acting_user else None,
        expires_on=expires_on(
            policy_for(program, account.tier_id), local_date(program, entry.occurred_at)
        ),
    )
    return _post_one(account, command, now)


def _post_one(account: Account, command: Command, now: datetime) -> Outcome:
    try:
        (outcome,) = post_commands(
            program=account.program,
            commands=[command],
            customers={account.pk: account.customer_id},
            now=now,
        )
    except IntegrityError as error:
        raise ReferenceReusedError(reference=command.reference) from error
    return _accepted(outcome)


def _accepted(outcome: Outcome) -> Outcome:
    if outcome.refusal is not None:
        raise outcome.refusal
    return outcome


def expire_accounts(
    *, program: Program, on: date, now: datetime, after: int = 0, limit: int = 1000
) -> dict[int, Outcome]:
    """Close lots whose last usable day is before `on`, for accounts with a higher id than `after`.

    Answers with the outcomes of up to `limit` accounts, by account id; empty when none is left.
    Running it twice or in two workers expires each lot once.
    """
    due: Iterable[tuple[int, int]] = (
        Lot.objects.filter(
            remaining__gt=0, expires_on__lt=on, account__program=program, account_id__gt=after
        )
        .order_by("account_id")
        .values_list("account_id", "account__customer_id")
        .distinct()[:limit]
    )
    customers = dict(due)
    commands = [
        ledger.Expire(account_id=account_id, on=on, occurred_at=now) for account_id in customers
    ]
    outcomes = post_commands(program=program, commands=commands, customers=customers, now=now)
    return dict(zip(customers, outcomes, strict=True))
