import threading
import time
from typing import Any

import pytest
from pytest_django import Settings

from loyalty_site.outbox import gateways
from loyalty_site.outbox.gateways import Waker


class Broker:
    """Stands in for Celery's `send_task`; it can hang or fail."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[str, ...]]] = []
        self.error: Exception | None = None
        self.answers = threading.Event()
        self.answers.set()

    def send_task(self, task: str, args: tuple[str, ...], **options: Any) -> None:
        self.answers.wait(10)
        if self.error:
            raise self.error
        self.sent.append((task, args))

    def wait_for(self, count: int) -> None:
        until = time.monotonic() + 5
        while len(self.sent) < count and time.monotonic() < until:
            time.sleep(0.01)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Broker:
    settings.WAKE_WORKERS = True
    fake = Broker()
    monkeypatch.setattr(gateways, "current_app", fake)
    return fake


def test_sends_the_task_with_its_arguments(broker: Broker) -> None:
    Waker().wake("shop.deliver", "first")
    broker.wait_for(1)
    assert broker.sent == [("shop.deliver", ("first",))]


def test_does_nothing_where_wake_ups_are_off(broker: Broker, settings: Settings) -> None:
    settings.WAKE_WORKERS = False
    Waker().wake("shop.deliver", "first")
    time.sleep(0.05)
    assert broker.sent == []


def test_a_hanging_broker_does_not_hold_up_the_caller(broker: Broker) -> None:
    broker.answers.clear()
    waker = Waker()
    begin = time.monotonic()
    for number in range(1000):
        waker.wake("shop.deliver", f"handler-{number % 3}")
    assert time.monotonic() - begin < 0.5
    broker.answers.set()
    broker.wait_for(3)
    # One was already under way when its equals came; those wait as one.
    assert len(broker.sent) in {3, 4}
    assert {args for _, args in broker.sent} == {("handler-0",), ("handler-1",), ("handler-2",)}


def test_a_failing_broker_is_survived(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    broker.error = ConnectionError("refused")
    waker = Waker()
    waker.wake("shop.deliver", "first")
    until = time.monotonic() + 5
    while not caplog.records and time.monotonic() < until:
        time.sleep(0.01)
    assert "wake-up of shop.deliver not sent: ConnectionError" in caplog.text
    broker.error = None
    waker.wake("shop.deliver", "first")
    broker.wait_for(1)
    assert broker.sent == [("shop.deliver", ("first",))]
