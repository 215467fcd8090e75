from typing import Any

from django.core.management.base import BaseCommand

from affiliates.services import drain_journal


class Command(BaseCommand):
    """For a machine whose web processes share no VAR_DIR with a worker: run it every minute."""

    help = "Bring the clicks that were noted on this machine into the database."

    def handle(self, *args: Any, **options: Any) -> None:
        files = visits = damaged = 0
        while (report := drain_journal()).files:
            files += report.files
            visits += report.visits
            damaged += report.damaged
        self.stdout.write(f"{visits} visits from {files} files, {damaged} damaged lines.")
