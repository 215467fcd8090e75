"""What a rule may have to know beside the bill, and the periods in which limits count."""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum


class Period(StrEnum):
    """A stretch of the programme's calendar; weeks begin on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"
    EVER = "ever"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about the customer and about what rules gave before.

    `nth` tells which purchase of the customer this is, `streaks` in how many periods in a row he
    bought. `used` and `times` are by rule: points and bills in the rule's period, without this
    bill; `budget_left` is what a rule may still give, with what this bill took.
    """

    tier_id: int | None = None
    segments: frozenset[int] = frozenset()
    nth: int | None = None
    streaks: Mapping[Period, int] = field(default_factory=dict)
    used: Mapping[int, int] = field(default_factory=dict)
    times: Mapping[int, int] = field(default_factory=dict)
    budget_left: Mapping[int, int] = field(default_factory=dict)


NO_FACTS = Facts()


def bounds(period: Period, day: date) -> tuple[date, date]:
    """The first and the last day of the period that a day lies in."""
    match period:
        case Period.DAY:
            return day, day
        case Period.WEEK:
            first = day - timedelta(days=day.weekday())
            return first, first + timedelta(days=6)
        case Period.MONTH:
            last = calendar.monthrange(day.year, day.month)[1]
            return day.replace(day=1), day.replace(day=last)
        case Period.YEAR:
            return date(day.year, 1, 1), date(day.year, 12, 31)
    return date.min, date.max


def place(period: Period, day: date) -> int:
    """The number of a day's period, counted without a gap."""
    match period:
        case Period.DAY:
            return day.toordinal()
        case Period.WEEK:
            return (day.toordinal() - 1) // 7
        case Period.MONTH:
            return day.year * 12 + day.month - 1
        case Period.YEAR:
            return day.year
    return 0


def shift(period: Period, day: date, count: int) -> date:
    """The first day of the period that lies `count` periods from a day's."""
    first, _ = bounds(period, day)
    match period:
        case Period.DAY:
            return first + timedelta(days=count)
        case Period.WEEK:
            return first + timedelta(weeks=count)
        case Period.MONTH:
            year, month = divmod(first.year * 12 + first.month - 1 + count, 12)
            return date(year, month + 1, 1)
        case Period.YEAR:
            return date(first.year + count, 1, 1)
    return first


def streak(period: Period, day: date, bought_on: set[int]) -> int:
    """How many periods in a row, up to a day's, hold a purchase; `bought_on` are places."""
    now = place(period, day)
    length = 0
    while now - length in bought_on:
        length += 1
    return length
