"""Reservations that nobody completed in time."""

from datetime import datetime

from loyalty.ledger import Release
from loyalty.models import Hold, Program
from loyalty.services.points import post_commands


def release_overdue_holds(*, program: Program, now: datetime, limit: int = 500) -> int:
    """Free the points of holds whose time has passed; returns how many were freed.

    A hold that is used at the same moment is settled once: whichever came first.
    """
    released = last = 0
    while due := list(
        Hold.objects.filter(
            state=Hold.State.OPEN, expires_at__lte=now, account__program=program, pk__gt=last
        )
        .order_by("pk")
        .values_list("pk", "account_id", "account__customer_id", "reference", "expires_at")[:limit]
    ):
        outcomes = post_commands(
            program=program,
            commands=[
                Release(
                    account_id=account_id,
                    reference=f"release:{hold_id}",
                    reason="The reservation ran out",
                    occurred_at=expires_at,
                    hold_reference=reference,
                    ran_out=True,
                )
                for hold_id, account_id, _, reference, expires_at in due
            ],
            customers={account_id: customer_id for _, account_id, customer_id, _, _ in due},
            now=now,
        )
        released += sum(outcome.refusal is None for outcome in outcomes)
        last = due[-1][0]
    return released
