"""Periodic jobs that the apps ship, as rows that the shop may edit in the admin."""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps
from django.db import transaction
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

_SHIPPED = "Shipped with the system. Change the interval or switch it off; do not rename it."
_UNITS = (
    (86_400, IntervalSchedule.DAYS),
    (3_600, IntervalSchedule.HOURS),
    (60, IntervalSchedule.MINUTES),
    (1, IntervalSchedule.SECONDS),
)


@dataclass(frozen=True, slots=True)
class ScheduleChanges:
    """What `ensure_schedules` did, by name of the job."""

    created: tuple[str, ...]
    removed: tuple[str, ...]


def shipped_schedules() -> dict[str, tuple[str, float]]:
    """Every app's `SCHEDULES`: name of the job to its task and interval in seconds."""
    found: dict[str, tuple[str, float]] = {}
    for config in apps.get_app_configs():
        module = f"{config.name}.apps"
        if find_spec(module):
            found |= getattr(import_module(module), "SCHEDULES", {})
    return found


@transaction.atomic
def ensure_schedules() -> ScheduleChanges:
    """Create shipped jobs that are missing, and remove those that are shipped no more.

    A job that exists stays as the shop set it: interval, crontab, on or off.
    """
    shipped = shipped_schedules()
    existing = set(PeriodicTask.objects.values_list("name", flat=True))
    outdated = PeriodicTask.objects.filter(description=_SHIPPED).exclude(name__in=shipped)
    removed = tuple(outdated.order_by("name").values_list("name", flat=True))
    missing = [name for name in shipped if name not in existing]
    outdated.delete()
    PeriodicTask.objects.bulk_create(
        PeriodicTask(
            name=name,
            task=shipped[name][0],
            interval=_interval(shipped[name][1]),
            # A run that nobody took before the next is due would only stand in its way.
            expire_seconds=max(1, int(shipped[name][1])),
            description=_SHIPPED,
        )
        for name in missing
    )
    if missing or removed:
        PeriodicTasks.update_changed()
    return ScheduleChanges(created=tuple(missing), removed=removed)


def _interval(seconds: float) -> IntervalSchedule:
    whole = max(1, round(seconds))
    length, period = next(unit for unit in _UNITS if whole % unit[0] == 0)
    return IntervalSchedule.objects.get_or_create(every=whole // length, period=period)[0]
