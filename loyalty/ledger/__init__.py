"""The single writer of points."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import cast

from django.db import connection, transaction

from loyalty.ledger import portable, postgresql
from loyalty.ledger.commands import (
    Activate,
    Adjust,
    Award,
    Cancel,
    Capture,
    ClawBack,
    Command,
    Entry,
    Expire,
    GiveBack,
    Merge,
    Outcome,
    Pend,
    PlaceHold,
    Redeem,
    Release,
    Reverse,
    Separate,
    Shortfall,
    Transfer,
)

__all__ = [
    "Activate",
    "Adjust",
    "Award",
    "Cancel",
    "Capture",
    "ClawBack",
    "Command",
    "Entry",
    "Expire",
    "GiveBack",
    "Merge",
    "Outcome",
    "Pend",
    "PlaceHold",
    "Redeem",
    "Release",
    "Reverse",
    "Separate",
    "Shortfall",
    "Transfer",
    "post",
]


def post(commands: Sequence[Command], *, now: datetime, today: date) -> list[Outcome]:
    """Post a batch of commands and answer each with its entries or its refusal, in order.

    Accounts are locked in id order and references are looked up under the lock, so a repeated
    command answers with the entry that the first one wrote. Each group of commands is posted
    whole or not at all. `today` is the programme's local date: lots whose last day has passed
    are not spendable. Runs in the caller's transaction, or one of its own.
    """
    if not commands:
        return []
    with transaction.atomic(savepoint=False):
        if connection.vendor == "postgresql" and postgresql.can_post(commands):
            return postgresql.post(cast(Sequence[Award], commands), now=now, today=today)
        return portable.post(commands, now=now, today=today)
