"""Days, periods and changes: pure calendar and arithmetic of the dashboards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_LONGEST_DAILY = 31


def local_day(at: datetime, zone: str) -> date:
    """The calendar day of an instant in a zone."""
    return at.astimezone(ZoneInfo(zone)).date()


def day_start(day: date, zone: str) -> datetime:
    """The first instant of a calendar day in a zone."""
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(zone))


def spans(days: Iterable[date]) -> list[tuple[date, date]]:
    """Days as runs of neighbours: (first day, day after the last), in order."""
    runs: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if runs and runs[-1][1] == day:
            runs[-1] = (runs[-1][0], day + _DAY)
        else:
            runs.append((day, day + _DAY))
    return runs


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @classmethod
    def ending(cls, last: date, days: int) -> "Period":
        """The period of so many days that ends with a day."""
        return cls(last - timedelta(days=days - 1), last)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def previous(self) -> "Period":
        """The period of equal length right before it."""
        return Period.ending(self.first - _DAY, self.days)

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    @property
    def by_week(self) -> bool:
        """Whether a chart of it shows weeks, because days would be too many to tell apart."""
        return self.days > _LONGEST_DAILY

    def buckets(self) -> list[date]:
        """The first day of each column of a chart; weeks are counted back from the last day."""
        step = 7 if self.by_week else 1
        ends = [self.last - timedelta(days=before) for before in range(0, self.days, step)]
        return [max(self.first, end - timedelta(days=step - 1)) for end in reversed(ends)]


def by_bucket(
    period: Period, values: Iterable[tuple[date, Sequence[Decimal | int]]], width: int
) -> list[list[Decimal | int]]:
    """Sums of `width` figures a day for each column of the period's chart."""
    starts = period.buckets()
    step = 7 if period.by_week else 1
    sums: list[list[Decimal | int]] = [[0] * width for _ in starts]
    for day, figures in values:
        if day in period:
            column = len(starts) - 1 - (period.last - day).days // step
            sums[column] = [a + b for a, b in zip(sums[column], figures, strict=True)]
    return sums


@dataclass(frozen=True, slots=True)
class Change:
    """A figure now and in the period before."""

    now: Decimal
    before: Decimal

    @property
    def percent(self) -> int | None:
        """Change in whole percent; None if there was nothing to compare with."""
        if self.before <= 0:
            return None
        return round((self.now - self.before) * 100 / self.before)
