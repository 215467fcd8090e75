"""Publish events in the transaction that causes them; deliver each to each handler once."""

import logging
import random
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from loyalty_site.common.rows import insert_rows
from loyalty_site.outbox.events import Event, event_type
from loyalty_site.outbox.gateways import wake
from loyalty_site.outbox.models import Delivery, PeriodClaim

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 10
_WRITTEN = (
    "event_name",
    "event_version",
    "payload",
    "handler",
    "ordering_key",
    "state",
    "attempts",
    "available_at",
    "last_error",
    "created_at",
)
KEPT_DAYS = 30
_LONGEST_PAUSE_S = 600
_CLAIMS_KEPT_DAYS = 400
DELIVER_TASK = "loyalty_site.outbox.tasks.deliver_events"

E = TypeVar("E", bound=Event)
Handler = Callable[[Sequence[Any]], None]


@dataclass(frozen=True, slots=True)
class Subscription:
    """A handler of events. It only writes to the database; `ordered` keeps each key's order."""

    name: str
    handle: Handler
    ordered: bool


_subscriptions: dict[str, Subscription] = {}
_listeners: dict[str, list[Subscription]] = {}


def subscribe(handle: Handler, *event_types: type[Event], name: str, ordered: bool = False) -> None:
    """Register a handler for event types; called from `apps.ready()`."""
    subscription = _subscriptions[name] = Subscription(name, handle, ordered)
    for kind in event_types:
        listeners = _listeners.setdefault(kind.name, [])
        listeners[:] = [known for known in listeners if known.name != name] + [subscription]


def handler_names() -> list[str]:
    """Every registered handler."""
    return sorted(_subscriptions)


def handlers_of(kind: type[Event]) -> list[str]:
    """Who reacts to a type of event."""
    return sorted(listener.name for listener in _listeners.get(kind.name, ()))


def publish(events: Iterable[Event]) -> None:
    """Write events down for their handlers, in the caller's transaction, and wake a worker.

    Must run inside `transaction.atomic`, so that an event exists exactly if its cause does.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("publish() needs the causing transaction")
    now = timezone.now()
    handlers: set[str] = set()
    rows: list[tuple[Any, ...]] = []
    for event in events:
        listeners = _listeners.get(event.name, ())
        payload = event.to_payload() if listeners else {}
        for subscription in listeners:
            handlers.add(subscription.name)
            rows.append(
                (
                    event.name,
                    event.version,
                    payload,
                    subscription.name,
                    event.ordering_key,
                    Delivery.State.PENDING.value,
                    0,
                    now,
                    "",
                    now,
                )
            )
    insert_rows(Delivery, _WRITTEN, rows)
    _wake_after_commit(handlers)


def _wake_after_commit(handlers: Iterable[str]) -> None:
    for handler in handlers:
        transaction.on_commit(partial(wake, DELIVER_TASK, handler))


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What one `deliver` call did, in events."""

    done: int = 0
    failed: int = 0
    parked: int = 0

    @property
    def tried(self) -> int:
        """Events that a handler was given, whatever came of it."""
        return self.done + self.failed + self.parked


def deliver(handler: str, *, limit: int = 200) -> DeliveryReport:
    """Hand a batch of due events to a handler and mark them, all in one transaction.

    A crash before the commit undoes both, so each event takes effect exactly once. If the batch
    fails, each event is tried alone; a failing one waits longer each time and is parked after
    ten tries. Events of an ordered handler wait behind an earlier failing one of their key.

    Raises:
        KeyError: no such handler is registered.
    """
    subscription = _subscriptions[handler]
    # Most wake-ups find the work done by an earlier one; those need no write transaction.
    if not _due(subscription).exists():
        return DeliveryReport()
    with transaction.atomic():
        if subscription.ordered and not _lock_handler(handler):
            return DeliveryReport()
        deliveries = _claim(subscription, limit)
        if not deliveries:
            return DeliveryReport()
        if _handled(subscription, deliveries):
            return DeliveryReport(done=_mark_done(deliveries))
        return _deliver_one_by_one(subscription, deliveries)


def _lock_handler(handler: str) -> bool:
    """One deliverer at a time for an ordered handler; SQLite has one writer anyway."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(%s, %s)",
            [zlib.crc32(b"outbox") - 2**31, zlib.crc32(handler.encode()) - 2**31],
        )
        return bool(cursor.fetchone()[0])


def _due(subscription: Subscription) -> QuerySet[Delivery]:
    now = timezone.now()
    due = Delivery.objects.filter(
        handler=subscription.name, state=Delivery.State.PENDING, available_at__lte=now
    )
    if subscription.ordered:
        waiting_before = Delivery.objects.filter(
            handler=subscription.name,
            state=Delivery.State.PENDING,
            ordering_key=OuterRef("ordering_key"),
            id__lt=OuterRef("id"),
            available_at__gt=now,
        )
        due = due.exclude(Exists(waiting_before.exclude(ordering_key="")))
    return due


def _claim(subscription: Subscription, limit: int) -> list[Delivery]:
    due = _due(subscription).order_by("id")
    return list(due.select_for_update(skip_locked=True)[:limit])


def _read(delivery: Delivery) -> Event:
    kind = event_type(delivery.event_name, delivery.event_version)
    return kind.from_payload(delivery.payload)


def _handled(subscription: Subscription, deliveries: list[Delivery]) -> bool:
    try:
        with transaction.atomic():
            subscription.handle([_read(delivery) for delivery in deliveries])
    except Exception as error:  # the worker's edge: recorded on the rows
        if len(deliveries) == 1:
            deliveries[0].last_error = f"{type(error).__name__}: {error}"[:2000]
            logger.warning("%s failed: %s", subscription.name, type(error).__name__)
        if connection.needs_rollback:
            raise
        return False
    return True


def _deliver_one_by_one(subscription: Subscription, deliveries: list[Delivery]) -> DeliveryReport:
    done: list[Delivery] = []
    failed: list[Delivery] = []
    blocked: set[str] = set()
    for delivery in deliveries:
        if delivery.ordering_key and delivery.ordering_key in blocked:
            continue
        if _handled(subscription, [delivery]):
            done.append(delivery)
        else:
            failed.append(delivery)
            if subscription.ordered:
                blocked.add(delivery.ordering_key)
    now = timezone.now()
    for delivery in failed:
        delivery.attempts += 1
        pause = min(2**delivery.attempts, _LONGEST_PAUSE_S) * random.uniform(0.8, 1.2)  # noqa: S311
        delivery.available_at = now + timedelta(seconds=pause)
        if delivery.attempts >= MAX_ATTEMPTS:
            delivery.state = Delivery.State.PARKED
    Delivery.objects.bulk_update(failed, ["attempts", "available_at", "state", "last_error"])
    parked = sum(delivery.state == Delivery.State.PARKED for delivery in failed)
    return DeliveryReport(done=_mark_done(done), failed=len(failed) - parked, parked=parked)


def _mark_done(deliveries: list[Delivery]) -> int:
    return Delivery.objects.filter(pk__in=[delivery.pk for delivery in deliveries]).update(
        state=Delivery.State.DONE, done_at=timezone.now(), last_error=""
    )


def retry_parked(*, deliveries: Sequence[Delivery]) -> int:
    """Let parked events be tried again, from the first try; returns how many were parked."""
    with transaction.atomic():
        count = Delivery.objects.filter(
            pk__in=[delivery.pk for delivery in deliveries], state=Delivery.State.PARKED
        ).update(state=Delivery.State.PENDING, attempts=0, available_at=timezone.now())
        _wake_after_commit({delivery.handler for delivery in deliveries})
    return count


def handlers_with_due_events() -> list[str]:
    """Registered handlers that something waits for, found by one query."""
    waiting = (
        Delivery.objects.filter(
            handler__in=handler_names(),
            state=Delivery.State.PENDING,
            available_at__lte=timezone.now(),
        )
        .order_by("handler")
        .values_list("handler", flat=True)
        .distinct()
    )
    return list(waiting)


def prune_delivered(*, limit: int = 5_000) -> int:
    """Remove a bounded number of events that were delivered more than 30 days ago."""
    old = Delivery.objects.filter(
        state=Delivery.State.DONE, done_at__lt=timezone.now() - timedelta(days=KEPT_DAYS)
    ).order_by("id")
    oldest = list(old.values_list("pk", flat=True)[:limit])
    deleted, _ = Delivery.objects.filter(pk__in=oldest).delete()
    return deleted


def prune_period_claims() -> int:
    """Remove claims that are older than any period."""
    limit = timezone.now() - timedelta(days=_CLAIMS_KEPT_DAYS)
    deleted, _ = PeriodClaim.objects.filter(claimed_at__lt=limit).delete()
    return deleted


def claim_period(*, job: str, period: str) -> bool:
    """True for exactly one caller per job and period; call it in the job's transaction."""
    _, created = PeriodClaim.objects.get_or_create(job=job, period=period)
    return created
