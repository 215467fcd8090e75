"""Writing what a batch changed, in a constant number of statements."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.backends.utils import CursorWrapper

from loyalty.ledger.commands import (
    Command,
    Held,
    Merge,
    Separate,
)
from loyalty.ledger.model import AccountState, Book, LotState, PendingState
from loyalty.ledger.portable.reading import marks

_ENTRY_COLUMNS = (
    "account_id",
    "seq",
    "kind",
    "points",
    "pending",
    "qualifying",
    "requested",
    "balance_after",
    "reference",
    "reverses_id",
    "purchase_id",
    "reason",
    "details",
    "actor_id",
    "occurred_at",
    "recorded_at",
)
_LOT_COLUMNS = (
    "account_id",
    "entry_id",
    "origin_id",
    "points",
    "remaining",
    "expires_on",
    "slides",
)
_PENDING_COLUMNS = (
    "account_id",
    "entry_id",
    "points",
    "remaining",
    "activates_on",
    "awaits",
    "cancels_on",
    "lifetime",
)
_HOLD_COLUMNS = (
    "account_id",
    "reference",
    "points",
    "state",
    "entry_id",
    "reason",
    "actor_id",
    "created_at",
    "expires_at",
)
_ROWS_A_STATEMENT = 1000

to_json = DjangoJSONEncoder(ensure_ascii=False).encode

Row = tuple[Any, ...]
State = AccountState | LotState | PendingState | Held


def save(cursor: CursorWrapper, book: Book, changed: Sequence[State], now: datetime) -> None:
    """Write what is new, and of what was loaded the rows that changed."""
    _save_entries(cursor, book, now)
    _save_lots(cursor, book, [one for one in changed if isinstance(one, LotState)])
    _save_pendings(cursor, book, [one for one in changed if isinstance(one, PendingState)])
    _save_holds(cursor, book, [one for one in changed if isinstance(one, Held)], now)
    _save_accounts(cursor, [one for one in changed if isinstance(one, AccountState)])
    _insert(
        cursor,
        "loyalty_allocation",
        ("entry_id", "lot_id", "points"),
        [(part.entry.id, part.lot.id, part.points) for part in book.new_allocations],
        "id",
    )


def _save_entries(cursor: CursorWrapper, book: Book, now: datetime) -> None:
    adapt = cursor.db.ops.adapt_datetimefield_value
    recorded_at = adapt(now)
    by_number = {(entry.account_id, entry.seq): entry for entry in book.new_entries}
    rows = [
        (
            entry.account_id,
            entry.seq,
            entry.kind,
            entry.points,
            entry.pending,
            entry.qualifying,
            entry.requested,
            entry.balance_after,
            entry.reference,
            entry.reverses_id,
            entry.purchase_id,
            entry.reason,
            to_json(entry.details),
            entry.actor_id,
            adapt(entry.occurred_at),
            recorded_at,
        )
        for entry in book.new_entries
    ]
    for entry_id, account_id, seq in _insert(
        cursor, "loyalty_pointsentry", _ENTRY_COLUMNS, rows, "id, account_id, seq"
    ):
        by_number[account_id, seq].id = entry_id


def _save_lots(cursor: CursorWrapper, book: Book, changed: Iterable[LotState]) -> None:
    adapt = cursor.db.ops.adapt_datefield_value
    rows = [
        (
            lot.account_id,
            lot.entry.id if lot.entry else None,
            lot.origin.id if lot.origin else None,
            lot.points,
            lot.remaining,
            adapt(lot.expires_on),
            lot.slides,
        )
        for lot in book.new_lots
    ]
    # One statement keeps its rows in order, and ids are given in that order.
    ids = sorted(pk for (pk,) in _insert(cursor, "loyalty_lot", _LOT_COLUMNS, rows, "id"))
    for lot, pk in zip(book.new_lots, ids, strict=True):
        lot.id = pk
    new = {id(lot) for lot in book.new_lots}
    _update(
        cursor,
        "loyalty_lot",
        ("origin_id",),
        [(lot.id, lot.origin.id) for lot in book.new_lots if lot.origin and id(lot.origin) in new],
    )
    _update(
        cursor,
        "loyalty_lot",
        ("remaining", "expires_on"),
        [(lot.id, lot.remaining, adapt(lot.expires_on)) for lot in changed if id(lot) not in new],
    )


def _save_pendings(cursor: CursorWrapper, book: Book, changed: Iterable[PendingState]) -> None:
    adapt = cursor.db.ops.adapt_datefield_value
    _insert(
        cursor,
        "loyalty_pendingpoints",
        _PENDING_COLUMNS,
        [
            (
                one.account_id,
                one.entry.id if one.entry else None,
                one.points,
                one.remaining,
                adapt(one.activates_on),
                one.awaits,
                adapt(one.cancels_on),
                to_json(one.lifetime),
            )
            for one in book.new_pendings
        ],
        "id",
    )
    _update(
        cursor,
        "loyalty_pendingpoints",
        ("remaining", "account_id"),
        [(one.id, one.remaining, one.account_id) for one in changed if one.id],
    )


def _save_holds(cursor: CursorWrapper, book: Book, changed: Iterable[Held], now: datetime) -> None:
    adapt = cursor.db.ops.adapt_datetimefield_value
    rows = [
        (
            one.account_id,
            one.reference,
            one.points,
            one.state,
            one.entry.id if one.entry else None,
            one.reason,
            one.actor_id,
            adapt(now),
            adapt(one.expires_at),
        )
        for one in book.new_holds
    ]
    ids = sorted(pk for (pk,) in _insert(cursor, "loyalty_hold", _HOLD_COLUMNS, rows, "id"))
    new = {id(one) for one in book.new_holds}
    old = [one for one in changed if id(one) not in new]
    used = [(one.id, one.state, one.entry.id) for one in old if one.entry]
    _update(cursor, "loyalty_hold", ("state", "entry_id"), used)
    freed = [(one.id, one.state) for one in old if not one.entry]
    _update(cursor, "loyalty_hold", ("state",), freed)
    for one, pk in zip(book.new_holds, ids, strict=True):
        one.id = pk


def _save_accounts(cursor: CursorWrapper, changed: Sequence[AccountState]) -> None:
    _update(
        cursor,
        "loyalty_account",
        ("balance", "pending", "held", "debt", "version"),
        [(one.id, one.balance, one.pending, one.held, one.debt, one.version) for one in changed],
    )


def save_merges(
    cursor: CursorWrapper, book: Book, commands: Iterable[Command], now: datetime
) -> None:
    closed_at = cursor.db.ops.adapt_datetimefield_value(now)
    for command in commands:
        account = book.accounts.get(command.account_id)
        if account and isinstance(command, Merge | Separate):
            cursor.execute(
                "UPDATE loyalty_account SET closed_at = %s, merged_into_id = %s WHERE id = %s",
                [closed_at if account.is_closed else None, account.merged_into_id, account.id],
            )


def _insert(
    cursor: CursorWrapper, table: str, columns: Sequence[str], rows: Sequence[Row], returning: str
) -> list[Row]:
    returned: list[Row] = []
    one = f"({marks(columns)})"
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        part = rows[start : start + _ROWS_A_STATEMENT]
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([one] * len(part))}"
            f" RETURNING {returning}",
            [value for row in part for value in row],
        )
        returned += cursor.fetchall()
    return returned


def _update(cursor: CursorWrapper, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Set columns of rows given as (id, value…)."""
    one = f"({marks((None, *columns))})"
    sets = ", ".join(f"{name} = v.column{place}" for place, name in enumerate(columns, 2))
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        part = rows[start : start + _ROWS_A_STATEMENT]
        cursor.execute(
            f"UPDATE {table} SET {sets} FROM (VALUES {', '.join([one] * len(part))}) AS v"
            f" WHERE {table}.id = v.column1",
            [value for row in part for value in row],
        )
