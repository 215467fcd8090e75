"""The ledger on any database: load the touched rows, apply the model, write what changed.

A constant number of statements whatever the batch; plain SQL, because ORM objects cost more than
the statements themselves. SQLite runs it inside BEGIN IMMEDIATE, PostgreSQL under row locks.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from loyalty.ledger import model
from loyalty.ledger.commands import Command, Held, Outcome
from loyalty.ledger.model import AccountState, Book, LotState, PendingState
from loyalty.ledger.portable.reading import load, read_entries
from loyalty.ledger.portable.writing import State, save, save_merges, to_json

__all__ = ["post", "repeat", "to_json"]


def post(commands: Sequence[Command], *, now: datetime, today: date) -> list[Outcome]:
    """Post a batch; must run inside a transaction."""
    with connection.cursor() as cursor:
        book = load(cursor, commands, today)
        before = {id(state): _figures(state) for state in _states(book)}
        outcomes = model.post(book, commands)
        changed = [state for state in _states(book) if before.get(id(state)) != _figures(state)]
        if changed:
            save(cursor, book, changed, now)
            save_merges(cursor, book, commands, now)
    return outcomes


def _states(book: Book) -> Iterator[State]:
    yield from book.accounts.values()
    for lots in book.lots.values():
        yield from lots
    yield from book.pendings
    yield from book.holds.values()


def _figures(state: State) -> tuple[Any, ...]:
    """What commands change of a stored row."""
    match state:
        case AccountState():
            return (state.version, state.held, state.is_closed, state.merged_into_id)
        case LotState():
            return (state.remaining, state.expires_on)
        case PendingState():
            return (state.remaining, state.account_id)
        case Held():
            return (state.state,)


def repeat(cursor: CursorWrapper, command: Command, entry_id: int, today: date) -> Outcome:
    """Answer a command whose reference is known to stand for this entry."""
    (entry,) = read_entries(cursor, "id", [entry_id])
    book = Book(today=today, known={(entry.account_id, entry.reference): entry})
    return model.post(book, [command])[0]
