from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.utils import timezone

from erp.errors import InsecureAddressError, InvalidPolicyError, WrongMappingError
from erp.models import Connection, MappingVersion, Stream, SyncRun
from erp.selectors import run_progress
from erp.services import (
    check_connection,
    connect_erp,
    ensure_default_connection,
    request_run,
    save_stream,
)
from erp.tasks import run_due_streams
from erp.tests.factories import Shelf, make_bill, make_connection, make_customer, stream_of
from erp.tests.fault_server import reply

pytestmark = pytest.mark.django_db


def test_the_environment_describes_one_connection_made_once(settings: Any) -> None:
    settings.ERP_HOST, settings.ERP_API_KEY = "", ""
    assert ensure_default_connection() is None
    settings.ERP_HOST = "http://erp.internal/api/"
    settings.ERP_API_KEY = "loyalty:first"
    first = ensure_default_connection()
    settings.ERP_API_KEY = "loyalty:second"
    second = ensure_default_connection()
    assert first
    assert second
    assert (first.pk, second.credentials) == (second.pk, "loyalty:second")
    assert list(second.streams.values_list("entity", flat=True)) == [
        "item",
        "customer",
        "sale",
        "return",
    ]
    assert (Connection.objects.count(), MappingVersion.objects.count()) == (1, 4)


def test_credentials_are_sealed_in_the_database() -> None:
    make_connection(credentials="loyalty:s3cret-word")
    with database.cursor() as cursor:
        cursor.execute("SELECT credentials FROM erp_connection")
        assert "s3cret" not in cursor.fetchone()[0]


@pytest.mark.security
@pytest.mark.parametrize(
    "address",
    [
        "http://erp.example.in/api",
        "http://127.0.0.1.example.in/api",
        "ftp://erp.example.in",
        "file:///etc/passwd",
        "erp.example.in",
        "https://",
        "",
    ],
)
def test_addresses_that_give_the_credentials_away_are_refused(address: str) -> None:
    with pytest.raises(InsecureAddressError):
        connect_erp(name="X", base_url=address, credentials="a:b", allows_plain_http=False)
    assert not Connection.objects.exists()
    assert not Stream.objects.exists()


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("https://logicapi.example.in/Shop", False),
        ("http://127.0.0.1:8102/api", False),
        ("http://localhost:8102/api", False),
        ("http://erp.lan/api", True),
    ],
)
def test_sealed_local_and_allowed_addresses_are_taken(address: str, plain: bool) -> None:
    connect_erp(name="X", base_url=address, credentials="a:b", allows_plain_http=plain)
    assert Connection.objects.get().base_url == address


def test_a_connection_is_tested_without_writing(erp: Shelf, connection: Connection) -> None:
    erp.put("customer", make_customer())
    assert check_connection(connection=connection).message == (
        "Signed in; the first page has 1 customers."
    )
    erp.fault = reply("", 403)
    check = check_connection(connection=connection)
    assert (check.is_good, "Sign-in was refused" in check.message) == (False, True)
    connection.refresh_from_db()
    assert connection.state == "active"
    assert not SyncRun.objects.exists()


def test_a_stream_takes_only_a_mapping_of_its_kind(connection: Connection) -> None:
    stream = stream_of(connection, "sale")
    stream.mapping_version = stream_of(connection, "customer").mapping_version
    with pytest.raises(WrongMappingError):
        save_stream(stream=stream)
    assert stream_of(connection, "sale").mapping_version.mapping.mapping_type == "sale"


@pytest.mark.parametrize(
    "policy",
    [{"unknown_customer": "guess"}, {"shoes": 1}, {"consent_wording": 5}, []],
)
def test_a_policy_that_says_nothing_is_refused(connection: Connection, policy: Any) -> None:
    stream = stream_of(connection, "sale")
    before = stream.policy
    stream.policy = policy
    with pytest.raises(InvalidPolicyError):
        save_stream(stream=stream)
    assert stream_of(connection, "sale").policy == before


def test_the_sweep_reads_what_is_due_and_nothing_else(erp: Shelf, connection: Connection) -> None:
    erp.put("sale", make_bill())
    run_due_streams()
    assert list(SyncRun.objects.order_by("pk").values_list("stream__entity", "state")) == [
        ("item", "done"),
        ("customer", "done"),
        ("sale", "done"),
        ("return", "done"),
    ]
    run_due_streams()
    assert SyncRun.objects.count() == 4
    request_run(stream=stream_of(connection, "sale"))
    run_due_streams()
    assert SyncRun.objects.count() == 5


def test_the_command_syncs_and_prints_lines(
    erp: Shelf, capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    settings.ERP_HOST, settings.ERP_API_KEY = erp.url, "loyalty:s3cret-word"
    erp.put("sale", make_bill(code=1), make_bill(code=2))
    call_command("sync_erp")
    printed = capsys.readouterr().out
    assert "100%  2 read" in printed
    assert "s3cret" not in printed


def test_the_command_follows_a_worker(
    erp: Shelf,
    capsys: pytest.CaptureFixture[str],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.ERP_HOST, settings.ERP_API_KEY = erp.url, "loyalty:s3cret-word"
    erp.put("sale", make_bill(code=1), make_bill(code=2))
    worker = "erp.management.commands.sync_erp.time.sleep"
    monkeypatch.setattr(worker, lambda seconds: run_due_streams())
    call_command("sync_erp", "--follow")
    assert "100%  2 read" in capsys.readouterr().out
    assert set(SyncRun.objects.values_list("state", flat=True)) == {"done"}


def test_the_command_says_what_stops_it(erp: Shelf, settings: Any) -> None:
    settings.ERP_HOST, settings.ERP_API_KEY = "", ""
    with pytest.raises(CommandError, match="ERP_HOST"):
        call_command("sync_erp")
    settings.ERP_HOST = erp.url
    erp.fault = reply("", 401)
    with pytest.raises(CommandError, match="Sign-in was refused"):
        call_command("sync_erp")
    with pytest.raises(CommandError, match="needs attention"):
        call_command("sync_erp", "--follow")


def test_progress_is_told_by_totals_or_else_by_the_dates_of_bills() -> None:
    now = timezone.now()
    run = SyncRun(state="running", started_at=now - timedelta(seconds=10), fetched=100)
    assert run_progress(run, now=now).share is None
    run.first_bill_at = now - timedelta(days=100)
    run.last_bill_at = now - timedelta(days=50)
    by_dates = run_progress(run, now=now)
    assert by_dates.share == pytest.approx(0.5, abs=0.001)
    assert by_dates.seconds_left == pytest.approx(10, abs=0.1)
    assert by_dates.rate == pytest.approx(10)
    run.expected = 400
    assert run_progress(run, now=now).share == 0.25
