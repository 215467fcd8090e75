"""Fixtures of this app's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.models import Channel
from messaging.tests.factories import make_channel
from messaging.tests.servers import StandIn


@pytest.fixture
def channel(db: None) -> Channel:
    """A number of the shop."""
    return make_channel()


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    """The WhatsApp stand-in, whose webhooks nobody takes."""
    server = StandIn(
        state_dir=tmp_path, webhook_url="http://127.0.0.1:9/webhooks/whatsapp/", status_delay=0.05
    )
    yield server
    server.stop()
