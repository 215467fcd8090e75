"""Redis frozen, dead, and back without its data: awards go on, and events arrive afterwards."""

import http.client
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.db import connection

pytestmark = [pytest.mark.faults, pytest.mark.integration]

DEADLINE_S = 1.5
PREPARE = """
import json, django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from loyalty.tests.factories import make_account
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_user
from loyalty_site.staff.tokens import write_access_token
token = write_access_token(make_user(roles=[Role.INTEGRATOR]))
print(json.dumps({"token": token, "customer_id": make_account().customer_id}))
"""


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_for(holds: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "took too long"
        time.sleep(0.1)


@contextmanager
def own_database(folder: Path) -> Iterator[str]:
    """A database of its own, of the kind that this test run is about."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{folder / 'outage.sqlite3'}"
        return
    server, name = urlsplit(os.environ["DATABASE_URL"]), f"test_redis_outage_{os.getpid()}"
    with psycopg.connect(urlunsplit(server._replace(path="/postgres")), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {name}")
        yield urlunsplit(server._replace(path=f"/{name}"))
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@dataclass
class Redis:
    """A Redis server without persistence that can be frozen, killed and started anew."""

    program: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen([self.program, *options], stdout=subprocess.DEVNULL)
        wait_for(lambda: is_listening(self.port), 10)

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@dataclass
class Shop:
    """The product's processes on their own database."""

    environment: dict[str, str]
    token: str
    customer_id: int
    port: int
    sent: int = 0

    def award(self) -> float:
        """Award one point over HTTP; answers how many seconds it took."""
        self.sent += 1
        body = {"customer_id": self.customer_id, "points": 1, "description": "Till"}
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"till:{self.sent}",
        }
        begin = time.monotonic()
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as server:
            server.request("POST", "/api/v1/loyalty/award/", json.dumps(body), headers)
            response = server.getresponse()
            answer = response.read()
        assert response.status == 201, answer
        return time.monotonic() - begin

    def slowest_of_30_awards(self) -> float:
        return max(self.award() for _ in range(30))

    def figures(self) -> tuple[int, int, int]:
        """Ledger entries, deliveries in all, and those that still wait."""
        query = """
            SELECT (SELECT count(*) FROM loyalty_pointsentry),
                   (SELECT count(*) FROM outbox_delivery),
                   (SELECT count(*) FROM outbox_delivery WHERE state <> 'done')"""
        url = self.environment["DATABASE_URL"]
        if url.startswith("sqlite"):
            with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)) as file:
                row = file.execute(query).fetchone()
        else:
            with psycopg.connect(url) as server:
                row = server.execute(query).fetchone()
        entries, deliveries, waiting = row
        return entries, deliveries, waiting

    def nothing_waits(self) -> bool:
        entries, deliveries, waiting = self.figures()
        return entries == self.sent and deliveries >= entries and waiting == 0


@pytest.fixture
def redis() -> Iterator[Redis]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("needs the program redis-server")
    server = Redis(program)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def shop(redis: Redis, tmp_path: Path) -> Iterator[Shop]:
    """Web, worker and scheduler, all up."""
    with ExitStack() as stack:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "loyalty_site.settings",
            "ENVIRONMENT": "development",
            "DATABASE_URL": stack.enter_context(own_database(tmp_path)),
            "REDIS_URL": redis.url,
            "VAR_DIR": str(tmp_path),
            "WAKE_WORKERS": "true",
            "LOG_LEVEL": "ERROR",
        }
        prepared = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PREPARE)],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        opened = Shop(environment=environment, port=free_port(), **json.loads(prepared))
        web = ("gunicorn", "loyalty_site.wsgi", "-w", "2", "-b", f"127.0.0.1:{opened.port}")
        for command in (
            (*web, "--no-control-socket"),
            ("celery", "--quiet", "-A", "loyalty_site", "worker", "-P", "threads", "-c", "2"),
            ("celery", "--quiet", "-A", "loyalty_site", "beat", "--pidfile="),
        ):
            process = subprocess.Popen([sys.executable, "-m", *command], env=environment)
            stack.callback(process.wait)
            stack.callback(process.kill if "celery" in command else process.terminate)
        wait_for(lambda: is_listening(opened.port), 60)
        yield opened


def test_awards_go_on_without_redis_and_events_arrive_when_it_is_back(
    redis: Redis, shop: Shop
) -> None:
    shop.award()
    # What this machine takes anyway, so that a busy one does not count as waiting for Redis.
    usual = shop.slowest_of_30_awards()
    wait_for(shop.nothing_waits, 60)

    redis.freeze()
    assert shop.slowest_of_30_awards() < usual + DEADLINE_S
    redis.kill()
    assert shop.slowest_of_30_awards() < usual + DEADLINE_S
    entries, _, waiting = shop.figures()
    assert entries == 91
    assert waiting > 0

    redis.start()
    wait_for(shop.nothing_waits, 60)
    assert shop.slowest_of_30_awards() < usual + DEADLINE_S
    wait_for(shop.nothing_waits, 60)
