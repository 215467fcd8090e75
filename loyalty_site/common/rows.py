"""Many rows in one statement, whatever their number, and one row by a statement of one's own.

`bulk_create` and `bulk_update` split a batch into many statements on SQLite and spend more time
on model instances than the database does on the rows. A row is a tuple in the order of the
columns; values are plain Python ones, and JSON columns take lists and dicts. All names in the
SQL are quoted ones of models. What depends on model and columns alone is composed once.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, models

Row = Sequence[Any]
M = TypeVar("M", bound=models.Model)

_FOR_SQLITE: dict[type, Callable[[Any], Any]] = {
    Decimal: str,
    datetime: lambda value: str(value.astimezone(UTC).replace(tzinfo=None)),
    date: str,
    UUID: lambda value: value.hex,
    list: json.dumps,
    dict: json.dumps,
}


def read_instance(model: type[M], columns: tuple[str, ...], row: Row) -> M:
    """The instance of a row as a cursor gave it; columns that were not read are deferred.

    For a statement on the path of every request, where `raw()` takes longer than the database.
    """
    values = list(row)
    for place, column, converters in _converters(model, columns, connection.vendor):
        for convert in converters:
            values[place] = convert(values[place], column, connection)
    return model.from_db(connection.alias, columns, values)


@lru_cache
def _converters(
    model: type[models.Model], columns: tuple[str, ...], vendor: str
) -> list[tuple[int, Any, list[Callable[..., Any]]]]:
    """Place, expression and converters of the columns that do not come as Python values."""
    found = [(place, _field(model, name).get_col("")) for place, name in enumerate(columns)]
    by_place = [
        (
            place,
            column,
            connection.ops.get_db_converters(column) + column.get_db_converters(connection),
        )
        for place, column in found
    ]
    return [(place, column, converters) for place, column, converters in by_place if converters]


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
    vendor = connection.vendor
    statement = _insertion(model, tuple(columns), vendor) + on_conflict
    with connection.cursor() as cursor:
        if vendor == "postgresql":
            cursor.execute(statement, [_document(columns, rows)])
        else:
            cursor.executemany(statement, _adapted(rows))


@lru_cache
def _insertion(model: type[models.Model], columns: tuple[str, ...], vendor: str) -> str:
    names = ", ".join(_quoted(model, columns))
    head = f"INSERT INTO {_table(model)} ({names})"
    if vendor == "postgresql":
        return f"{head} SELECT {names} FROM {_recordset(model, columns)}"  # noqa: S608
    marks = ", ".join(["%s"] * len(columns))
    return f"{head} VALUES ({marks})"


def update_rows(model: type[models.Model], columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write the columns of existing rows; the first column is the primary key."""
    if not rows:
        return
    vendor = connection.vendor
    statement = _update(model, tuple(columns), vendor)
    with connection.cursor() as cursor:
        if vendor == "postgresql":
            cursor.execute(statement, [_document(columns, rows)])
        else:
            cursor.executemany(statement, _adapted((*row[1:], row[0]) for row in rows))


@lru_cache
def _update(model: type[models.Model], columns: tuple[str, ...], vendor: str) -> str:
    key, *names = _quoted(model, columns)
    table = _table(model)
    if vendor == "postgresql":
        assignments = ", ".join(f"{name} = given.{name}" for name in names)
        return (
            f"UPDATE {table} SET {assignments} FROM {_recordset(model, columns)}"  # noqa: S608
            f" WHERE {table}.{key} = given.{key}"
        )
    assignments = ", ".join(f"{name} = %s" for name in names)
    return f"UPDATE {table} SET {assignments} WHERE {key} = %s"  # noqa: S608


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
