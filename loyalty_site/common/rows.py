"""Many rows in one statement, whatever their number.

`bulk_create` and `bulk_update` split a batch into many statements on SQLite and spend more time
on model instances than the database does on the rows. A row is a tuple in the order of the
columns; values are plain Python ones, and JSON columns take lists and dicts. All names in the
SQL are quoted ones of models.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, models

Row = Sequence[Any]

_FOR_SQLITE: dict[type, Callable[[Any], Any]] = {
    Decimal: str,
    datetime: lambda value: str(value.astimezone(UTC).replace(tzinfo=None)),
    date: str,
    UUID: lambda value: value.hex,
    list: json.dumps,
    dict: json.dumps,
}


def insert_rows(model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert rows; a conflict with a unique constraint is an IntegrityError."""
    _insert(model, columns, rows, "")


def insert_missing_rows(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]
) -> None:
    """Insert rows, leaving out those that a unique constraint says are there.

    Give them in the order of their key, so that two writers cannot wait for each other.
    """
    _insert(model, columns, rows, " ON CONFLICT DO NOTHING")


def _insert(
    model: type[models.Model], columns: Sequence[str], rows: Sequence[Row], on_conflict: str
) -> None:
    if not rows:
        return
    names = ", ".join(_quoted(model, columns))
    head = f"INSERT INTO {_table(model)} ({names})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            source = f"SELECT {names} FROM {_recordset(model, columns)}"  # noqa: S608
            cursor.execute(f"{head} {source}{on_conflict}", [_document(columns, rows)])
        else:
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"{head} VALUES ({marks}){on_conflict}", _adapted(rows))


def update_rows(model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write the columns of existing rows; the first column is the primary key."""
    if not rows:
        return
    key, *names = _quoted(model, columns)
    table = _table(model)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            assignments = ", ".join(f"{name} = given.{name}" for name in names)
            cursor.execute(
                f"UPDATE {table} SET {assignments} FROM {_recordset(model, columns)}"  # noqa: S608
                f" WHERE {table}.{key} = given.{key}",
                [_document(columns, rows)],
            )
        else:
            assignments = ", ".join(f"{name} = %s" for name in names)
            cursor.executemany(
                f"UPDATE {table} SET {assignments} WHERE {key} = %s",  # noqa: S608
                _adapted((*row[1:], row[0]) for row in rows),
            )


def _table(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _quoted(model: type[models.Model], columns: Sequence[str]) -> list[str]:
    return [connection.ops.quote_name(_field(model, name).column) for name in columns]


def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.get_field(name)


def _recordset(model: type[models.Model], columns: Sequence[str]) -> str:
    typed = ", ".join(
        f"{name} {_field(model, column).cast_db_type(connection)}"
        for name, column in zip(_quoted(model, columns), columns, strict=True)
    )
    return f"json_to_recordset(%s::json) AS given({typed})"


def _document(columns: Sequence[str], rows: Sequence[Row]) -> str:
    return json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str)


def _adapted(rows: Iterable[Row]) -> list[list[Any]]:
    converters = _FOR_SQLITE
    return [
        [convert(value) if (convert := converters.get(type(value))) else value for value in row]
        for row in rows
    ]
