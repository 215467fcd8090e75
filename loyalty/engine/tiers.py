"""Which tier a measure within a window reaches, until when it lasts, and what follows it.

Days are the programme's calendar days. Ladders are given by rising threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from loyalty.engine.expiry import add_months

ZERO = Decimal(0)


class Measure(StrEnum):
    """What lifts customers up the ladder."""

    POINTS = "points"
    SPEND = "spend"
    VISITS = "visits"


class WindowKind(StrEnum):
    """The days that count together."""

    ROLLING = "rolling"
    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half_year"
    YEAR = "year"
    ANNIVERSARY = "anniversary"


class Demotion(StrEnum):
    """Where customers go who did not earn their tier again."""

    ONE_STEP = "one_step"
    TO_EARNED = "to_earned"
    NEVER = "never"


_MONTHS = {
    WindowKind.MONTH: 1,
    WindowKind.QUARTER: 3,
    WindowKind.HALF_YEAR: 6,
    WindowKind.YEAR: 12,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TierWindow:
    """Which days count together; `days` is the length of a rolling window."""

    kind: WindowKind
    days: int = 365

    def first_day(self, on: date, joined_on: date) -> date:
        """The first day that counts on a day, which itself counts as well."""
        if self.kind == WindowKind.ROLLING:
            return on - timedelta(days=self.days - 1)
        if self.kind == WindowKind.ANNIVERSARY:
            return _last_anniversary(on, joined_on)
        months = _MONTHS[self.kind]
        return date(on.year, (on.month - 1) // months * months + 1, 1)

    def lasts_until(self, reached_on: date, joined_on: date) -> date:
        """The last day of a tier reached on a day, before it has to be earned again.

        In a rolling window the bills that reached it no longer count on that day.
        """
        if self.kind == WindowKind.ROLLING:
            return reached_on + timedelta(days=self.days)
        return self.last_day(reached_on, joined_on)

    def last_day(self, on: date, joined_on: date) -> date:
        """The last day of the period that holds a day; a rolling one begins with it."""
        if self.kind == WindowKind.ROLLING:
            return on + timedelta(days=self.days - 1)
        first = self.first_day(on, joined_on)
        if self.kind == WindowKind.ANNIVERSARY:
            years = first.year - joined_on.year + 1
            return add_months(joined_on, 12 * years) - timedelta(days=1)
        return add_months(first, _MONTHS[self.kind]) - timedelta(days=1)


def _last_anniversary(on: date, joined_on: date) -> date:
    years = on.year - joined_on.year
    day = add_months(joined_on, 12 * years)
    return day if day <= on else add_months(joined_on, 12 * (years - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class TierStep:
    """A step of the ladder; `threshold` is the figure that reaches it."""

    tier_id: int
    threshold: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredPoint:
    """What one bill, return or entry adds, on its day; `is_new` if it asks for a decision."""

    at: datetime
    day: date
    amount: Decimal
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """A move up the ladder, at the bill that caused it; `measured` since `first_day`."""

    tier_id: int
    measured: Decimal
    at: datetime
    day: date
    first_day: date


def rank_of(ladder: Sequence[TierStep], tier_id: int | None) -> int:
    """The place of a tier on the ladder from 0; -1 for none."""
    return next((rank for rank, step in enumerate(ladder) if step.tier_id == tier_id), -1)


def reached(ladder: Sequence[TierStep], measured: Decimal) -> int:
    """The place on the ladder that a figure reaches; -1 if not even the first."""
    return max((rank for rank, step in enumerate(ladder) if step.threshold <= measured), default=-1)


def upgrades(
    points: Sequence[MeasuredPoint],
    *,
    ladder: Sequence[TierStep],
    tier_id: int | None,
    window: TierWindow,
    joined_on: date,
) -> list[Upgrade]:
    """The moves that new points cause, in order; `points` by time.

    Each new point is judged by what the window that ends with it holds, itself included, so the
    result does not depend on how bills were batched. Nothing here demotes.
    """
    rank = rank_of(ladder, tier_id)
    moves: list[Upgrade] = []
    start, measured = 0, ZERO
    for point in points:
        measured += point.amount
        first_day = window.first_day(point.day, joined_on)
        while points[start].day < first_day:
            measured -= points[start].amount
            start += 1
        if not point.is_new:
            continue
        place = reached(ladder, measured)
        if place > rank:
            rank = place
            moves.append(
                Upgrade(
                    tier_id=ladder[rank].tier_id,
                    measured=measured,
                    at=point.at,
                    day=point.day,
                    first_day=first_day,
                )
            )
    return moves


# --- when a period ends -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodEnd:
    """What follows a period: the tier from the day after its grace, and how long that lasts.

    `ends_on` is None for the first tier, which cannot be lost.
    """

    tier_id: int | None
    ends_on: date | None


def counted_days(
    window: TierWindow, *, ends_on: date, grace_days: int, joined_on: date
) -> tuple[date, date]:
    """The first and last day that count for keeping a tier whose period ends on a day."""
    return window.first_day(ends_on, joined_on), ends_on + timedelta(days=grace_days)


def after_period(
    *,
    ladder: Sequence[TierStep],
    tier_id: int | None,
    measured: Decimal,
    demotion: Demotion,
    window: TierWindow,
    ends_on: date,
    grace_days: int,
    joined_on: date,
) -> PeriodEnd:
    """Keep the tier for another period, rise, or go down, by what the ended period measured."""
    rank, place = rank_of(ladder, tier_id), reached(ladder, measured)
    kept = rank
    if place >= rank or demotion == Demotion.NEVER:
        kept = max(place, rank)
    elif demotion == Demotion.ONE_STEP:
        kept = max(place, rank - 1)
    else:
        kept = place
    # The first tier is nobody's loss: who earned nothing stays on it.
    kept = max(kept, min(rank, 0))
    begin = ends_on + timedelta(days=1)
    if kept < rank:
        begin += timedelta(days=grace_days)
    return PeriodEnd(
        tier_id=ladder[kept].tier_id if kept >= 0 else None,
        ends_on=window.last_day(begin, joined_on) if kept > 0 else None,
    )


def with_floor(
    ladder: Sequence[TierStep], earned_id: int | None, floor_id: int | None
) -> int | None:
    """The higher of an earned and a given tier."""
    rank = max(rank_of(ladder, earned_id), rank_of(ladder, floor_id))
    return ladder[rank].tier_id if rank >= 0 else None
