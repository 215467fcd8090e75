"""One batch of commands: what each answers, and which stand or fall together."""

from collections.abc import Callable, Sequence
from typing import Any

from loyalty.errors import GroupRefusedError, InvalidPointsError, ReferenceReusedError
from loyalty.ledger.commands import (
    MAX_POINTS,
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
    Transfer,
)
from loyalty.ledger.model import credits, debits, moving, undoing
from loyalty.ledger.model.book import Book
from loyalty.ledger.model.credits import requested
from loyalty_site.common.errors import DomainError

_POSTINGS: dict[type[Command], Callable[[Book, Any], Entry | None]] = {
    Award: credits.award,
    Adjust: credits.adjust,
    Pend: credits.pend,
    Activate: credits.activate,
    Cancel: credits.cancel,
    Redeem: debits.redeem,
    Capture: debits.capture,
    ClawBack: debits.claw_back,
    Expire: debits.expire,
    Reverse: undoing.reverse,
    GiveBack: undoing.give_back,
    Transfer: moving.transfer,
    Merge: moving.merge,
    Separate: moving.separate,
}


def post(book: Book, commands: Sequence[Command]) -> list[Outcome]:
    """Apply commands in order; those of one group stand or fall together."""
    groups: dict[str, list[int]] = {}
    for index, command in enumerate(commands):
        groups.setdefault(command.group or f"\0{index}", []).append(index)
    outcomes: dict[int, Outcome] = {}
    for indexes in groups.values():
        applied = _apply_together(book, [commands[index] for index in indexes])
        outcomes.update(zip(indexes, applied, strict=True))
    return [outcomes[index] for index in range(len(commands))]


def _apply_together(book: Book, commands: Sequence[Command]) -> list[Outcome]:
    if len(commands) == 1 and not isinstance(commands[0], _TOUCHES_BEFORE_REFUSING):
        return [_apply(book, commands[0])]
    restore = book.bookmark()
    outcomes = [_apply(book, command) for command in commands]
    if not any(outcome.refusal for outcome in outcomes):
        return outcomes
    restore()
    return [Outcome(refusal=outcome.refusal or GroupRefusedError()) for outcome in outcomes]


# These may find out late that the other account has this reference.
_TOUCHES_BEFORE_REFUSING = (Transfer, Merge, Separate)


def _apply(book: Book, command: Command) -> Outcome:
    try:
        if isinstance(command, PlaceHold):
            count = len(book.new_holds)
            hold = debits.place_hold(book, command)
            return Outcome(hold=hold, replayed=len(book.new_holds) == count)
        if isinstance(command, Release):
            count = len(book.new_entries)
            hold = debits.release(book, command)
            return Outcome(hold=hold, entries=tuple(book.new_entries[count:]))
        if replay := _replay(book, command):
            return replay
        book.account(command.account_id)
        start = len(book.new_entries)
        posting = _POSTINGS.get(type(command))
        if posting is None:
            raise InvalidPointsError(limit=MAX_POINTS)
        own = posting(book, command)
    except DomainError as error:
        return Outcome(refusal=error)
    if own and command.slides_to:
        book.prolong(book.account(command.account_id), command.slides_to)
    return Outcome(entries=tuple(book.new_entries[start:]), own=own)


def _replay(book: Book, command: Command) -> Outcome | None:
    entry = book.known.get((command.account_id, command.reference))
    if entry is None:
        return None
    if entry.kind != command.kind or not _is_same(entry, command):
        raise ReferenceReusedError(reference=command.reference)
    return Outcome(entries=(entry,), own=entry, replayed=True)


def _is_same(entry: Entry, command: Command) -> bool:
    match command:
        case Reverse(entry_id=entry_id) | Activate(entry_id=entry_id) | Cancel(entry_id=entry_id):
            return entry.reverses_id == entry_id
        case GiveBack(entry_id=entry_id):
            return entry.reverses_id == entry_id
        case Award() | Pend():
            return entry.requested == requested(command)
        case Adjust(points=points):
            return entry.requested == points
        case Redeem(points=points) | ClawBack(points=points) | Transfer(points=points):
            return entry.requested == -points
        case Capture(points=points):
            return points is None or entry.requested == -points
        case _:
            return True
