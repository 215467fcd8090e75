"""The ledger's rules, in plain Python: accounts, lots and entries in memory.

This is the specification. The portable back end loads the rows that a batch touches into a
`Book`, applies the commands, and writes what changed; the PostgreSQL back end is held to the
same behaviour by tests that run one history through both.
"""

from loyalty.ledger.model.batches import post
from loyalty.ledger.model.book import Book, check_points, is_valid
from loyalty.ledger.model.states import (
    AccountState,
    AllocationState,
    LotState,
    PendingState,
)

__all__ = [
    "AccountState",
    "AllocationState",
    "Book",
    "LotState",
    "PendingState",
    "check_points",
    "is_valid",
    "post",
]
