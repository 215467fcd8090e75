"""Points that come in: awards, and points on their way until they are usable."""

from loyalty.ledger.commands import Activate, Adjust, Award, Cancel, Entry, Pend
from loyalty.ledger.model.book import Book, check_points
from loyalty.ledger.model.states import PendingState


def award(book: Book, command: Award) -> Entry:
    """Credit points into a lot of their own."""
    check_points(command.points)
    account = book.open_account(command.account_id)
    entry = book.write(
        account,
        command,
        command.points,
        requested=requested(command),
        qualifying=_qualifying(command),
    )
    book.open_lot(account, entry, command.points, command.expires_on, slides=command.slides)
    return entry


def adjust(book: Book, command: Adjust) -> Entry:
    """Correct by hand, up or down; corrections do not count for tiers."""
    account = book.open_account(command.account_id)
    if command.points < 0:
        return book.spend(account, command, -command.points)
    check_points(command.points)
    entry = book.write(account, command, command.points, requested=command.points)
    book.open_lot(account, entry, command.points, command.expires_on)
    return entry


def pend(book: Book, command: Pend) -> Entry:
    """Announce points that become usable later."""
    check_points(command.points)
    account = book.open_account(command.account_id)
    entry = book.write(
        account,
        command,
        0,
        requested=requested(command),
        pending=command.points,
        qualifying=_qualifying(command),
    )
    pending = PendingState(
        account_id=account.id,
        opened_for_id=account.id,
        points=command.points,
        remaining=command.points,
        qualifying=entry.qualifying,
        purchase_id=command.purchase_id,
        activates_on=command.activates_on,
        awaits=command.awaits,
        cancels_on=command.cancels_on,
        lifetime=command.lifetime,
        entry=entry,
    )
    book.pendings.append(pending)
    book.new_pendings.append(pending)
    return entry


def activate(book: Book, command: Activate) -> Entry | None:
    """Move what is left of announced points into a lot."""
    account = book.open_account(command.account_id)
    pending = _find(book, command)
    if pending is None:
        return None
    points, pending.remaining = pending.remaining, 0
    entry = book.write(
        account,
        command,
        points,
        requested=points,
        pending=-points,
        about=pending.entry,
        about_id=pending.entry_id,
        purchase_id=pending.purchase_id,
    )
    book.open_lot(account, entry, points, command.expires_on, slides=command.slides)
    return entry


def cancel(book: Book, command: Cancel) -> Entry | None:
    """Give up what is left of announced points."""
    account = book.account(command.account_id)
    pending = _find(book, command)
    if pending is None:
        return None
    points, pending.remaining = pending.remaining, 0
    return book.write(
        account,
        command,
        0,
        requested=-points,
        pending=-points,
        qualifying=-(pending.qualifying * points // pending.points),
        about=pending.entry,
        about_id=pending.entry_id,
        purchase_id=pending.purchase_id,
    )


def requested(command: Award | Pend) -> int:
    """What the rules gave, before a limit trimmed it."""
    return command.points if command.desired is None else command.desired


def _qualifying(command: Award | Pend) -> int:
    return command.points if command.qualifying is None else command.qualifying


def _find(book: Book, command: Activate | Cancel) -> PendingState | None:
    return next(
        (
            pending
            for pending in book.pendings
            if pending.account_id == command.account_id
            and command.entry_id == (pending.entry.id if pending.entry else pending.entry_id)
            and pending.remaining
        ),
        None,
    )
