"""What counts for tiers: money, points or days of buying, within days of the programme."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils.dateparse import parse_datetime

from loyalty.engine.tiers import Measure
from loyalty.models import Program

_CENT = Decimal("0.01")

# Every customer may have days of his own. Sums are asked span by span, which keeps to the index of
# the customer's rows whatever the planner knows of the table.
_OF_SPAN = """p.customer_id = span.column2
        AND p.occurred_at >= span.column3 AND p.occurred_at < span.column4
        AND p.status = 'active' AND p.standing = 'applied'"""
_SPEND = f"""
    SELECT span.column1, (SELECT SUM(p.net) FROM customers_purchase p WHERE {_OF_SPAN})
    FROM {{spans}}"""  # noqa: S608 - fixed names and placeholders only
_VISITS = f"""
    SELECT span.column1, p.occurred_at FROM {{spans}}
    JOIN customers_purchase p ON {_OF_SPAN} AND p.kind = 'sale' AND p.net > 0"""  # noqa: S608
_POINTS = """
    SELECT span.column1, (SELECT SUM(e.qualifying) FROM loyalty_pointsentry e
        WHERE e.account_id = span.column2
        AND e.occurred_at >= span.column3 AND e.occurred_at < span.column4)
    FROM {spans}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From the first to the last day that count, both included, for one account."""

    account_id: int
    customer_id: int
    first_day: date
    last_day: date


def measure_spans(program: Program, spans: Sequence[Span]) -> list[Decimal]:
    """What the programme measures within each span, in their order; one query for all."""
    if not spans:
        return []
    measure = Measure(program.tier_measure)
    adapt = connection.ops.adapt_datetimefield_value
    bounds = {
        day: adapt(program.start_of(day))
        for span in spans
        for day in (span.first_day, span.last_day + timedelta(days=1))
    }
    rows = [
        (
            place,
            span.account_id if measure == Measure.POINTS else span.customer_id,
            bounds[span.first_day],
            bounds[span.last_day + timedelta(days=1)],
        )
        for place, span in enumerate(spans)
    ]
    query = {Measure.SPEND: _SPEND, Measure.VISITS: _VISITS, Measure.POINTS: _POINTS}[measure]
    source, values = _given(rows)
    with connection.cursor() as cursor:
        cursor.execute(query.format(spans=source), values)
        answers = cursor.fetchall()
    found = _days_of_buying(program, answers) if measure == Measure.VISITS else dict(answers)
    # SQLite adds up in binary fractions.
    return [Decimal(str(found.get(place) or 0)).quantize(_CENT) for place in range(len(spans))]


def _given(rows: Sequence[tuple[Any, ...]]) -> tuple[str, list[Any]]:
    """The spans as a table of the query; arrays cost the driver far less than many marks."""
    if connection.vendor == "postgresql":
        types = ("bigint", "bigint", "timestamptz", "timestamptz")
        arrays = ", ".join(f"%s::{name}[]" for name in types)
        columns = [list(column) for column in zip(*rows, strict=True)]
        return f"unnest({arrays}) AS span(column1, column2, column3, column4)", columns
    marks = ", ".join(["(%s, %s, %s, %s)"] * len(rows))
    return f"(VALUES {marks}) AS span", [value for row in rows for value in row]


def _days_of_buying(program: Program, rows: Sequence[tuple[int, Any]]) -> dict[int, int]:
    days: dict[int, set[date]] = defaultdict(set)
    for place, at in rows:
        days[place].add(program.day_of(_as_datetime(at)))
    return {place: len(found) for place, found in days.items()}


def _as_datetime(value: Any) -> Any:
    if isinstance(value, str):  # SQLite has no type of its own for instants
        parsed = parse_datetime(value)
        return parsed.replace(tzinfo=UTC) if parsed and parsed.tzinfo is None else parsed
    return value
