"""Bills arrive while figures are recomputed; real connections, PostgreSQL."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from loyalty.tests.factories import make_program
from loyalty_site.outbox.services import deliver
from reports import services
from reports.models import SalesDay
from reports.services import rebuild_rollups, recompute_dirty_days
from reports.tests.factories import START, bring_up_to_date, make_state, rollups, settle
from tests.support.threads import run_together

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.needs_postgresql,
]


def sell(number: int) -> Callable[[], None]:
    def work() -> None:
        for part in range(4):
            settle(
                make_state(number=f"B{number}-{part}", occurred_at=START + timedelta(days=part % 2))
            )
            deliver("reports.mark_purchases")

    return work


def recompute() -> None:
    for _ in range(12):
        recompute_dirty_days()


def test_no_bill_is_lost_between_marking_and_recomputing() -> None:
    make_program()
    settle(make_state(number="first"))
    answers = run_together([*(sell(number) for number in range(8)), *[recompute] * 4])
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    bring_up_to_date()
    kept = rollups()
    assert sum(SalesDay.objects.values_list("bills", flat=True)) == 33
    for _ in rebuild_rollups():
        pass
    assert rollups() == kept


def test_a_bill_that_arrives_after_the_figures_were_read_marks_its_day_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    figures_read, bill_on_its_way = threading.Event(), threading.Event()
    replace_rows = services._replace

    def slow_replace(*args: Any) -> None:
        figures_read.set()
        bill_on_its_way.wait(timeout=10)
        replace_rows(*args)

    def sell_meanwhile() -> None:
        figures_read.wait(timeout=10)
        settle(make_state(number="second"))
        threading.Timer(0.5, bill_on_its_way.set).start()
        deliver("reports.mark_purchases")

    settle(make_state(number="first"))
    deliver("reports.mark_purchases")
    monkeypatch.setattr(services, "_replace", slow_replace)
    jobs: list[Callable[[], object]] = [services.recompute_dirty_days, sell_meanwhile]
    answers = run_together(jobs)
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    assert SalesDay.objects.get().bills == 1
    services.recompute_dirty_days()
    assert SalesDay.objects.get().bills == 2
