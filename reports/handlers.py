"""What happened marks the day it happened on; nothing is counted here."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import Q

from affiliates.events import CommissionPosted, ReachCounted
from customers.events import CustomerRegistered, PurchaseRecorded
from customers.models import Customer, Purchase, Store
from loyalty.events import PointsPosted
from loyalty.models import PointsEntry
from messaging.events import MessageStateChanged
from messaging.models import Message
from reports.engine import local_day
from reports.models import Kind
from reports.selectors import program_zone
from reports.services import mark_dirty


def mark_purchases(events: Sequence[PurchaseRecorded]) -> None:
    """Mark where bills stand now and where they stood before."""
    places: set[tuple[int, datetime]] = set()
    moved: set[int] = set()
    for event in events:
        places.add((event.store_id, event.occurred_at))
        previous_store = event.previous_store_id or event.store_id
        places.add((previous_store, event.previous_occurred_at or event.occurred_at))
        if previous_store != event.store_id:
            moved.add(event.purchase_id)
    zones = dict(
        Store.objects.filter(pk__in={store for store, _ in places}).values_list("pk", "zone")
    )
    mark_dirty((Kind.SALES, local_day(at, zones[store])) for store, at in places)
    if moved:
        entries = PointsEntry.objects.filter(purchase_id__in=moved)
        _mark(Kind.POINTS, entries.values_list("occurred_at", flat=True))


def mark_points(events: Sequence[PointsPosted]) -> None:
    """Mark the programme's days on which points moved."""
    _mark(Kind.POINTS, (event.occurred_at for event in events))


def mark_registrations(events: Sequence[CustomerRegistered]) -> None:
    """Mark the days on which customers registered."""
    customers = Customer.objects.filter(pk__in=[event.customer_id for event in events])
    _mark(Kind.MEMBERS, customers.values_list("created_at", flat=True))


def mark_commissions(events: Sequence[CommissionPosted]) -> None:
    """Mark the days on which affiliates were credited, and those of the bills and their returns."""
    _mark(Kind.COMMISSION, (event.occurred_at for event in events))
    entries = [event.entry_id for event in events]
    _mark_brought(Q(conversion__entries__in=entries) | Q(sale__conversion__entries__in=entries), {})


def mark_brought_purchases(events: Sequence[PurchaseRecorded]) -> None:
    """Mark where bills that affiliates brought stand now and stood before.

    What is settled only after this marks its day by the commission.
    """
    bills = [event.purchase_id for event in events]
    own = Q(conversion__isnull=False) | Q(sale__conversion__isnull=False)
    before = {event.purchase_id: event.previous_occurred_at for event in events}
    _mark_brought(Q(pk__in=bills) & own, before)


def _mark_brought(which: Q, before: Mapping[int, datetime | None]) -> None:
    bills = Purchase.objects.filter(which).values_list("pk", "occurred_at").distinct()
    instants: set[datetime] = set()
    for pk, at in bills:
        instants |= {at, before.get(pk) or at}
    _mark(Kind.COMMISSION, instants)


def mark_reach(events: Sequence[ReachCounted]) -> None:
    """Mark the days whose shares, clicks or chats were counted."""
    mark_dirty((Kind.COMMISSION, event.day) for event in events)


def mark_messages(events: Sequence[MessageStateChanged]) -> None:
    """Mark the days on which messages were written whose state changed."""
    messages = Message.objects.filter(pk__in=[event.message_id for event in events])
    _mark(Kind.MESSAGES, messages.values_list("created_at", flat=True))


def _mark(kind: Kind, instants: Iterable[datetime]) -> None:
    zone = program_zone()
    mark_dirty((kind, local_day(at, zone)) for at in instants)
