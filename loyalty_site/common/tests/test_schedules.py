from datetime import timedelta

import pytest
from django.core.management import call_command
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from loyalty_site.celery import app
from loyalty_site.common import schedules
from loyalty_site.common.schedules import ensure_schedules, shipped_schedules

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    ship(monkeypatch, {"Sweep": ("shop.sweep", 5.0), "Prune": ("shop.prune", 86_400.0)})


def ship(monkeypatch: pytest.MonkeyPatch, shipped: dict[str, tuple[str, float]]) -> None:
    monkeypatch.setattr(schedules, "shipped_schedules", lambda: shipped)


def test_creates_what_the_apps_ship() -> None:
    assert ensure_schedules().created == ("Sweep", "Prune")
    sweep, prune = PeriodicTask.objects.order_by("-name")
    assert (sweep.task, sweep.schedule.run_every, sweep.enabled) == (
        "shop.sweep",
        timedelta(seconds=5),
        True,
    )
    assert (prune.interval.every, prune.interval.period) == (1, IntervalSchedule.DAYS)


def test_a_run_that_nobody_took_expires_when_the_next_is_due() -> None:
    ensure_schedules()
    assert PeriodicTask.objects.get(name="Sweep").expire_seconds == 5


def test_a_second_run_changes_nothing() -> None:
    ensure_schedules()
    before = list(PeriodicTask.objects.values())
    changes = ensure_schedules()
    assert (changes.created, changes.removed) == ((), ())
    assert list(PeriodicTask.objects.values()) == before


def test_what_the_shop_set_stays() -> None:
    ensure_schedules()
    hourly = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.HOURS)
    PeriodicTask.objects.filter(name="Sweep").update(interval=hourly, enabled=False)
    ensure_schedules()
    sweep = PeriodicTask.objects.get(name="Sweep")
    assert (sweep.interval, sweep.enabled) == (hourly, False)


def test_what_is_no_longer_shipped_goes_and_the_shops_own_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ensure_schedules()
    hourly = IntervalSchedule.objects.create(every=1, period=IntervalSchedule.HOURS)
    PeriodicTask.objects.create(name="Ours", task="shop.report", interval=hourly)
    ship(monkeypatch, {"Sweep": ("shop.sweep", 5.0)})
    assert ensure_schedules().removed == ("Prune",)
    assert set(PeriodicTask.objects.values_list("name", flat=True)) == {"Sweep", "Ours"}


def test_the_command_says_what_it_did(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call_command("ensure_schedules")
    ship(monkeypatch, {"Sweep": ("shop.sweep", 5.0)})
    call_command("ensure_schedules")
    assert capsys.readouterr().out.splitlines() == [
        "Scheduled: Sweep",
        "Scheduled: Prune",
        "No longer scheduled: Prune",
    ]


def test_every_shipped_job_is_a_known_task() -> None:
    app.loader.import_default_modules()
    unknown = {task for task, _ in shipped_schedules().values()} - set(app.tasks)
    assert unknown == set()
