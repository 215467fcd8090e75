"""The real stand-in, a process of its own spoken to over HTTP, with a year of real baskets."""

import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import requests
from django.conf import settings

from customers.models import Customer, Product, Purchase, PurchaseLine, Store
from erp.models import Quarantine, SyncRun
from erp.services import connect_erp, request_run, run_stream, sync_connection
from erp.tests.factories import stream_of
from erp.tests.test_sync import snapshot
from loyalty.selectors import verify_ledger

pytestmark = [pytest.mark.integration]

ROOT = Path(settings.BASE_DIR)
CREDENTIALS = "loyalty:sandbox-erp"
LAST_BILLS = 1200


@contextmanager
def running_stand_in(folder: Path, *, page: int) -> Iterator[str]:
    """The address of a running stand-in."""
    command = [sys.executable, "-m", "sandbox.logic_erp", "--port", "0", "--page", str(page)]
    command += ["--newest-on", "2026-06-30", "--state-dir", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        yield found[0]
    finally:
        process.terminate()
        process.wait(10)


def totals(stand_in: str) -> dict[str, Any]:
    result: dict[str, Any] = requests.get(f"{stand_in}/_sandbox/totals", timeout=10).json()
    return result


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[str]:
    with running_stand_in(tmp_path / "erp", page=500) as address:
        yield address


@pytest.fixture
def slow_stand_in(tmp_path: Path) -> Iterator[str]:
    """One of small pages, so that a sync can be killed at many places."""
    with running_stand_in(tmp_path / "erp", page=50) as address:
        yield address


@pytest.mark.django_db
def test_a_full_sync_equals_what_the_books_hold_and_the_next_one_changes_nothing(
    stand_in: str,
) -> None:
    connection = connect_erp(
        name="LOGIC", base_url=f"{stand_in}/api", credentials=CREDENTIALS, allows_plain_http=False
    )
    runs = list(sync_connection(connection=connection))
    books = totals(stand_in)
    assert [(run.state, run.rejected) for run in runs] == [("done", 0)] * 4
    assert not Quarantine.objects.exists()
    assert Product.objects.count() == books["items"]
    assert Customer.objects.count() == books["customers"]
    assert Store.objects.count() == books["branches"]
    for kind, sign, name in (("sale", 1, "sales"), ("return", -1, "returns")):
        purchases = Purchase.objects.filter(kind=kind, standing="applied", customer__isnull=False)
        assert purchases.count() == books[name]["count"]
        # Added up here, because SQLite adds decimals as binary fractions.
        assert sum(purchases.values_list("net", flat=True)) == sign * Decimal(books[name]["net"])
        lines = PurchaseLine.objects.filter(purchase__kind=kind)
        assert lines.count() == books[name]["lines"]
    assert not Purchase.objects.filter(kind="return", sale__isnull=True).exists()
    assert not PurchaseLine.objects.filter(purchase__kind="return", returns_key="").exists()
    assert list(verify_ledger()) == []

    before = snapshot()
    for entity in ("customer", "sale", "return"):
        request_run(stream=stream_of(connection, entity), kind=SyncRun.Kind.FULL)
        run = run_stream(stream=stream_of(connection, entity))
        assert (run.state, run.applied, run.unchanged) == ("done", 0, run.fetched)
    assert snapshot() == before


class Scratch:
    """A migrated database outside the test's own, and commands that run on it."""

    def __init__(self, url: str, stand_in: str, folder: Path) -> None:
        self._url = url
        self._environment = os.environ | {
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "loyalty_site.settings",
            "ENVIRONMENT": "development",
            "ERP_HOST": f"{stand_in}/api",
            "ERP_API_KEY": CREDENTIALS,
            "LOG_LEVEL": "ERROR",
            "REDIS_URL": "",
            "VAR_DIR": str(folder),
            "WAKE_WORKERS": "false",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-u", *arguments],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        process = self.start(*arguments)
        output, _ = process.communicate()
        assert process.returncode == 0
        return output

    def count_unfinished(self) -> int:
        """Runs that a dead worker left behind; lets their leases end as if the time had passed."""
        self._execute("UPDATE erp_stream SET lease_until = NULL")
        return self._execute("SELECT count(*) FROM erp_syncrun WHERE state = 'running'")

    def _execute(self, statement: str) -> int:
        if self._url.startswith("sqlite"):
            with closing(sqlite3.connect(urlsplit(self._url).path)) as database:
                row = database.execute(statement).fetchone()
                database.commit()
        else:
            with psycopg.connect(self._url) as server:
                cursor = server.execute(statement)
                row = cursor.fetchone() if cursor.description else None
        return int(row[0]) if row else 0


@contextmanager
def scratch(stand_in: str, folder: Path) -> Iterator[Scratch]:
    after = totals(stand_in)["last_modify_code"] - LAST_BILLS
    with _empty_database(folder) as url:
        database = Scratch(url, stand_in, folder)
        database.run("manage.py", "migrate", "--verbosity", "0")
        database.run("-m", "erp.tests.scratch", "prepare", str(after))
        yield database


@contextmanager
def _empty_database(folder: Path) -> Iterator[str]:
    configured = os.environ.get("DATABASE_URL", "")
    if not configured.startswith("postgres"):
        folder.mkdir()
        yield f"sqlite:///{folder / 'scratch.sqlite3'}"
        return
    name = f"erp_scratch_{os.getpid()}_{folder.name}"
    with psycopg.connect(configured, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlunsplit(urlsplit(configured)._replace(path=f"/{name}"))
        finally:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.faults
def test_a_sync_killed_five_times_ends_like_one_that_was_not(
    slow_stand_in: str, tmp_path: Path
) -> None:
    with scratch(slow_stand_in, tmp_path / "clean") as database:
        database.run("manage.py", "sync_erp")
        expected = json.loads(database.run("-m", "erp.tests.scratch", "dump"))
    assert len(expected["purchases"]) == LAST_BILLS
    assert expected["points"]
    assert expected["ledger faults"] == []

    rng = random.Random(7)
    unfinished = 0
    with scratch(slow_stand_in, tmp_path / "killed") as database:
        for _ in range(5):
            process = database.start("manage.py", "sync_erp")
            assert process.stdout
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.5))
            process.kill()
            process.communicate()
            unfinished += database.count_unfinished()
        database.run("manage.py", "sync_erp")
        found = json.loads(database.run("-m", "erp.tests.scratch", "dump"))
    assert unfinished >= 3, "the sync was over before it was killed: use smaller pages"
    assert found == expected
