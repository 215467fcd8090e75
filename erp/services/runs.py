"""Who reads which stream: runs, leases, and the fencing token."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from erp.errors import LeaseLostError, StreamBusyError, StreamStoppedError
from erp.gateways import GatewayError
from erp.models import Connection, Stream, SyncRun
from erp.services.connections import note_failure, note_success
from loyalty_site.outbox.gateways import wake
from loyalty_site.staff.models import User

LEASE = timedelta(seconds=120)
SWEEP_TASK = "erp.tasks.run_due_streams"


@dataclass(slots=True)
class Lease:
    """The right to commit pages of one stream, until another worker takes a higher token."""

    stream: Stream
    run_id: int
    token: int
    cursor: dict[str, Any]


@transaction.atomic
def request_run(
    *, stream: Stream, kind: str = SyncRun.Kind.SYNC, acting_user: User | None = None
) -> SyncRun:
    """Ask for a stream to be read soon; an active run answers for it.

    Raises:
        StreamStoppedError: the stream is off or its connection needs attention.
    """
    _refuse_stopped(Stream.objects.select_related("connection").get(pk=stream.pk))
    # A page that is being applied holds the stream's lock; whoever asks meanwhile need not wait.
    if active := _active_run(stream):
        return active
    locked = _streams().get(pk=stream.pk)
    if active := _active_run(locked):
        return active
    run = SyncRun.objects.create(stream=locked, kind=kind, requested_by=acting_user)
    locked.next_due_at = timezone.now()
    locked.save(update_fields=["next_due_at"])
    transaction.on_commit(lambda: wake(SWEEP_TASK))
    return run


def due_streams(now: datetime) -> QuerySet[Stream]:
    """Streams to read now. Of one connection only the first: later ones build on it."""
    ready = Stream.objects.filter(
        is_enabled=True, connection__state=Connection.State.ACTIVE, next_due_at__lte=now
    ).filter(Q(connection__open_until=None) | Q(connection__open_until__lte=now))
    leased = Q(lease_until__gt=now)
    before_it = Stream.objects.filter(
        leased | Q(is_enabled=True, next_due_at__lte=now),
        connection=OuterRef("connection"),
        position__lt=OuterRef("position"),
    )
    return (
        ready.exclude(leased).exclude(Exists(before_it)).order_by("next_due_at", "position", "pk")
    )


def next_due_stream(*, now: datetime | None = None) -> Stream | None:
    """The stream that has waited longest, if any is due."""
    return due_streams(now or timezone.now()).first()


@transaction.atomic
def lease_stream(*, stream: Stream, now: datetime) -> Lease:
    """Take a stream over, with its unfinished run if there is one.

    Raises:
        StreamStoppedError: the stream is off or its connection needs attention.
        StreamBusyError: another worker holds it.
    """
    locked = _streams(skip_locked=True).filter(pk=stream.pk).first()
    if locked is None or (locked.lease_until and locked.lease_until > now):
        raise StreamBusyError(stream=str(stream))
    _refuse_stopped(locked)
    run = _active_run(locked) or SyncRun(stream=locked)
    if run.state == SyncRun.State.WAITING:
        if run.kind == SyncRun.Kind.FULL:
            locked.cursor = {}
            run.expected = locked.records.count()
        run.state = SyncRun.State.RUNNING
        run.started_at = now
        run.cursor_before = run.cursor_after = locked.cursor
        run.save()
    locked.token += 1
    locked.lease_until = now + LEASE
    locked.save(update_fields=["cursor", "token", "lease_until"])
    return Lease(locked, run.pk, locked.token, locked.cursor)


def advance(lease: Lease, cursor: dict[str, Any]) -> None:
    """Move the cursor and renew the lease, in the transaction that applies the page.

    Raises:
        LeaseLostError: another worker has a newer token; the caller's transaction must not commit.
    """
    _update_held(lease, cursor=cursor, lease_until=timezone.now() + LEASE)
    lease.cursor = cursor


@transaction.atomic
def finish_run(lease: Lease) -> SyncRun:
    """Everything there is was read."""
    now = timezone.now()
    pause = timedelta(seconds=lease.stream.every_seconds)
    _update_held(lease, lease_until=None, next_due_at=now + pause)
    note_success(connection_id=lease.stream.connection_id)
    return _close(lease, state=SyncRun.State.DONE, finished_at=now, error="")


@transaction.atomic
def pause_run(lease: Lease, *, until: datetime, reason: str = "") -> SyncRun:
    """Leave a run unfinished without holding a worker; whoever is free goes on after `until`."""
    _update_held(lease, lease_until=None, next_due_at=until)
    return _close(lease, error=reason)


@transaction.atomic
def fail_run(lease: Lease, error: GatewayError) -> SyncRun:
    """End a run at its last good page; the next one goes on from there."""
    now = timezone.now()
    back_off = note_failure(connection_id=lease.stream.connection_id, error=error)
    _update_held(lease, lease_until=None, next_due_at=now + back_off)
    return _close(lease, state=SyncRun.State.FAILED, finished_at=now, error=str(error)[:300])


def _update_held(lease: Lease, **values: Any) -> None:
    held = Stream.objects.filter(pk=lease.stream.pk, token=lease.token).update(**values)
    if not held:
        raise LeaseLostError()


def _close(lease: Lease, **values: Any) -> SyncRun:
    SyncRun.objects.filter(pk=lease.run_id).update(**values)
    return SyncRun.objects.get(pk=lease.run_id)


def _streams(*, skip_locked: bool = False) -> QuerySet[Stream]:
    return Stream.objects.select_for_update(of=("self",), skip_locked=skip_locked).select_related(
        "connection"
    )


def _active_run(stream: Stream) -> SyncRun | None:
    return SyncRun.objects.filter(stream=stream, state__in=SyncRun.ACTIVE).first()


def _refuse_stopped(stream: Stream) -> None:
    connection = stream.connection
    if not stream.is_enabled:
        raise StreamStoppedError(reason=f"“{stream}” is switched off.")
    if connection.state != Connection.State.ACTIVE:
        raise StreamStoppedError(
            reason=f"“{connection}” needs attention: {connection.attention_reason}"
        )
