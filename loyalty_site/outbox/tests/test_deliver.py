from collections.abc import Sequence
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from loyalty_site.outbox import tasks
from loyalty_site.outbox.models import Delivery
from loyalty_site.outbox.services import (
    KEPT_DAYS,
    MAX_ATTEMPTS,
    DeliveryReport,
    deliver,
    handlers_with_due_events,
    prune_delivered,
    retry_parked,
    subscribe,
)
from loyalty_site.outbox.tests.factories import (
    Noted,
    deliveries_to,
    echo,
    effects,
    ignore,
    publish_notes,
)

pytestmark = pytest.mark.django_db

ECHO = "tests.echo"


class BadNewsError(Exception):
    """What a failing handler raises."""


def refuse_odd(received: Sequence[Noted]) -> None:
    """Takes effect first and fails afterwards, so that a missing undo would be seen."""
    echo(received)
    if any(event.number % 2 for event in received):
        raise BadNewsError("odd")


def refuse_all(received: Sequence[Noted]) -> None:
    echo(received)
    raise BadNewsError("never")


def test_hands_over_what_is_due_and_marks_it() -> None:
    subscribe(echo, Noted, name=ECHO)
    publish_notes(1, 2, 3)
    assert deliver(ECHO) == DeliveryReport(done=3)
    assert effects() == [1, 2, 3]
    assert {(row.state, row.attempts) for row in deliveries_to(ECHO)} == {(Delivery.State.DONE, 0)}
    assert all(row.done_at for row in deliveries_to(ECHO))


def test_delivering_again_does_nothing() -> None:
    subscribe(echo, Noted, name=ECHO)
    publish_notes(1)
    deliver(ECHO)
    assert deliver(ECHO) == DeliveryReport()
    assert effects() == [1]


def test_takes_no_more_than_the_limit_and_the_oldest_first() -> None:
    subscribe(echo, Noted, name=ECHO)
    publish_notes(1, 2, 3)
    deliver(ECHO, limit=2)
    assert effects() == [1, 2]


def test_an_unknown_handler_is_refused() -> None:
    with pytest.raises(KeyError):
        deliver("tests.nobody")


def test_one_bad_event_does_not_harm_its_neighbours() -> None:
    subscribe(refuse_odd, Noted, name=ECHO)
    publish_notes(2, 3, 4)
    assert deliver(ECHO) == DeliveryReport(done=2, failed=1)
    assert effects() == [2, 4]
    two, three, four = deliveries_to(ECHO)
    assert (two.state, four.state) == (Delivery.State.DONE, Delivery.State.DONE)
    assert (three.state, three.attempts, three.last_error) == (
        Delivery.State.PENDING,
        1,
        "BadNewsError: odd",
    )


def test_an_event_that_nobody_can_read_any_more_fails_alone() -> None:
    subscribe(echo, Noted, name=ECHO)
    publish_notes(1, 2)
    Delivery.objects.filter(handler=ECHO, payload__number=1).update(event_version=99)
    assert deliver(ECHO) == DeliveryReport(done=1, failed=1)
    assert effects() == [2]


def test_a_failing_event_waits_longer_each_time() -> None:
    subscribe(refuse_all, Noted, name=ECHO)
    with time_machine.travel("2026-03-01T10:00:00Z", tick=False) as clock:
        publish_notes(1)
        pauses = []
        for _ in range(4):
            deliver(ECHO)
            [row] = deliveries_to(ECHO)
            pauses.append((row.available_at - timezone.now()).total_seconds())
            assert deliver(ECHO) == DeliveryReport()
            clock.move_to(row.available_at)
    for pause, expected in zip(pauses, [2, 4, 8, 16], strict=True):
        assert 0.8 * expected <= pause <= 1.2 * expected


def test_ten_failures_park_an_event_with_its_reason() -> None:
    subscribe(refuse_all, Noted, name=ECHO)
    publish_notes(1)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        Delivery.objects.filter(handler=ECHO).update(available_at=timezone.now())
        report = deliver(ECHO)
        assert report == DeliveryReport(
            failed=int(attempt < MAX_ATTEMPTS), parked=int(attempt == MAX_ATTEMPTS)
        )
    [row] = deliveries_to(ECHO)
    assert (row.state, row.last_error) == (Delivery.State.PARKED, "BadNewsError: never")
    assert deliver(ECHO) == DeliveryReport()
    assert effects() == []


def test_what_comes_behind_a_failing_event_keeps_moving() -> None:
    subscribe(refuse_odd, Noted, name=ECHO)
    publish_notes(1, 3, 5)
    deliver(ECHO)
    publish_notes(2)
    assert deliver(ECHO) == DeliveryReport(done=1)
    assert effects() == [2]


def test_try_again_starts_over_and_can_succeed() -> None:
    subscribe(refuse_all, Noted, name=ECHO)
    publish_notes(1)
    Delivery.objects.filter(handler=ECHO).update(
        state=Delivery.State.PARKED, attempts=10, last_error="BadNewsError: never"
    )
    subscribe(echo, Noted, name=ECHO)
    assert retry_parked(deliveries=deliveries_to(ECHO)) == 1
    assert deliver(ECHO) == DeliveryReport(done=1)
    [row] = deliveries_to(ECHO)
    assert (row.state, row.attempts, row.last_error) == (Delivery.State.DONE, 0, "")


def test_try_again_leaves_delivered_events_alone() -> None:
    subscribe(echo, Noted, name=ECHO)
    publish_notes(1)
    deliver(ECHO)
    assert retry_parked(deliveries=deliveries_to(ECHO)) == 0
    deliver(ECHO)
    assert effects() == [1]


def test_an_ordered_handler_holds_back_what_follows_a_failure_of_its_key() -> None:
    subscribe(refuse_odd, Noted, name=ECHO, ordered=True)
    publish_notes(2, 3, 4, key="anna")
    publish_notes(6, key="bela")
    assert deliver(ECHO) == DeliveryReport(done=2, failed=1)
    assert effects() == [2, 6]
    publish_notes(8, key="anna")
    assert deliver(ECHO) == DeliveryReport()
    subscribe(echo, Noted, name=ECHO, ordered=True)
    Delivery.objects.filter(handler=ECHO, payload__number=3).update(available_at=timezone.now())
    deliver(ECHO)
    assert effects() == [2, 6, 3, 4, 8]


def test_without_a_key_an_ordered_handler_holds_nothing_back() -> None:
    subscribe(refuse_odd, Noted, name=ECHO, ordered=True)
    publish_notes(1, 2)
    assert deliver(ECHO) == DeliveryReport(done=1, failed=1)
    assert effects() == [2]


def test_a_parked_event_lets_the_rest_of_its_key_pass() -> None:
    subscribe(echo, Noted, name=ECHO, ordered=True)
    publish_notes(1, 2, key="anna")
    Delivery.objects.filter(payload__number=1).update(state=Delivery.State.PARKED)
    deliver(ECHO)
    assert effects() == [2]


def test_a_handler_may_break_a_constraint_and_fails_alone() -> None:
    def break_constraint(received: Sequence[Noted]) -> None:
        echo(received)
        if any(event.number == 1 for event in received):
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO outbox_periodclaim (job, period, claimed_at)"
                    " VALUES (NULL, NULL, NULL)"
                )

    subscribe(break_constraint, Noted, name=ECHO)
    publish_notes(1, 2)
    assert deliver(ECHO) == DeliveryReport(done=1, failed=1)
    assert effects() == [2]


@pytest.mark.performance
@pytest.mark.parametrize("count", [1, 100])
@pytest.mark.parametrize("ordered", [False, True])
def test_delivering_takes_the_same_queries_for_any_number(
    count: int, ordered: bool, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    subscribe(ignore, Noted, name=ECHO, ordered=ordered)
    publish_notes(*range(count), key="anna")
    # Look, savepoint, claim, savepoint, release, mark, release; an ordered handler also locks.
    locks = int(ordered and connection.vendor == "postgresql")
    with django_assert_num_queries(7 + locks):
        assert deliver(ECHO).done == count


@pytest.mark.performance
def test_a_wake_up_without_work_takes_one_query_and_no_lock(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    subscribe(ignore, Noted, name=ECHO)
    with django_assert_num_queries(1):
        deliver(ECHO)


def test_the_task_goes_on_until_nothing_is_due() -> None:
    subscribe(echo, Noted, name=ECHO)
    publish_notes(*range(450))
    tasks.deliver_events(ECHO)
    assert effects() == list(range(450))


def test_the_task_goes_past_a_batch_that_failed_altogether() -> None:
    subscribe(refuse_odd, Noted, name=ECHO)
    publish_notes(*[1] * 200, 2)
    tasks.deliver_events(ECHO)
    assert effects() == [2]


def test_the_sweep_delivers_what_nobody_was_woken_for() -> None:
    subscribe(echo, Noted, name=ECHO)
    subscribe(ignore, Noted, name="tests.other")
    publish_notes(1)
    tasks.sweep_outbox()
    assert effects() == [1]
    # The effect is an event itself, published after the sweep had looked.
    assert handlers_with_due_events() == ["tests.count"]


def test_the_sweep_looks_only_at_handlers_that_exist_and_have_work() -> None:
    subscribe(echo, Noted, name=ECHO)
    subscribe(ignore, Noted, name="tests.other")
    publish_notes(1)
    deliver("tests.other")
    Delivery.objects.create(event_name="tests.noted", handler="tests.gone", payload={"number": 1})
    assert handlers_with_due_events() == [ECHO]


def test_old_delivered_events_are_removed_and_others_kept() -> None:
    subscribe(echo, Noted, name=ECHO)
    publish_notes(1, 2)
    deliver(ECHO)
    publish_notes(3)
    first, second, third = deliveries_to(ECHO)
    long_ago = timezone.now() - timedelta(days=KEPT_DAYS + 1)
    Delivery.objects.filter(pk__in=[first.pk, third.pk]).update(
        done_at=long_ago, created_at=long_ago
    )
    assert prune_delivered() == 1
    assert deliveries_to(ECHO) == [second, third]
