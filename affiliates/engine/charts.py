"""Bars and columns of the portal's charts, as parts of a hundred."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Bar:
    """A step of a funnel; `width` is in percent of the longest."""

    name: str
    count: int
    width: int


def bars(counts: Mapping[str, int]) -> list[Bar]:
    """A bar for each count; whatever is not nothing can be seen."""
    longest = max(counts.values(), default=0)
    return [
        Bar(name, count, max(1, round(100 * count / longest)) if count else 0)
        for name, count in counts.items()
    ]


@dataclass(frozen=True, slots=True)
class Column:
    """A day or month of a chart: `left`, `width` and `height` are in percent of the whole.

    Amounts below nothing have no height.
    """

    first: date
    amount: Decimal
    left: Decimal
    width: Decimal
    height: int


def columns(amounts: Mapping[date, Decimal], starts: Sequence[date]) -> list[Column]:
    """Amounts by day, summed from each start to the next; days before the first are left out."""
    sums = dict.fromkeys(starts, Decimal(0))
    for day, amount in amounts.items():
        start = max((one for one in starts if one <= day), default=None)
        if start is not None:
            sums[start] += amount
    highest = max(sums.values(), default=Decimal(0))
    step = Decimal(100) / max(len(starts), 1)
    return [
        Column(
            first=start,
            amount=amount,
            left=round(step * place, 2),
            width=round(step * Decimal("0.75"), 2),
            height=max(2, round(100 * amount / highest)) if amount > 0 else 0,
        )
        for place, (start, amount) in enumerate(sums.items())
    ]


def last_days(today: date, count: int) -> list[date]:
    """So many days that end with today."""
    return [today - timedelta(days=before) for before in reversed(range(count))]


def last_months(today: date, count: int) -> list[date]:
    """The first days of so many months, the present one last."""
    months = [today.year * 12 + today.month - 1 - before for before in reversed(range(count))]
    return [date(month // 12, month % 12 + 1, 1) for month in months]
