"""Points that go out: redemptions, holds, and what is taken back."""

from collections.abc import Sequence

from loyalty.errors import (
    HoldExceededError,
    HoldNotFoundError,
    HoldSettledError,
    InsufficientPointsError,
    ReferenceReusedError,
)
from loyalty.ledger.commands import (
    Capture,
    ClawBack,
    Command,
    Entry,
    Expire,
    Held,
    PlaceHold,
    Redeem,
    Release,
    Shortfall,
)
from loyalty.ledger.model.book import Book, check_points
from loyalty.ledger.model.states import AccountState, LotState


def redeem(book: Book, command: Redeem) -> Entry:
    """Spend available points."""
    return book.spend(book.open_account(command.account_id), command, command.points)


def expire(book: Book, command: Expire) -> Entry | None:
    """Close what is no longer usable."""
    return book.expire(book.account(command.account_id), command)


# --- holds --------------------------------------------------------------------------------------


def place_hold(book: Book, command: PlaceHold) -> Held:
    """Set points aside; the same request again answers with the hold that it placed."""
    check_points(command.points)
    known = book.holds.get((command.account_id, command.reference))
    if known is not None:
        if known.points != command.points:
            raise ReferenceReusedError(reference=command.reference)
        return known
    account = book.open_account(command.account_id)
    available = book.available(account)
    if command.points > available:
        raise InsufficientPointsError(available=available, points=command.points)
    account.held += command.points
    hold = Held(
        account_id=account.id,
        reference=command.reference,
        points=command.points,
        reason=command.reason,
        expires_at=command.expires_at,
        actor_id=command.actor_id,
    )
    book.holds[account.id, command.reference] = hold
    book.new_holds.append(hold)
    return hold


def capture(book: Book, command: Capture) -> Entry:
    """Spend held points; what is not needed is free again."""
    account = book.open_account(command.account_id)
    hold = _hold(book, command.account_id, command.hold_reference)
    points = hold.points if command.points is None else command.points
    check_points(points)
    if hold.state != "open":
        raise HoldSettledError(state=hold.state)
    if points > hold.points:
        raise HoldExceededError(held=hold.points, points=points)
    account.held -= hold.points
    entry = book.write(account, command, -points, requested=-points)
    book.take(account, entry, points)
    hold.state, hold.entry = "captured", entry
    book.fill_debt(account, entry)
    return entry


def release(book: Book, command: Release) -> Held:
    """Free held points; a hold that is free already stays as it is.

    Only where they fill a debt an entry is written, which says where they went.
    """
    account = book.account(command.account_id)
    hold = _hold(book, command.account_id, command.hold_reference)
    if hold.state == "captured":
        raise HoldSettledError(state=hold.state)
    if hold.state == "open":
        account.held -= hold.points
        hold.state = "expired" if command.ran_out else "released"
        if account.debt:
            entry = book.write(account, command, 0, requested=0)
            book.fill_debt(account, entry)
    return hold


def _hold(book: Book, account_id: int, reference: str) -> Held:
    hold = book.holds.get((account_id, reference))
    if hold is None:
        raise HoldNotFoundError()
    return hold


# --- taking back --------------------------------------------------------------------------------


def claw_back(book: Book, command: ClawBack) -> Entry:
    """Take back what a purchase earned: points on their way, its own lots, other lots."""
    check_points(command.points)
    account = book.account(command.account_id)
    pendings = book.pendings_of(account, command.purchase_id)
    lots = book.lots.get(account.id, ())
    own = [lot for lot in lots if lot.purchase_id == command.purchase_id is not None]
    return take_back(
        book,
        account,
        command,
        command.points,
        pending=book.drop_pending(pendings, command.points),
        shortfall=command.shortfall,
        first=own,
        qualifying=command.points if command.qualifying is None else command.qualifying,
    )


def take_back(
    book: Book,
    account: AccountState,
    command: Command,
    points: int,
    *,
    shortfall: Shortfall,
    first: Sequence[LotState],
    qualifying: int,
    pending: int = 0,
    about: Entry | None = None,
) -> Entry:
    """Take points back, `pending` of them before they were usable; the rest may become a debt."""
    book.expire_due(account, command)
    wanted = 0 if shortfall is Shortfall.PENDING else points - pending
    taken = min(wanted, account.balance + account.debt - account.held)
    posted = wanted if shortfall is Shortfall.DEBT else taken
    account.debt += posted - taken
    entry = book.write(
        account,
        command,
        -posted,
        requested=-points,
        pending=-pending,
        qualifying=-qualifying,
        about=about,
    )
    book.take(account, entry, taken, first=first)
    return entry
