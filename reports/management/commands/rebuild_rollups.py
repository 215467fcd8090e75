from typing import Any

from django.core.management.base import BaseCommand

from reports.services import rebuild_rollups


class Command(BaseCommand):
    """Recompute all figures by day from what happened; dashboards stay readable meanwhile."""

    help = "Recompute all figures by day, for instance after a store changed its time zone."

    def handle(self, *args: Any, **options: Any) -> None:
        done = 0
        for done in rebuild_rollups():
            self.stdout.write(f"\r{done} days", ending="")
            self.stdout.flush()
        self.stdout.write(f"\r{done} days recomputed.")
