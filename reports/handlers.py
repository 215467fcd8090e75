"""What happened marks the day it happened on; nothing is counted here."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from affiliates.events import CommissionPosted
from customers.events import CustomerRegistered, PurchaseRecorded
from customers.models import Customer, Store
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
    """Mark the days on which affiliates were credited."""
    _mark(Kind.COMMISSION, (event.occurred_at for event in events))


def mark_messages(events: Sequence[MessageStateChanged]) -> None:
    """Mark the days on which messages were written whose state changed."""
    messages = Message.objects.filter(pk__in=[event.message_id for event in events])
    _mark(Kind.MESSAGES, messages.values_list("created_at", flat=True))


def _mark(kind: Kind, instants: Iterable[datetime]) -> None:
    zone = program_zone()
    mark_dirty((kind, local_day(at, zone)) for at in instants)
