from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from loyalty_site.outbox.events import Event, event_type
from loyalty_site.outbox.tests.factories import Noted


def test_an_event_reads_back_as_it_was_written() -> None:
    event = Noted(
        number=7,
        key="customer:1",
        text="Grüße, नमस्ते",
        is_good=False,
        amount=Decimal("12.50"),
        day=date(2026, 2, 28),
        at=datetime(2026, 2, 28, 12, 30, 1, 5, tzinfo=UTC),
    )
    assert Noted.from_payload(event.to_payload()) == event


def test_absent_values_stay_absent() -> None:
    assert Noted.from_payload(Noted(number=1).to_payload()) == Noted(number=1)


def test_an_older_payload_takes_the_defaults_of_newer_fields() -> None:
    assert Noted.from_payload({"number": 3}) == Noted(number=3)


def test_a_newer_payload_loses_the_fields_that_are_gone() -> None:
    assert Noted.from_payload({"number": 3, "dropped": True}) == Noted(number=3)


def test_a_payload_without_a_required_field_is_refused() -> None:
    with pytest.raises(TypeError):
        Noted.from_payload({"text": "no number"})


def test_an_event_is_found_by_name_and_version() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class NotedAgain(Event, name="tests.noted", version=2):
        """The same event with other fields."""

        amount: int

    assert event_type("tests.noted", 1) is Noted
    assert event_type("tests.noted", 2) is NotedAgain


def test_an_event_that_nobody_declares_is_unknown() -> None:
    with pytest.raises(KeyError):
        event_type("tests.never", 1)
