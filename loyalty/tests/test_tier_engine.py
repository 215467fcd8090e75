"""Which tier a measure reaches, how long it lasts, and what follows: the pure engine."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.engine import MeasuredPoint, TierStep, TierWindow, WindowKind, upgrades
from loyalty.engine.tiers import (
    Demotion,
    PeriodEnd,
    after_period,
    counted_days,
    rank_of,
    reached,
    with_floor,
)

D = Decimal
LADDER = [
    TierStep(tier_id=1, threshold=D(0)),
    TierStep(tier_id=2, threshold=D(10_000)),
    TierStep(tier_id=3, threshold=D(20_000)),
]
START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = TierWindow(kind=WindowKind.ROLLING, days=365)
JOINED = date(2025, 6, 15)


def walk(
    *points: tuple[int, int, bool], tier: int | None = 1, window: TierWindow = YEAR
) -> list[tuple[int, Decimal]]:
    moves = upgrades(
        [
            MeasuredPoint(
                at=START + timedelta(days=d),
                day=(START + timedelta(days=d)).date(),
                amount=D(net),
                is_new=new,
            )
            for d, net, new in points
        ],
        ladder=LADDER,
        tier_id=tier,
        window=window,
        joined_on=JOINED,
    )
    return [(move.tier_id, move.measured) for move in moves]


def test_returns_lower_the_measure_and_old_bills_leave_it_but_nobody_is_demoted() -> None:
    assert walk((0, 9000, False), (366, 9000, True)) == []
    assert walk((0, 9000, False), (365, 9000, True)) == []
    assert walk((0, 9000, False), (364, 9000, True)) == [(2, D(18_000))]
    assert walk((0, 12_000, True), (1, -11_000, True), (2, 9500, True)) == [(2, D(12_000))]


def test_a_calendar_window_begins_anew() -> None:
    quarter = TierWindow(kind=WindowKind.QUARTER)
    assert walk((88, 6000, False), (89, 6000, True), window=quarter) == [(2, D(12_000))]
    assert walk((89, 6000, False), (90, 6000, True), window=quarter) == []


@given(
    nets=st.lists(st.integers(-4000, 9000), min_size=1, max_size=20),
    batches=st.lists(st.integers(1, 5), min_size=1, max_size=20),
    window=st.builds(TierWindow, kind=st.sampled_from(WindowKind), days=st.integers(1, 40)),
)
def test_tiers_do_not_depend_on_how_bills_were_batched(
    nets: list[int], batches: list[int], window: TierWindow
) -> None:
    at_once = walk(*((day, net, True) for day, net in enumerate(nets)), window=window)
    tier, moves, start = 1, [], 0
    for size in [*batches, len(nets)]:
        known = [(day, net, day >= start) for day, net in enumerate(nets[: start + size])]
        step = walk(*known, tier=tier, window=window)
        moves += step
        tier = step[-1][0] if step else tier
        start += size
    assert moves == at_once


@given(
    nets=st.lists(st.integers(-9000, 9000), min_size=1, max_size=20),
    tier=st.sampled_from([None, 1, 2, 3]),
)
def test_spending_never_demotes(nets: list[int], tier: int | None) -> None:
    moves = walk(*((day, net, True) for day, net in enumerate(nets)), tier=tier)
    ranks = [rank_of(LADDER, tier), *(rank_of(LADDER, tier_id) for tier_id, _ in moves)]
    assert ranks == sorted(set(ranks))


# --- windows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "on", "first", "last"),
    [
        (WindowKind.MONTH, date(2028, 2, 10), date(2028, 2, 1), date(2028, 2, 29)),
        (WindowKind.QUARTER, date(2026, 5, 31), date(2026, 4, 1), date(2026, 6, 30)),
        (WindowKind.HALF_YEAR, date(2026, 12, 31), date(2026, 7, 1), date(2026, 12, 31)),
        (WindowKind.YEAR, date(2026, 1, 1), date(2026, 1, 1), date(2026, 12, 31)),
        (WindowKind.ANNIVERSARY, date(2026, 6, 14), date(2025, 6, 15), date(2026, 6, 14)),
        (WindowKind.ANNIVERSARY, date(2026, 6, 15), date(2026, 6, 15), date(2027, 6, 14)),
        (WindowKind.ANNIVERSARY, date(2024, 6, 15), date(2024, 6, 15), date(2025, 6, 14)),
    ],
)
def test_a_period_runs_from_its_first_to_its_last_day(
    kind: WindowKind, on: date, first: date, last: date
) -> None:
    window = TierWindow(kind=kind)
    assert (window.first_day(on, JOINED), window.last_day(on, JOINED)) == (first, last)
    assert window.lasts_until(on, JOINED) == last


def test_a_year_that_begins_on_29_february_begins_on_the_28th_in_common_years() -> None:
    window = TierWindow(kind=WindowKind.ANNIVERSARY)
    joined = date(2024, 2, 29)
    assert window.last_day(date(2024, 3, 1), joined) == date(2025, 2, 27)
    assert window.first_day(date(2025, 2, 28), joined) == date(2025, 2, 28)
    assert window.last_day(date(2027, 3, 1), joined) == date(2028, 2, 28)


def test_the_bills_that_reached_a_rolling_tier_do_not_keep_it() -> None:
    day = date(2026, 3, 1)
    ends_on = YEAR.lasts_until(day, JOINED)
    first, last = counted_days(YEAR, ends_on=ends_on, grace_days=30, joined_on=JOINED)
    assert first == day + timedelta(days=1)
    assert last == ends_on + timedelta(days=30)


@given(
    window=st.builds(TierWindow, kind=st.sampled_from(WindowKind), days=st.integers(1, 800)),
    on=st.dates(date(2020, 1, 1), date(2040, 12, 31)),
    joined_on=st.dates(date(2015, 1, 1), date(2040, 12, 31)),
)
def test_periods_follow_each_other_without_gap(
    window: TierWindow, on: date, joined_on: date
) -> None:
    last = window.last_day(on, joined_on)
    assert last >= on
    after = last + timedelta(days=1)
    assert window.first_day(window.last_day(after, joined_on), joined_on) == after


# --- ends of periods ----------------------------------------------------------------------------


def ended(
    tier: int, measured: int, demotion: Demotion = Demotion.TO_EARNED, grace: int = 0
) -> PeriodEnd:
    return after_period(
        ladder=LADDER,
        tier_id=tier,
        measured=D(measured),
        demotion=demotion,
        window=TierWindow(kind=WindowKind.YEAR),
        ends_on=date(2026, 12, 31),
        grace_days=grace,
        joined_on=JOINED,
    )


def test_who_earned_the_tier_again_keeps_it_for_another_period() -> None:
    assert ended(3, 20_000) == PeriodEnd(tier_id=3, ends_on=date(2027, 12, 31))
    assert ended(2, 25_000) == PeriodEnd(tier_id=3, ends_on=date(2027, 12, 31))


def test_who_did_not_goes_down_as_the_programme_says() -> None:
    assert ended(3, 500).tier_id == 1
    assert ended(3, 500, Demotion.ONE_STEP).tier_id == 2
    assert ended(3, 12_000, Demotion.ONE_STEP).tier_id == 2
    assert ended(3, 500, Demotion.NEVER).tier_id == 3


def test_the_first_tier_does_not_end() -> None:
    assert ended(2, 500) == PeriodEnd(tier_id=1, ends_on=None)
    assert ended(1, -500) == PeriodEnd(tier_id=1, ends_on=None)


def test_a_lower_tier_begins_after_the_grace() -> None:
    after = after_period(
        ladder=LADDER,
        tier_id=3,
        measured=D(12_000),
        demotion=Demotion.TO_EARNED,
        window=TierWindow(kind=WindowKind.MONTH),
        ends_on=date(2026, 1, 31),
        grace_days=40,
        joined_on=JOINED,
    )
    assert after == PeriodEnd(tier_id=2, ends_on=date(2026, 3, 31))


steps = st.sampled_from([1, 2, 3])


@given(tier=steps, measured=st.integers(-5000, 40_000), demotion=st.sampled_from(Demotion))
def test_nobody_falls_below_what_was_earned(tier: int, measured: int, demotion: Demotion) -> None:
    after = ended(tier, measured, demotion)
    rank = rank_of(LADDER, after.tier_id)
    assert rank >= reached(LADDER, D(measured))
    assert rank >= rank_of(LADDER, tier) - (2 if demotion == Demotion.TO_EARNED else 1)
    assert (after.ends_on is None) == (rank == 0)


@given(tier=steps, floor=steps, measured=st.integers(-5000, 40_000))
def test_a_floor_is_never_undercut(tier: int, floor: int, measured: int) -> None:
    stands = with_floor(LADDER, ended(tier, measured).tier_id, floor)
    assert rank_of(LADDER, stands) >= rank_of(LADDER, floor)
