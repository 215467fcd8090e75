"""An event of the tests' own, a handler that leaves a countable trace, and short cuts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from loyalty_site.outbox import events
from loyalty_site.outbox.events import Event
from loyalty_site.outbox.models import Delivery
from loyalty_site.outbox.services import publish


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted(Event, name="tests.noted", version=1):
    """Something to tell handlers about."""

    number: int
    key: str = ""
    text: str = ""
    is_good: bool = True
    amount: Decimal | None = None
    day: date | None = None
    at: datetime | None = None

    @property
    def ordering_key(self) -> str:
        return self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Echoed(Event, name="tests.echoed", version=1):
    """What the recording handler publishes: one row for each time that it took effect."""

    number: int
    key: str = ""


EVENTS = {(kind.name, kind.version): kind for kind in (Noted, Echoed)}
# Known to a test only while it runs, so that the product's catalogue stays the product's.
for known in EVENTS:
    events._registry.pop(known)


def echo(received: Sequence[Noted]) -> None:
    """A handler whose effect is one more row per event."""
    publish([Echoed(number=event.number, key=event.key) for event in received])


def effects() -> list[int]:
    """The numbers that `echo` was given, in order."""
    rows = Delivery.objects.filter(event_name=Echoed.name).order_by("id")
    return [row.payload["number"] for row in rows]


def publish_notes(*numbers: int, key: str = "") -> None:
    """Publish one event per number in one transaction."""
    with transaction.atomic():
        publish([Noted(number=number, key=key) for number in numbers])


def deliveries_to(handler: str) -> list[Delivery]:
    """A handler's rows in order."""
    return list(Delivery.objects.filter(handler=handler).order_by("id"))


def ignore(received: Sequence[Event]) -> None:
    """A handler without effect."""
