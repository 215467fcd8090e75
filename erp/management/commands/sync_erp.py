import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from erp.errors import StreamBusyError, StreamStoppedError
from erp.models import Connection, SyncRun
from erp.selectors import run_progress
from erp.services import ensure_default_connection, request_run, sync_connection

_BAR = 30
_PLAIN_EVERY_S = 5.0
_POLL_S = 0.3


class Command(BaseCommand):
    """Reads the ERP now, or shows how the worker does."""

    help = "Reads everything new from the ERP, with progress; --follow lets the worker do it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--connection", help="Name of one connection; otherwise all.")
        parser.add_argument(
            "--follow", action="store_true", help="Ask the worker for it, and watch."
        )

    def handle(self, *args: Any, connection: str | None, follow: bool, **options: Any) -> None:
        ensure_default_connection()
        chosen = Connection.objects.all()
        if connection:
            chosen = chosen.filter(name=connection)
        if not chosen:
            raise CommandError("There is no such connection; is ERP_HOST set?")
        for one in chosen:
            try:
                if follow:
                    self._follow(one)
                else:
                    self._sync(one)
            except StreamStoppedError as error:
                raise CommandError(str(error)) from error

    def _sync(self, connection: Connection) -> None:
        display = _Display(self)
        try:
            for run in sync_connection(connection=connection, on_page=display.show):
                display.finish(run)
        except StreamBusyError:
            self.stdout.write("A worker is at it already; watching.")
            self._follow(connection)

    def _follow(self, connection: Connection) -> None:
        display = _Display(self)
        streams = connection.streams.filter(is_enabled=True).order_by("position")
        for run in [request_run(stream=stream) for stream in streams]:
            while run.state in SyncRun.ACTIVE:
                time.sleep(_POLL_S)
                run.refresh_from_db()
                display.show(run)
            display.finish(run)
            if run.state == SyncRun.State.FAILED:
                raise CommandError(run.error)


class _Display:
    """One line a stream that is rewritten on a terminal; plain lines now and then elsewhere."""

    def __init__(self, command: Command) -> None:
        self._out = command.stdout
        self._live = sys.stdout.isatty()
        self._printed_at = 0.0

    def show(self, run: SyncRun) -> None:
        """Bring the line up to date."""
        now = time.monotonic()
        if self._live:
            self._out.write(f"\r\033[K{_line(run)}", ending="")
            self._out.flush()
        elif now - self._printed_at >= _PLAIN_EVERY_S:
            self._printed_at = now
            self._out.write(_line(run))

    def finish(self, run: SyncRun) -> None:
        """Leave the last state of the line standing."""
        self._out.write(f"\r\033[K{_line(run)}" if self._live else _line(run))


def _line(run: SyncRun) -> str:
    progress = run_progress(run, now=timezone.now())
    parts = [f"{run.stream.get_entity_display():<10}"]
    if progress.share is not None:
        filled = round(progress.share * _BAR)
        parts.append(f"{'█' * filled}{'░' * (_BAR - filled)} {progress.share:4.0%}")
    parts.append(f"{progress.fetched:,} read, {progress.rate:,.0f}/s")
    if run.rejected:
        parts.append(f"{run.rejected:,} set aside")
    if run.last_bill_at and run.state == SyncRun.State.RUNNING:
        parts.append(f"up to {timezone.localtime(run.last_bill_at):%d %b %Y}")
    if progress.seconds_left is not None:
        parts.append(f"{progress.seconds_left:,.0f} s left")
    if run.error:
        parts.append(run.error)
    return "  ".join(parts)
