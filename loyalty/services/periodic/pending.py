"""Points on their way: usable from their day on, or given up."""

from datetime import date, datetime

from django.db.models import QuerySet

from loyalty.ledger import Cancel
from loyalty.models import PendingPoints, Program
from loyalty.services.expiry import activation
from loyalty.services.periodic.steps import Bite, Step, posted
from loyalty.services.points import post_commands


def _usable(program: Program, on: date) -> QuerySet[PendingPoints]:
    return PendingPoints.objects.filter(
        account__program=program, remaining__gt=0, activates_on__lte=on
    )


def _given_up(program: Program, on: date) -> QuerySet[PendingPoints]:
    return PendingPoints.objects.filter(
        account__program=program, remaining__gt=0, cancels_on__lt=on
    )


def _activate(*, program: Program, on: date, now: datetime, after: int, limit: int) -> Bite:
    """Make points usable whose day has come; their life begins on that day."""
    due = list(
        _usable(program, on).filter(pk__gt=after).select_related("account").order_by("pk")[:limit]
    )
    commands = [
        activation(
            pending,
            program=program,
            at=program.start_of(pending.activates_on or on),
            reason="Points became usable",
        )
        for pending in due
    ]
    outcomes = post_commands(program=program, commands=commands, customers=_customers(due), now=now)
    return Bite(
        taken=len(due),
        position=due[-1].pk if due else 0,
        figures=posted(outcomes, points="points") if due else {},
    )


def _cancel(*, program: Program, on: date, now: datetime, after: int, limit: int) -> Bite:
    """Give up points whose event did not come in time."""
    due = list(
        _given_up(program, on).filter(pk__gt=after).select_related("account").order_by("pk")[:limit]
    )
    commands = [
        Cancel(
            account_id=pending.account_id,
            reference=f"cancel:{pending.entry_id}",
            reason="What the points waited for did not happen in time",
            occurred_at=now,
            entry_id=pending.entry_id,
        )
        for pending in due
    ]
    outcomes = post_commands(program=program, commands=commands, customers=_customers(due), now=now)
    return Bite(
        taken=len(due),
        position=due[-1].pk if due else 0,
        figures=posted(outcomes, points="points") if due else {},
    )


def _customers(due: list[PendingPoints]) -> dict[int, int]:
    return {pending.account_id: pending.account.customer_id for pending in due}


ACTIVATE = Step(count=lambda program, on: _usable(program, on).count(), take=_activate)
CANCEL = Step(count=lambda program, on: _given_up(program, on).count(), take=_cancel)
