"""Reading the rows that a batch can touch, in a constant number of statements."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Any

from django.db.backends.utils import CursorWrapper

from loyalty.ledger.commands import (
    Activate,
    Adjust,
    Award,
    Cancel,
    Capture,
    ClawBack,
    Command,
    Entry,
    GiveBack,
    Held,
    Merge,
    Pend,
    PlaceHold,
    Release,
    Reverse,
    Separate,
    Transfer,
)
from loyalty.ledger.model import AccountState, AllocationState, Book, LotState, PendingState

_READ_ENTRY = (
    "SELECT id, account_id, seq, kind, points, pending, qualifying, requested, balance_after,"
    " reference, reason, occurred_at, purchase_id, actor_id, reverses_id FROM loyalty_pointsentry"
)
_READ_LOT = (
    "SELECT l.id, l.account_id, l.points, l.remaining, l.expires_on, l.slides, l.entry_id,"
    " l.origin_id, e.purchase_id"
    " FROM loyalty_lot l JOIN loyalty_pointsentry e ON e.id = l.entry_id"
)
_READ_PENDING = (
    "SELECT p.id, p.account_id, e.account_id, p.points, p.remaining, e.qualifying, p.entry_id,"
    " e.purchase_id FROM loyalty_pendingpoints p JOIN loyalty_pointsentry e ON e.id = p.entry_id"
)
_READ_HOLD = (
    "SELECT id, account_id, reference, points, reason, expires_at, state, actor_id"
    " FROM loyalty_hold"
)


def load(cursor: CursorWrapper, commands: Sequence[Command], today: date) -> Book:
    book = Book(today=today)
    account_ids = sorted({pk for command in commands for pk in _accounts_of(command)})
    for account in _lock_accounts(cursor, account_ids):
        book.accounts[account.id] = account
    references = sorted({command.reference for command in commands if command.reference})
    for entry in read_entries(cursor, "account_id", account_ids, "reference", references):
        book.known[entry.account_id, entry.reference] = entry
    lots: dict[int, LotState] = {}
    if reading := {
        pk for command in commands if _needs_lots(command) for pk in _accounts_of(command)
    }:
        _read_lots(cursor, lots, f"l.remaining > 0 AND l.account_id IN ({marks(reading)})", reading)
    if separated := {one.account_id for one in commands if isinstance(one, Separate)}:
        _read_lots(cursor, lots, f"l.account_id IN ({marks(separated)}) AND {_LEFT}", separated)
    if targets := {one.entry_id for one in commands if isinstance(one, Reverse | GiveBack)}:
        _load_targets(cursor, book, lots, targets)
    for lot in sorted(lots.values(), key=lambda lot: lot.order):
        lot.origin = lots.get(lot.origin_id or 0)
        book.lots.setdefault(lot.account_id, []).append(lot)
    if waiting := {
        pk for one in commands if isinstance(one, _ABOUT_PENDING) for pk in _accounts_of(one)
    }:
        book.pendings = _read_pendings(cursor, waiting)
    if names := {name for one in commands for name in _holds_of(one)}:
        _read_holds(cursor, book, account_ids, names)
    return book


# Lots that moved to another account, where some of them is left.
_LEFT = "EXISTS (SELECT 1 FROM loyalty_lot m WHERE m.origin_id = l.id AND m.remaining > 0)"
_ABOUT_PENDING = (Activate, Cancel, ClawBack, Merge, Separate)


def _accounts_of(command: Command) -> list[int]:
    match command:
        case Transfer(to_account_id=other) | Merge(to_account_id=other):
            return [command.account_id, other]
        case Separate(from_account_id=other):
            return [command.account_id, other]
        case _:
            return [command.account_id]


def _holds_of(command: Command) -> list[str]:
    match command:
        case Capture(hold_reference=name) | Release(hold_reference=name):
            return [name]
        case PlaceHold(reference=name):
            return [name]
        case _:
            return []


def _needs_lots(command: Command) -> bool:
    """Credits touch no lot but their own, unless they prolong others."""
    match command:
        case Award() | Activate() | Pend() | Cancel():
            return command.slides_to is not None
        case Adjust(points=points):
            return points < 0
        case _:
            return True


def _lock_accounts(cursor: CursorWrapper, account_ids: Sequence[int]) -> list[AccountState]:
    lock = " FOR UPDATE" if cursor.db.features.has_select_for_update else ""
    cursor.execute(
        "SELECT id, balance, pending, held, debt, version, closed_at, merged_into_id"
        f" FROM loyalty_account WHERE id IN ({marks(account_ids)}) ORDER BY id{lock}",
        list(account_ids),
    )
    return [
        AccountState(
            id=account_id,
            balance=balance,
            pending=pending,
            held=held,
            debt=debt,
            version=version,
            is_closed=closed_at is not None,
            merged_into_id=merged_into_id,
        )
        for account_id, balance, pending, held, debt, version, closed_at, merged_into_id in (
            cursor.fetchall()
        )
    ]


def read_entries(cursor: CursorWrapper, *conditions: Any) -> list[Entry]:
    """Entries whose columns hold one of the given values: column, values, column, values…"""
    pairs = list(zip(conditions[::2], conditions[1::2], strict=True))
    if not all(values for _, values in pairs):
        return []
    where = " AND ".join(f"{column} IN ({marks(values)})" for column, values in pairs)
    cursor.execute(f"{_READ_ENTRY} WHERE {where}", [v for _, values in pairs for v in values])
    return [
        Entry(
            id=row[0],
            account_id=row[1],
            seq=row[2],
            kind=row[3],
            points=row[4],
            pending=row[5],
            qualifying=row[6],
            requested=row[7],
            balance_after=row[8],
            reference=row[9],
            reason=row[10],
            occurred_at=row[11],
            purchase_id=row[12],
            actor_id=row[13],
            reverses_id=row[14],
        )
        for row in cursor.fetchall()
    ]


def _read_lots(
    cursor: CursorWrapper, lots: dict[int, LotState], where: str, values: Iterable[int]
) -> None:
    cursor.execute(f"{_READ_LOT} WHERE {where}", list(values))
    for row in cursor.fetchall():
        lot_id, account_id, points, remaining, expires_on, slides, entry_id, origin_id, bill = row
        lots.setdefault(
            lot_id,
            LotState(
                id=lot_id,
                order=lot_id,
                account_id=account_id,
                points=points,
                remaining=remaining,
                expires_on=_as_date(expires_on),
                slides=bool(slides),
                entry_id=entry_id,
                origin_id=origin_id,
                purchase_id=bill,
            ),
        )


def _load_targets(
    cursor: CursorWrapper, book: Book, lots: dict[int, LotState], targets: set[int]
) -> None:
    """What is to be undone: the entries, what undid them before, and the lots behind all these."""
    ids = sorted(targets)
    for entry in read_entries(cursor, "id", ids):
        book.entries[entry.id or 0] = entry
    undone = [*read_entries(cursor, "kind", [Reverse.kind, GiveBack.kind], "reverses_id", ids)]
    for entry in undone:
        if entry.kind == Reverse.kind:
            book.reversed_by[entry.reverses_id or 0] = entry
        else:
            book.given_back.setdefault(entry.reverses_id or 0, []).append(entry)
    by_id = book.entries | {entry.id or 0: entry for entry in undone}
    every = sorted(by_id)
    used = f"SELECT lot_id FROM loyalty_allocation WHERE entry_id IN ({marks(every)})"
    if not every:
        return
    _read_lots(cursor, lots, f"l.entry_id IN ({marks(ids)}) OR l.id IN ({used})", [*ids, *every])
    cursor.execute(
        "SELECT entry_id, lot_id, points FROM loyalty_allocation"
        f" WHERE entry_id IN ({marks(every)}) ORDER BY id",
        every,
    )
    for entry_id, lot_id, points in cursor.fetchall():
        part = AllocationState(by_id[entry_id], lots[lot_id], points)
        book.allocations.setdefault(entry_id, []).append(part)


def _read_pendings(cursor: CursorWrapper, account_ids: set[int]) -> list[PendingState]:
    cursor.execute(
        f"{_READ_PENDING} WHERE p.remaining > 0 AND p.account_id IN ({marks(account_ids)})"
        " ORDER BY p.id",
        list(account_ids),
    )
    return [
        PendingState(
            id=pk,
            account_id=account_id,
            opened_for_id=opened_for_id,
            points=points,
            remaining=remaining,
            qualifying=qualifying,
            entry_id=entry_id,
            purchase_id=purchase_id,
        )
        for pk, account_id, opened_for_id, points, remaining, qualifying, entry_id, purchase_id in (
            cursor.fetchall()
        )
    ]


def _read_holds(
    cursor: CursorWrapper, book: Book, account_ids: Sequence[int], names: set[str]
) -> None:
    cursor.execute(
        f"{_READ_HOLD} WHERE account_id IN ({marks(account_ids)})"
        f" AND reference IN ({marks(names)})",
        [*account_ids, *names],
    )
    for pk, account_id, reference, points, reason, expires_at, state, actor_id in cursor.fetchall():
        book.holds[account_id, reference] = Held(
            id=pk,
            account_id=account_id,
            reference=reference,
            points=points,
            reason=reason,
            expires_at=expires_at,
            state=state,
            actor_id=actor_id,
        )


def marks(values: Collection[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _as_date(value: date | str) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value
