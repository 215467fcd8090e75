"""How long points live."""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Self, TypeVar

from loyalty.errors import InvalidExpiryError

E = TypeVar("E", bound=StrEnum)

NEVER = date(9999, 12, 31)
LONGEST = {"days": 36_500, "months": 1_200}
MOST_DATES = 12


class ExpiryKind(StrEnum):
    """From where the life of points is counted."""

    NONE = "none"
    DAYS = "days"
    MONTHS = "months"
    FIXED_DATES = "fixed_dates"
    SLIDING_DAYS = "sliding_days"
    SLIDING_MONTHS = "sliding_months"


class RoundUp(StrEnum):
    """Up to which end a last day is moved, so that points end together."""

    NONE = "none"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_DAYS = {ExpiryKind.DAYS, ExpiryKind.SLIDING_DAYS}
_MONTHS = {ExpiryKind.MONTHS, ExpiryKind.SLIDING_MONTHS}
_SLIDING = {ExpiryKind.SLIDING_DAYS, ExpiryKind.SLIDING_MONTHS}
_MONTHS_A_STEP = {RoundUp.MONTH: 1, RoundUp.QUARTER: 3, RoundUp.YEAR: 12}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryPolicy:
    """How long points live: never ending, for a time, until a date of the year, or while active.

    `length` counts days or months; `dates` are (month, day) pairs of every year. A sliding policy
    starts anew whenever the customer earns or redeems.
    """

    kind: ExpiryKind = ExpiryKind.NONE
    length: int = 0
    dates: tuple[tuple[int, int], ...] = ()
    round_up: RoundUp = RoundUp.NONE

    @property
    def slides(self) -> bool:
        """Whether activity prolongs the life of points."""
        return self.kind in _SLIDING

    @classmethod
    def from_definition(cls, definition: Mapping[str, Any]) -> Self:
        """Read the written form.

        Raises:
            InvalidExpiryError: names what is missing or wrong.
        """
        if not isinstance(definition, Mapping):
            raise InvalidExpiryError(problem="it must be an object.")
        kind = _choice(ExpiryKind, definition.get("kind"), "kind")
        known = {"kind"}
        length, round_up = 0, RoundUp.NONE
        dates: tuple[tuple[int, int], ...] = ()
        if kind == ExpiryKind.FIXED_DATES:
            known |= {"dates"}
            dates = _dates(definition.get("dates"))
        elif kind != ExpiryKind.NONE:
            known |= {"length", "round_up"}
            length = _length(definition.get("length"), "days" if kind in _DAYS else "months")
            round_up = _choice(RoundUp, definition.get("round_up", RoundUp.NONE), "round_up")
        if unknown := sorted(set(definition) - known):
            raise InvalidExpiryError(problem=f"“{unknown[0]}” does not belong to it.")
        return cls(kind=kind, length=length, dates=dates, round_up=round_up)

    def to_definition(self) -> dict[str, Any]:
        """The written form."""
        if self.kind == ExpiryKind.NONE:
            return {"kind": self.kind.value}
        if self.kind == ExpiryKind.FIXED_DATES:
            days = [f"{month:02}-{day:02}" for month, day in self.dates]
            return {"kind": self.kind.value, "dates": days}
        written = {"kind": self.kind.value, "length": self.length}
        if self.round_up == RoundUp.NONE:
            return written
        return {**written, "round_up": self.round_up.value}


def expires_on(policy: ExpiryPolicy, earned_on: date) -> date:
    """The last usable day of points earned on a day; both days are in the programme's zone.

    31 January plus one month is 28 or 29 February. Points earned on one of the fixed dates live
    until the next one. What would end after the last day of the calendar never ends.
    """
    try:
        match policy.kind:
            case ExpiryKind.NONE:
                return NEVER
            case ExpiryKind.FIXED_DATES:
                return _next_date(policy.dates, earned_on)
            case ExpiryKind.DAYS | ExpiryKind.SLIDING_DAYS:
                last_day = earned_on + timedelta(days=policy.length)
            case _:
                last_day = add_months(earned_on, policy.length)
        return _rounded_up(last_day, policy.round_up)
    except (OverflowError, ValueError):
        return NEVER


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or that month's last day.

    Raises:
        ValueError: beyond the calendar.
    """
    year, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + year, month + 1
    return date(year, month, min(day.day, _days_of(year, month)))


def _next_date(dates: tuple[tuple[int, int], ...], earned_on: date) -> date:
    """The first of the yearly dates after a day; 29 February is the 28th in common years."""
    for year in (earned_on.year, earned_on.year + 1):
        for month, day in sorted(dates):
            found = date(year, month, min(day, _days_of(year, month)))
            if found > earned_on:
                return found
    return NEVER


def _rounded_up(day: date, step: RoundUp) -> date:
    if step == RoundUp.NONE:
        return day
    months = _MONTHS_A_STEP[step]
    month = (day.month + months - 1) // months * months
    return date(day.year, month, _days_of(day.year, month))


def _days_of(year: int, month: int) -> int:
    return calendar.monthrange(year, month)[1]


# --- in words -----------------------------------------------------------------------------------


def describe(policy: ExpiryPolicy) -> str:
    """The policy as the end of a sentence that begins with “Points”."""
    if policy.kind == ExpiryKind.NONE:
        return "never expire"
    if policy.kind == ExpiryKind.FIXED_DATES:
        days = [f"{day} {calendar.month_name[month]}" for month, day in sorted(policy.dates)]
        return f"are usable until the next {' or '.join(days)}"
    unit = "day" if policy.kind in _DAYS else "month"
    length = f"{policy.length} {unit}{'' if policy.length == 1 else 's'}"
    since = "the customer was last active" if policy.slides else "they were earned"
    sentence = f"are usable for {length} after {since}"
    if policy.round_up != RoundUp.NONE:
        sentence += f", then until the end of that {policy.round_up.value}"
    return sentence


# --- checks -------------------------------------------------------------------------------------


def _choice(kinds: type[E], value: Any, field: str) -> E:
    try:
        return kinds(value)
    except ValueError as error:
        names = ", ".join(f"“{kind.value}”" for kind in kinds)
        raise InvalidExpiryError(problem=f"{field} must be one of {names}.", field=field) from error


def _length(value: Any, unit: str) -> int:
    most = LONGEST[unit]
    if type(value) is not int or not 1 <= value <= most:
        raise InvalidExpiryError(
            problem=f"give the number of {unit} as a whole number from 1 to {most:,}.",
            field="length",
        )
    return value


def _dates(value: Any) -> tuple[tuple[int, int], ...]:
    texts = value if isinstance(value, list | tuple) else []
    dates: set[tuple[int, int]] = set()
    for text in texts:
        try:
            day = date.fromisoformat(f"2028-{text}")
        except ValueError:
            dates.clear()
            break
        dates.add((day.month, day.day))
    if not dates or len(dates) != len(texts) or len(dates) > MOST_DATES:
        raise InvalidExpiryError(
            problem=f"give one to {MOST_DATES} different dates as month and day, like “12-31”.",
            field="dates",
        )
    return tuple(sorted(dates))
