"""Undoing what was posted: whole entries, and redemptions in parts."""

from datetime import date

from loyalty.errors import (
    EntryAlreadyReversedError,
    EntryNotFoundError,
    EntryNotReversibleError,
)
from loyalty.ledger.commands import (
    Cancel,
    Capture,
    Command,
    Entry,
    Expire,
    GiveBack,
    Pend,
    Reverse,
    Transfer,
)
from loyalty.ledger.model.book import Book
from loyalty.ledger.model.debits import take_back
from loyalty.ledger.model.states import AccountState

_FINAL = {Expire.kind, Cancel.kind, Pend.kind, Transfer.kind}


def reverse(book: Book, command: Reverse) -> Entry:
    """Undo an entry, once, as far as it is not undone yet."""
    account = book.account(command.account_id)
    target = _target(book, command)
    if command.entry_id in book.reversed_by:
        raise EntryAlreadyReversedError()
    if target.kind in _FINAL or not target.points or (target.points < 0 and target.pending):
        raise EntryNotReversibleError()
    if target.points > 0:
        entry = take_back(
            book,
            account,
            command,
            target.points,
            shortfall=command.shortfall,
            first=[
                *(lot for lot in book.lots.get(account.id, ()) if lot.was_made_by(target)),
                *(part.lot for part in book.allocations_of(target) if part.points < 0),
            ],
            qualifying=target.qualifying,
            about=target,
        )
    else:
        rest = -target.points - _returned(book, command.entry_id)
        if rest <= 0:
            raise EntryAlreadyReversedError()
        entry = _return_points(book, account, command, target, rest, None, command.expires_on)
    book.reversed_by[command.entry_id] = entry
    return entry


def give_back(book: Book, command: GiveBack) -> Entry | None:
    """Let a redemption be undone up to `command.total` in all."""
    account = book.account(command.account_id)
    target = _target(book, command)
    if target.kind != Capture.kind:
        raise EntryNotReversibleError()
    if command.entry_id in book.reversed_by:
        return None
    points = min(command.total, -target.points) - _returned(book, command.entry_id)
    if points <= 0:
        return None
    return _return_points(book, account, command, target, points, command.grace_until, book.today)


def _target(book: Book, command: Reverse | GiveBack) -> Entry:
    target = book.entries.get(command.entry_id)
    if target is None or target.account_id != command.account_id:
        raise EntryNotFoundError()
    return target


def _returned(book: Book, entry_id: int) -> int:
    return sum(entry.points for entry in book.given_back.get(entry_id, ()))


def _return_points(
    book: Book,
    account: AccountState,
    command: Command,
    target: Entry,
    points: int,
    grace_until: date | None,
    no_lot_until: date,
) -> Entry:
    """Put spent points back where they came from, those that were spent last first.

    Points that paid a debt never were in a lot; they get one until `no_lot_until`.
    """
    entry = book.write(
        account, command, points, requested=points, qualifying=-target.qualifying, about=target
    )
    rest = points - book.repay(account, points)
    back = {
        part.lot.id or id(part.lot): sum(
            -given.points
            for earlier in book.given_back.get(target.id or 0, ())
            for given in book.allocations_of(earlier)
            if given.lot is part.lot
        )
        for part in book.allocations_of(target)
    }
    late = 0
    for part in reversed(book.allocations_of(target)):
        room = part.points - back[part.lot.id or id(part.lot)]
        given = min(rest, room)
        if given <= 0:
            continue
        rest -= given
        if grace_until is not None and part.lot.expires_on < book.today:
            late += given
        else:
            book.allocate(entry, part.lot, -given)
    if late and grace_until is not None:
        book.open_lot(account, entry, late, grace_until)
    if rest:
        book.open_lot(account, entry, rest, no_lot_until)
    book.given_back.setdefault(target.id or 0, []).append(entry)
    book.expire_due(account, command)
    return entry
