from datetime import UTC, date, datetime
from decimal import Decimal

from reports.engine import Change, Period, by_bucket, day_start, local_day, spans


def test_a_late_evening_in_utc_is_the_next_day_in_india() -> None:
    at = datetime(2026, 3, 10, 20, 0, tzinfo=UTC)
    assert local_day(at, "Asia/Kolkata") == date(2026, 3, 11)
    assert local_day(at, "America/New_York") == date(2026, 3, 10)


def test_a_day_starts_at_its_own_midnight_whatever_the_clocks_do() -> None:
    before, after = date(2026, 3, 8), date(2026, 3, 9)
    length = day_start(after, "America/New_York").astimezone(UTC) - day_start(
        before, "America/New_York"
    ).astimezone(UTC)
    assert length.total_seconds() == 23 * 3600


def test_neighbouring_days_become_one_span() -> None:
    days = [date(2026, 3, 3), date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 9)]
    assert spans(days) == [
        (date(2026, 3, 1), date(2026, 3, 4)),
        (date(2026, 3, 9), date(2026, 3, 10)),
    ]


def test_the_previous_period_is_as_long_and_ends_right_before() -> None:
    period = Period.ending(date(2026, 3, 31), 30)
    assert (period.first, period.days) == (date(2026, 3, 2), 30)
    assert period.previous == Period(date(2026, 1, 31), date(2026, 3, 1))


def test_long_periods_are_drawn_by_week_and_no_day_is_lost_or_doubled() -> None:
    period = Period.ending(date(2026, 3, 31), 365)
    values = [(date.fromordinal(period.first.toordinal() + index), (1,)) for index in range(365)]
    outside = [(period.previous.last, (99,))]
    columns = by_bucket(period, values + outside, 1)
    assert len(columns) == len(period.buckets()) == 53
    assert [column[0] for column in columns] == [1] + [7] * 52


def test_short_periods_have_one_column_a_day() -> None:
    period = Period.ending(date(2026, 3, 31), 7)
    assert period.buckets()[0] == period.first
    assert by_bucket(period, [(date(2026, 3, 25), (5, 2))], 2)[0] == [5, 2]


def test_change_is_in_percent_of_the_figure_before() -> None:
    assert Change(Decimal(150), Decimal(120)).percent == 25
    assert Change(Decimal(0), Decimal(120)).percent == -100
    assert Change(Decimal(5), Decimal(0)).percent is None
