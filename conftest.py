"""Fixtures for every test."""

import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection

NEEDS: dict[str, tuple[str, Callable[[], bool]]] = {
    "needs_postgresql": ("PostgreSQL: set DATABASE_URL", lambda: connection.vendor == "postgresql"),
    "needs_redis": ("Redis: set REDIS_URL", lambda: bool(os.environ.get("REDIS_URL"))),
}


def pytest_configure() -> None:
    """Give each parallel test process a Redis database, since every test empties its cache."""
    if url := os.environ.get("REDIS_URL"):
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        own = f"{url.rpartition('/')[0]}/{15 - worker % 16}"
        settings.REDIS_URL = settings.CACHES["default"]["LOCATION"] = own


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose server is not there."""
    for marker, (what, is_there) in NEEDS.items():
        if item.get_closest_marker(marker) and not is_there():
            pytest.skip(f"needs {what}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With REQUIRE_SERVERS=1 every server is there, so a test that skips for one has failed."""
    report = yield
    if (
        os.environ.get("REQUIRE_SERVERS") == "1"
        and report.skipped
        and "needs" in report.longreprtext
    ):
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_SERVERS is set, yet: {report.longreprtext}"
    return report


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


@pytest.fixture(autouse=True, scope="session")
def _flush_despite_guards() -> Iterator[None]:
    """Let transactional tests empty the append-only tables, whose triggers refuse just that."""
    operations = type(connection.ops)
    plain = operations.sql_flush

    def sql_flush(self: Any, *args: Any, **kwargs: Any) -> list[str]:
        statements = plain(self, *args, **kwargs)
        if self.connection.vendor == "postgresql":
            return ["SET LOCAL session_replication_role = replica", *statements]
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            drops = [f"DROP TRIGGER {name}" for (name,) in cursor.fetchall()]
        return [*drops, *statements]

    operations.sql_flush = sql_flush  # type: ignore[method-assign]
    yield
    operations.sql_flush = plain  # type: ignore[method-assign]
