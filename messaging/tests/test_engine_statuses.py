"""One state out of many reports, in any order."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.engine.statuses import Report, StatusFact, reduce_attempt, reduce_message

START = datetime(2026, 11, 22, 10, tzinfo=UTC)


def fact(status: str, seconds: int, **more: Any) -> StatusFact:
    return StatusFact(status=status, at=START + timedelta(seconds=seconds), **more)


SENT, DELIVERED, READ = fact("sent", 1), fact("delivered", 5), fact("read", 90)
FAILED = fact("failed", 3)


@pytest.mark.parametrize(
    ("facts", "report"),
    [
        ([SENT], Report.SENT),
        ([SENT, DELIVERED], Report.DELIVERED),
        ([SENT, DELIVERED, READ], Report.READ),
        ([READ], Report.READ),
        ([SENT, FAILED], Report.FAILED),
        ([SENT, FAILED, DELIVERED], Report.DELIVERED),
        ([FAILED, READ], Report.READ),
        ([SENT, fact("warmed", 2)], Report.SENT),
        ([fact("warmed", 2)], None),
    ],
)
def test_every_order_of_the_same_reports_gives_one_journey(
    facts: list[StatusFact], report: Report | None
) -> None:
    journeys = {reduce_attempt(order) for order in permutations(facts)}
    assert len(journeys) == 1
    assert journeys.pop().report is report


def test_reading_implies_delivery() -> None:
    journey = reduce_attempt([READ, SENT])
    assert (journey.delivered_at, journey.read_at) == (READ.at, READ.at)


def test_arrival_beside_failure_is_flagged() -> None:
    assert reduce_attempt([FAILED, DELIVERED]).is_conflicting
    assert not reduce_attempt([FAILED, SENT]).is_conflicting


def test_the_price_counts_once_and_comes_from_the_earliest_report_that_has_one() -> None:
    priced = [
        fact("read", 90, price_category="utility", price_type="regular"),
        fact("delivered", 5),
        fact("sent", 1, price_category="utility", price_type="free_customer_service"),
    ]
    prices = {reduce_attempt(order).price_type for order in permutations(priced)}
    assert prices == {"free_customer_service"}


facts = st.builds(
    fact,
    st.sampled_from(["sent", "delivered", "read", "failed", "warmed"]),
    st.integers(0, 100),
)


@given(st.lists(facts, max_size=6), st.randoms(use_true_random=False))
def test_repeats_and_disorder_change_nothing(reports: list[StatusFact], random: Random) -> None:
    shuffled = [*reports, *reports]
    random.shuffle(shuffled)
    assert reduce_attempt(shuffled) == reduce_attempt(reports)


def test_arrival_of_an_earlier_attempt_is_arrival_of_the_message() -> None:
    attempts = [reduce_attempt([SENT, DELIVERED]), reduce_attempt([FAILED])]
    assert reduce_message(attempts, awaits_new_attempt=False).report is Report.DELIVERED


def test_a_failed_attempt_does_not_undo_a_retry() -> None:
    failed = reduce_attempt([SENT, FAILED])
    assert reduce_message([failed], awaits_new_attempt=True).report is None
    assert reduce_message([failed], awaits_new_attempt=False).report is Report.FAILED
    assert reduce_message([failed, reduce_attempt([])], awaits_new_attempt=False).report is None
    again = reduce_message([failed, reduce_attempt([SENT])], awaits_new_attempt=False)
    assert again.report is Report.SENT


def test_a_message_that_whatsapp_has_is_not_sent_again() -> None:
    assert reduce_message([reduce_attempt([SENT])], awaits_new_attempt=True).report is Report.SENT
