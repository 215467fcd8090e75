import pytest

from loyalty_site.outbox import events, services
from loyalty_site.outbox.tests.factories import EVENTS, Echoed, ignore


@pytest.fixture(autouse=True)
def _own_subscriptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the handlers that a test subscribes, and one that keeps count of effects."""
    monkeypatch.setattr(services, "_subscriptions", {})
    monkeypatch.setattr(services, "_listeners", {})
    monkeypatch.setattr(events, "_registry", events._registry | EVENTS)
    services.subscribe(ignore, Echoed, name="tests.count")
