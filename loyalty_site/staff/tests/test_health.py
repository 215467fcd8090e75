import time
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from loyalty_site.outbox.models import Delivery
from loyalty_site.staff import views
from loyalty_site.staff.gateways import DatabaseProbe, broker_answers

pytestmark = [pytest.mark.django_db, pytest.mark.urls("loyalty_site.staff.tests.urls")]


class StuckProbe(DatabaseProbe):
    """A database that takes the question and never answers."""

    @staticmethod
    def _ask() -> bool:
        time.sleep(3)
        return True


@pytest.fixture(autouse=True)
def _answering_database(monkeypatch: pytest.MonkeyPatch) -> None:
    # The probe's own thread would wait for this test's transaction on SQLite.
    monkeypatch.setattr(views._database, "_ask", lambda: True)


def test_livez_touches_nothing(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert Client().get("/livez").content == b"ok"


def test_readyz_says_ok_with_migrations_applied() -> None:
    assert Client().get("/readyz").status_code == 200


def test_readyz_says_no_while_migrations_are_due(monkeypatch: pytest.MonkeyPatch) -> None:
    def due() -> bool:
        raise LookupError

    monkeypatch.setattr(views, "_find_no_due_migration", due)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"migrations are due")


def test_a_frozen_database_is_reported_within_a_second_and_a_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(views, "_database", StuckProbe())
    for address in ("/readyz", "/health"):
        start = time.perf_counter()
        assert Client().get(address).status_code == 503
        assert time.perf_counter() - start < 1.5
    assert Client().get("/livez").status_code == 200


def test_readyz_does_not_ask_redis(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert Client().get("/readyz").status_code == 200


def test_health_sums_up() -> None:
    Delivery.objects.create(
        event_name="a.b",
        payload={},
        handler="x",
        created_at=timezone.now() - timedelta(seconds=90),
    )
    body = Client().get("/health").json()
    assert set(body) == {"status", "version", "database", "broker", "outbox"}
    assert (body["status"], body["database"], body["broker"]) == ("ok", "ok", "ok")
    assert body["outbox"]["oldest_waiting_seconds"] >= 90
    assert body["outbox"]["parked"] == 0


def test_health_names_what_is_degraded(settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = Client().get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["broker"] == "down"
    assert not broker_answers()


def test_the_probe_asks_the_real_database() -> None:
    assert DatabaseProbe().answers()


@pytest.mark.security
@pytest.mark.parametrize(
    ("address", "token", "status"),
    [
        ("127.0.0.1", "", 200),
        ("172.18.0.5", "", 200),
        ("8.8.8.8", "", 404),
        ("8.8.8.8", "Bearer wrong", 404),
        ("8.8.8.8", "Bearer the-metrics-token", 200),
    ],
)
def test_metrics_are_for_our_networks_or_the_token(
    settings: Settings, address: str, token: str, status: int
) -> None:
    settings.METRICS_TOKEN = "the-metrics-token"
    answer = Client().get("/metrics", REMOTE_ADDR=address, HTTP_AUTHORIZATION=token)
    assert answer.status_code == status


@pytest.mark.security
def test_without_a_metrics_token_no_token_opens(settings: Settings) -> None:
    settings.METRICS_TOKEN = ""
    for header in ("", "Bearer ", "Bearer"):
        answer = Client().get("/metrics", REMOTE_ADDR="8.8.8.8", HTTP_AUTHORIZATION=header)
        assert answer.status_code == 404


@pytest.mark.parametrize("address", ["/livez", "/readyz", "/health", "/metrics"])
def test_probes_are_only_read(address: str) -> None:
    assert Client().post(address).status_code == 405


def test_the_first_page_leads_somewhere() -> None:
    assert Client().get("/").status_code == 302
