from typing import Any

from django.core.management.base import BaseCommand

from loyalty_site.common.schedules import ensure_schedules


class Command(BaseCommand):
    """Run after `migrate` on every start."""

    help = "Create the periodic jobs that are missing; those that exist stay as they were set."

    def handle(self, *args: Any, **options: Any) -> None:
        changes = ensure_schedules()
        for name in changes.created:
            self.stdout.write(f"Scheduled: {name}")
        for name in changes.removed:
            self.stdout.write(f"No longer scheduled: {name}")
