"""The usual case on PostgreSQL: new awards to open accounts, posted inside the server.

What is unusual in a batch, repeats, refusals and debts, is left to the portable back end, in the
same transaction. One award takes one call of a function (migration 0005), many take one statement.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from loyalty.ledger import portable
from loyalty.ledger.commands import Award, Command, Entry, Outcome
from loyalty.ledger.model import is_valid

_POST_ONE = (
    "SELECT is_new, entry_id, number, total"
    " FROM loyalty_post_award(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_LOCK = "SELECT FROM loyalty_account WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
# Runs after the locks are held, so that it sees what was committed while they were awaited.
_POST_MANY = """
WITH fresh AS MATERIALIZED (
    SELECT i.*, nextval('loyalty_pointsentry_id_seq') AS entry_id,
           a.version + row_number() OVER earlier AS seq,
           (a.balance + sum(i.points) OVER earlier)::bigint AS balance_after
    FROM json_to_recordset(%s) AS i (place integer, account_id bigint, points bigint,
        reference text, reason text, purchase_id bigint, actor_id bigint, occurred_at timestamptz,
        expires_on date, details jsonb)
    JOIN loyalty_account a ON a.id = i.account_id AND a.closed_at IS NULL AND a.debt = 0
    WHERE NOT EXISTS (SELECT FROM loyalty_pointsentry e
                      WHERE e.account_id = i.account_id AND e.reference = i.reference)
    WINDOW earlier AS (PARTITION BY i.account_id ORDER BY i.place)
), entries AS (
    INSERT INTO loyalty_pointsentry (id, account_id, seq, kind, points, qualifying, requested,
        balance_after, reference, purchase_id, reason, details, actor_id, occurred_at, recorded_at)
    SELECT entry_id, account_id, seq, 'award', points, points, points,
           balance_after, reference, purchase_id, reason, coalesce(details, '{}'), actor_id,
           occurred_at, %s
    FROM fresh
), lots AS (
    INSERT INTO loyalty_lot (account_id, entry_id, points, remaining, expires_on)
    SELECT account_id, entry_id, points, points, expires_on FROM fresh
), moved AS (
    UPDATE loyalty_account a SET balance = f.balance, version = f.version
    FROM (SELECT account_id, max(balance_after) AS balance, max(seq) AS version
          FROM fresh GROUP BY account_id) f
    WHERE a.id = f.account_id
)
SELECT place, entry_id, seq, balance_after FROM fresh
"""


def can_post(commands: Sequence[Command]) -> bool:
    """Whether a batch holds nothing but awards that stand alone and have nothing unusual."""
    return all(
        isinstance(command, Award)
        and is_valid(command.points)
        and not (command.group or command.slides or command.slides_to)
        and command.qualifying in (None, command.points)
        and command.desired in (None, command.points)
        for command in commands
    )


def post(commands: Sequence[Award], *, now: datetime, today: date) -> list[Outcome]:
    """Post awards; must run inside a transaction."""
    with connection.cursor() as cursor:
        if len(commands) == 1:
            answered = _post_one(cursor, commands[0], now, today)
        else:
            answered = _post_many(cursor, commands, now)
    rest = [place for place in range(len(commands)) if place not in answered]
    if rest:
        outcomes = portable.post([commands[place] for place in rest], now=now, today=today)
        answered.update(zip(rest, outcomes, strict=True))
    return [answered[place] for place in range(len(commands))]


def _post_one(
    cursor: CursorWrapper, command: Award, now: datetime, today: date
) -> dict[int, Outcome]:
    cursor.execute(
        _POST_ONE,
        (
            command.account_id,
            command.points,
            command.reference,
            command.reason,
            command.purchase_id,
            command.actor_id,
            command.occurred_at,
            command.expires_on,
            portable.to_json(command.details),
            now,
        ),
    )
    is_new, entry_id, seq, balance_after = cursor.fetchone()
    if is_new:
        return {0: _outcome(command, entry_id, seq, balance_after)}
    if entry_id:
        return {0: portable.repeat(cursor, command, entry_id, today)}
    return {}


def _post_many(
    cursor: CursorWrapper, commands: Sequence[Award], now: datetime
) -> dict[int, Outcome]:
    firsts: dict[tuple[int, str], int] = {}
    for place, command in enumerate(commands):
        firsts.setdefault((command.account_id, command.reference), place)
    rows = [_row(place, commands[place]) for place in firsts.values()]
    cursor.execute(_LOCK, [sorted({account_id for account_id, _ in firsts})])
    cursor.execute(_POST_MANY, [portable.to_json(rows), now])
    return {
        place: _outcome(commands[place], entry_id, seq, balance_after)
        for place, entry_id, seq, balance_after in cursor.fetchall()
    }


def _row(place: int, command: Award) -> dict[str, Any]:
    """A command as _POST_MANY reads it, without what is empty: parsing is what a batch pays for."""
    row: dict[str, Any] = {
        "place": place,
        "account_id": command.account_id,
        "points": command.points,
        "reference": command.reference,
        "reason": command.reason,
        "occurred_at": command.occurred_at.isoformat(),
        "expires_on": command.expires_on.isoformat(),
    }
    if command.purchase_id is not None:
        row["purchase_id"] = command.purchase_id
    if command.actor_id is not None:
        row["actor_id"] = command.actor_id
    if command.details:
        row["details"] = command.details
    return row


def _outcome(command: Award, entry_id: int, seq: int, balance_after: int) -> Outcome:
    entry = Entry(
        id=entry_id,
        account_id=command.account_id,
        seq=seq,
        kind=Award.kind,
        points=command.points,
        qualifying=command.points,
        requested=command.points,
        balance_after=balance_after,
        reference=command.reference,
        reason=command.reason,
        occurred_at=command.occurred_at,
        purchase_id=command.purchase_id,
        actor_id=command.actor_id,
        details=command.details,
    )
    return Outcome(entries=(entry,), own=entry)
