"""How long points live: the pure policies."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.engine import NEVER, ExpiryKind, ExpiryPolicy, RoundUp, expires_on
from loyalty.engine.expiry import describe
from loyalty.errors import InvalidExpiryError


def policy(**definition: Any) -> ExpiryPolicy:
    return ExpiryPolicy.from_definition(definition)


@pytest.mark.parametrize(
    ("earned", "definition", "last_day"),
    [
        (date(2026, 1, 31), {"kind": "months", "length": 1}, date(2026, 2, 28)),
        (date(2028, 1, 31), {"kind": "months", "length": 1}, date(2028, 2, 29)),
        (date(2026, 12, 15), {"kind": "months", "length": 12}, date(2027, 12, 15)),
        (date(2026, 3, 31), {"kind": "months", "length": 6}, date(2026, 9, 30)),
        (date(2028, 2, 29), {"kind": "months", "length": 12}, date(2029, 2, 28)),
        (date(2026, 3, 31), {"kind": "none"}, NEVER),
        (date(2026, 1, 1), {"kind": "days", "length": 90}, date(2026, 4, 1)),
        (
            date(2026, 1, 15),
            {"kind": "months", "length": 1, "round_up": "month"},
            date(2026, 2, 28),
        ),
        (
            date(2026, 1, 15),
            {"kind": "days", "length": 30, "round_up": "quarter"},
            date(2026, 3, 31),
        ),
        (
            date(2026, 12, 31),
            {"kind": "months", "length": 12, "round_up": "year"},
            date(2027, 12, 31),
        ),
        (date(2026, 3, 30), {"kind": "fixed_dates", "dates": ["03-31"]}, date(2026, 3, 31)),
        (date(2026, 3, 31), {"kind": "fixed_dates", "dates": ["03-31"]}, date(2027, 3, 31)),
        (
            date(2026, 3, 31),
            {"kind": "fixed_dates", "dates": ["09-30", "03-31"]},
            date(2026, 9, 30),
        ),
        (date(2026, 12, 31), {"kind": "fixed_dates", "dates": ["12-31"]}, date(2027, 12, 31)),
        (date(2026, 1, 1), {"kind": "fixed_dates", "dates": ["02-29"]}, date(2026, 2, 28)),
        (date(2028, 2, 28), {"kind": "fixed_dates", "dates": ["02-29"]}, date(2028, 2, 29)),
        (date(2026, 1, 31), {"kind": "sliding_months", "length": 1}, date(2026, 2, 28)),
        (date(9999, 12, 1), {"kind": "days", "length": 90}, NEVER),
        (date(9999, 12, 1), {"kind": "months", "length": 1}, NEVER),
        (date(9999, 12, 31), {"kind": "fixed_dates", "dates": ["06-30"]}, NEVER),
    ],
)
def test_points_live_until_the_last_day_of_their_policy(
    earned: date, definition: dict[str, Any], last_day: date
) -> None:
    assert expires_on(policy(**definition), earned) == last_day


def test_ninety_days_end_after_day_ninety() -> None:
    """Case 1 of the loyalty cases, its arithmetic: on day 91 both receipts' points are gone."""
    last_day = expires_on(policy(kind="days", length=90), date(2026, 1, 1))
    assert last_day - date(2026, 1, 1) == timedelta(days=90)


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"kind": "monthly"},
        {"kind": "months"},
        {"kind": "months", "length": 0},
        {"kind": "months", "length": True},
        {"kind": "months", "length": "12"},
        {"kind": "days", "length": 40_000},
        {"kind": "days", "length": 5, "round_up": "week"},
        {"kind": "days", "length": 5, "dates": ["12-31"]},
        {"kind": "none", "length": 5},
        {"kind": "fixed_dates"},
        {"kind": "fixed_dates", "dates": []},
        {"kind": "fixed_dates", "dates": ["31-12"]},
        {"kind": "fixed_dates", "dates": ["12-31", "12-31"]},
        {"kind": "fixed_dates", "dates": ["12-31", 5]},
        {"kind": "fixed_dates", "dates": "12-31"},
        [],
    ],
)
def test_refuses_a_written_form_that_is_not_complete(definition: Any) -> None:
    with pytest.raises(InvalidExpiryError):
        ExpiryPolicy.from_definition(definition)


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"kind": "none"}, "never expire"),
        ({"kind": "months", "length": 1}, "are usable for 1 month after they were earned"),
        (
            {"kind": "sliding_days", "length": 90},
            "are usable for 90 days after the customer was last active",
        ),
        (
            {"kind": "months", "length": 12, "round_up": "quarter"},
            "are usable for 12 months after they were earned, then until the end of that quarter",
        ),
        (
            {"kind": "fixed_dates", "dates": ["12-31", "06-30"]},
            "are usable until the next 30 June or 31 December",
        ),
    ],
)
def test_a_policy_reads_as_a_sentence(definition: dict[str, Any], words: str) -> None:
    assert describe(policy(**definition)) == words


days = st.dates(date(2000, 1, 1), date(2200, 12, 31))
dates_of_the_year = st.dates(date(2028, 1, 1), date(2028, 12, 31)).map(
    lambda day: (day.month, day.day)
)
policies = st.one_of(
    st.just(ExpiryPolicy()),
    st.builds(
        ExpiryPolicy,
        kind=st.sampled_from([ExpiryKind.DAYS, ExpiryKind.SLIDING_DAYS]),
        length=st.integers(1, 5000),
        round_up=st.sampled_from(RoundUp),
    ),
    st.builds(
        ExpiryPolicy,
        kind=st.sampled_from([ExpiryKind.MONTHS, ExpiryKind.SLIDING_MONTHS]),
        length=st.integers(1, 240),
        round_up=st.sampled_from(RoundUp),
    ),
    st.builds(
        lambda dates: ExpiryPolicy(kind=ExpiryKind.FIXED_DATES, dates=tuple(sorted(dates))),
        st.sets(dates_of_the_year, min_size=1, max_size=4),
    ),
)


@given(policies, days)
def test_points_never_end_before_they_are_earned(policy: ExpiryPolicy, day: date) -> None:
    assert expires_on(policy, day) > day


@given(policies, days, days)
def test_points_earned_later_never_end_earlier(
    policy: ExpiryPolicy, one: date, other: date
) -> None:
    first, second = sorted((one, other))
    assert expires_on(policy, first) <= expires_on(policy, second)


@given(policies)
def test_the_written_form_is_read_back_as_it_was(policy: ExpiryPolicy) -> None:
    assert ExpiryPolicy.from_definition(policy.to_definition()) == policy
    assert describe(policy)


@given(days, st.sampled_from([RoundUp.MONTH, RoundUp.QUARTER, RoundUp.YEAR]), st.integers(1, 900))
def test_rounding_up_twice_is_rounding_up_once(day: date, step: RoundUp, length: int) -> None:
    rounded = ExpiryPolicy(kind=ExpiryKind.DAYS, length=length, round_up=step)
    plain = ExpiryPolicy(kind=ExpiryKind.DAYS, length=length)
    last_day = expires_on(rounded, day)
    assert last_day >= expires_on(plain, day)
    # The day after is the first of a month: a last day of its month, quarter or year.
    assert (last_day + timedelta(days=1)).day == 1
    again = ExpiryPolicy(kind=ExpiryKind.DAYS, length=1, round_up=step)
    assert expires_on(again, last_day - timedelta(days=1)) == last_day


@given(days, st.integers(1, 240))
def test_a_last_day_of_the_month_stays_within_its_month(day: date, months: int) -> None:
    last_day = expires_on(ExpiryPolicy(kind=ExpiryKind.MONTHS, length=months), day)
    passed = (last_day.year - day.year) * 12 + last_day.month - day.month
    assert passed == months
    assert last_day.day == day.day or (
        last_day.day < day.day and (last_day + timedelta(days=1)).day == 1
    )
