"""Points that move between accounts: transfers, merges, and undoing a merge."""

from loyalty.errors import AccountClosedError, NotMergedError, PointsHeldError, SameAccountError
from loyalty.ledger.commands import Entry, Merge, Separate, Transfer
from loyalty.ledger.model.book import Book
from loyalty.ledger.model.states import AccountState


def transfer(book: Book, command: Transfer) -> Entry:
    """Move available points, with their expiry."""
    giver, taker = _different(book, command.account_id, command.to_account_id)
    if giver.is_closed:
        raise AccountClosedError()
    entry = book.spend(giver, command, command.points)
    arrived = book.write(taker, command, command.points, requested=command.points)
    for part in book.allocations_of(entry):
        lot = part.lot
        book.open_lot(taker, arrived, part.points, lot.expires_on, slides=lot.slides)
    return entry


def merge(book: Book, command: Merge) -> Entry:
    """Move everything to another account and close this one.

    A merged account that got points since, by a redemption that was undone, passes them on.
    """
    giver, taker = _different(book, command.account_id, command.to_account_id)
    if giver.is_closed and giver.merged_into_id != taker.id:
        raise AccountClosedError()
    if giver.held:
        raise PointsHeldError()
    book.expire_due(giver, command)
    points, debt, pending = giver.balance + giver.debt, giver.debt, giver.pending
    entry = book.write(giver, command, -giver.balance, requested=-giver.balance, pending=-pending)
    giver.debt = 0
    book.take(giver, entry, points)
    arrived = book.write(taker, command, points - debt, requested=points - debt, pending=pending)
    for part in book.allocations_of(entry):
        lot = part.lot
        book.open_lot(taker, arrived, part.points, lot.expires_on, slides=lot.slides, origin=lot)
    taker.debt += debt
    book.fill_debt(taker, arrived)
    for waiting in book.pendings:
        if waiting.account_id == giver.id and waiting.remaining:
            waiting.account_id = taker.id
    giver.is_closed, giver.merged_into_id = True, taker.id
    return entry


def separate(book: Book, command: Separate) -> Entry:
    """Open a merged account again, with what is left of the points that it brought."""
    giver, taker = book.open_account(command.from_account_id), book.account(command.account_id)
    if taker.merged_into_id != giver.id:
        raise NotMergedError()
    taker.is_closed, taker.merged_into_id = False, None
    book.expire_due(giver, command)
    free = book.available(giver)
    brought = []
    for lot in book.open_lots(giver):
        origin = lot.origin
        part = min(free, lot.remaining)
        if part and origin is not None and origin.account_id == taker.id:
            brought.append((lot, origin, part))
            free -= part
    waiting = [
        one
        for one in book.pendings
        if (one.account_id, one.opened_for_id) == (giver.id, taker.id) and one.remaining
    ]
    points = sum(part for _, _, part in brought)
    pending = sum(one.remaining for one in waiting)
    left = book.write(giver, command, -points, requested=-points, pending=-pending)
    entry = book.write(taker, command, points, requested=points, pending=pending)
    rest = points - book.repay(taker, points)
    for lot, origin, part in brought:
        book.allocate(left, lot, part)
        if back := min(rest, part):
            book.allocate(entry, origin, -back)
            rest -= back
    for one in waiting:
        one.account_id = taker.id
    return entry


def _different(book: Book, giver_id: int, taker_id: int) -> tuple[AccountState, AccountState]:
    if giver_id == taker_id:
        raise SameAccountError()
    return book.account(giver_id), book.open_account(taker_id)
