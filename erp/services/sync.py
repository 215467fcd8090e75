"""The loop: fetch a page with no transaction open, commit it with its cursor, go on."""

import gc
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.utils import timezone

from erp.errors import FloodError, LeaseLostError, StreamStoppedError
from erp.gateways import GatewayError, open_source
from erp.models import Connection, Stream, SyncRun
from erp.services.connections import endpoint_of
from erp.services.pages import apply_page
from erp.services.runs import fail_run, finish_run, lease_stream, pause_run

logger = logging.getLogger(__name__)

SLICE_S = 240.0
PAGE_CAP = 50_000

Progress = Callable[[SyncRun], None]


def run_stream(
    *, stream: Stream, slice_s: float = SLICE_S, on_page: Progress | None = None
) -> SyncRun:
    """Read a stream to its end, or for a slice of time; returns the run as it stands then.

    Every page is committed together with its cursor, so a worker may die anywhere: the next one
    goes on behind the last committed page. What the ERP does wrong ends the run and is recorded.

    Raises:
        StreamStoppedError: the stream is off or its connection needs attention.
        StreamBusyError: another worker holds it.
        LeaseLostError: another worker took over meanwhile; nothing of the last page was kept.
    """
    lease = lease_stream(stream=stream, now=timezone.now())
    until = time.monotonic() + slice_s
    source = open_source(endpoint_of(lease.stream.connection))
    try:
        while True:
            with _garbage_left_alone():
                page = source.fetch(lease.stream.entity, lease.cursor)
                if page.is_last:
                    return finish_run(lease)
                run = apply_page(lease, page)
            if on_page:
                on_page(run)
            if run.pages >= PAGE_CAP:
                raise GatewayError(
                    GatewayError.Kind.CURSOR, f"More than {PAGE_CAP} pages came without an end."
                )
            if time.monotonic() >= until:
                return pause_run(lease, until=timezone.now())
    except GatewayError as error:
        if error.kind is GatewayError.Kind.THROTTLED:
            wait = timedelta(seconds=error.retry_after_s or 60)
            return pause_run(lease, until=timezone.now() + wait, reason=str(error))
        logger.warning("%s: %s", lease.stream, error)
        return fail_run(lease, error)
    except FloodError as error:
        logger.warning("%s: %s", lease.stream, error)
        return fail_run(lease, GatewayError(GatewayError.Kind.BAD_ANSWER, str(error)))
    except LeaseLostError:
        raise
    except Exception as error:
        # Ours, not the ERP's: without this the page would be tried again at once, for ever.
        fault = f"A fault of our own ({type(error).__name__}); see the worker's log."
        fail_run(lease, GatewayError(GatewayError.Kind.TRANSIENT, fault))
        raise
    finally:
        source.close()


@contextmanager
def _garbage_left_alone() -> Iterator[None]:
    """No search for reference cycles while a page is worked on.

    A page makes a hundred thousand short-lived objects and hardly a cycle; looking for one again
    and again took a third of the time. Between pages the collector does its work as ever.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def sync_connection(
    *, connection: Connection, on_page: Progress | None = None
) -> Iterator[SyncRun]:
    """Read all streams of a connection in their order, here and now; yields each ended run.

    Raises:
        StreamStoppedError: the connection needs attention, or a run failed.
        StreamBusyError: a worker is reading a stream.
    """
    for stream in connection.streams.filter(is_enabled=True).order_by("position"):
        run = run_stream(stream=stream, slice_s=float("inf"), on_page=on_page)
        yield run
        if run.state != SyncRun.State.DONE:
            raise StreamStoppedError(reason=run.error)
