"""What the ledger knows of accounts, lots, points on their way and holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from loyalty.ledger.commands import Entry


@dataclass(slots=True, eq=False)
class AccountState:
    """An account's figures; open lots together hold `balance + debt` points."""

    id: int
    balance: int = 0
    pending: int = 0
    held: int = 0
    debt: int = 0
    version: int = 0
    is_closed: bool = False
    merged_into_id: int | None = None


@dataclass(slots=True, eq=False)
class LotState:
    """Points that expire together; `order` ranks lots by age, `entry` is who made it."""

    account_id: int
    points: int
    remaining: int
    expires_on: date
    order: int
    purchase_id: int | None = None
    slides: bool = False
    origin: "LotState | None" = None
    origin_id: int | None = None
    entry: Entry | None = None
    entry_id: int | None = None
    id: int | None = None

    def was_made_by(self, entry: Entry) -> bool:
        """Whether this entry opened it."""
        return self.entry is entry or (entry.id is not None and self.entry_id == entry.id)


@dataclass(slots=True, eq=False)
class PendingState:
    """Points on their way; `opened_for_id` is the account of the entry that announced them."""

    account_id: int
    opened_for_id: int
    points: int
    remaining: int
    qualifying: int
    purchase_id: int | None = None
    activates_on: date | None = None
    awaits: str = ""
    cancels_on: date | None = None
    lifetime: Mapping[str, Any] = field(default_factory=dict)
    entry: Entry | None = None
    entry_id: int | None = None
    id: int | None = None


@dataclass(slots=True, eq=False)
class AllocationState:
    """What an entry took from a lot (positive) or gave back (negative)."""

    entry: Entry
    lot: LotState
    points: int
