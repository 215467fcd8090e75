"""The outbox under kill -9, many deliverers and a frozen broker, in processes of its own."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from tests.faults.outbox_process import KILLED

pytestmark = [pytest.mark.faults, pytest.mark.integration]

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def database_url(tmp_path: Path) -> Iterator[str]:
    """A database of its own, of the kind that this test run is about."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path / 'outbox.sqlite3'}"
        return
    server = urlsplit(os.environ["DATABASE_URL"])
    name = f"test_outbox_faults_{os.getpid()}"
    with psycopg.connect(urlunsplit(server._replace(path="/postgres")), autocommit=True) as admin:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        admin.execute(drop)
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield urlunsplit(server._replace(path=f"/{name}"))
        admin.execute(drop)


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Starts `outbox_process` commands; the tables are there."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.outbox_process", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={
                **{name: value for name, value in os.environ.items() if name != "REDIS_URL"},
                "DATABASE_URL": database_url,
                "VAR_DIR": str(tmp_path / "var"),
                **environment,
            },
        )
        running.append(process)
        return process

    assert begin("prepare").wait(timeout=60) == 0
    yield begin
    for process in running:
        process.kill()
        process.wait()


def output(process: subprocess.Popen[str]) -> list[str]:
    """What a process that ends well has printed."""
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return text.split()


def effects(database_url: str) -> list[int]:
    """The numbers that the handler was given, in order, read without a process of its own."""
    query = "SELECT payload FROM outbox_delivery WHERE event_name = 'tests.echoed' ORDER BY id"
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=20)) as file:
            return [json.loads(payload)["number"] for (payload,) in file.execute(query)]
    with psycopg.connect(database_url) as server:
        return [payload["number"] for (payload,) in server.execute(query)]


@pytest.mark.parametrize("crash_at", ["handler", "mark"])
def test_a_crash_before_the_commit_undoes_the_effect_and_redelivery_makes_it_once(
    start: Start, database_url: str, crash_at: str
) -> None:
    output(start("publish", "30", "3"))
    assert start("deliver", crash_at).wait(timeout=60) == KILLED
    assert effects(database_url) == []
    output(start("deliver"))
    assert effects(database_url) == list(range(30))


def test_a_crash_after_the_commit_is_not_repeated(start: Start, database_url: str) -> None:
    output(start("publish", "30", "3"))
    # The work is committed, but Celery never hears of it and sends the task again.
    output(start("deliver"))
    output(start("deliver"))
    assert effects(database_url) == list(range(30))


def test_eight_deliverers_at_once_take_each_event_once(start: Start, database_url: str) -> None:
    output(start("publish", "200", "5"))
    output(start("deliver-together", "8"))
    assert sorted(effects(database_url)) == list(range(200))


def test_eight_deliverers_at_once_keep_each_keys_order(start: Start, database_url: str) -> None:
    output(start("publish", "200", "5"))
    output(start("deliver-together", "8", ORDERED="1"))
    received = effects(database_url)
    assert sorted(received) == list(range(200))
    for key in range(5):
        of_key = [number for number in received if number % 5 == key]
        assert of_key == sorted(of_key)


@pytest.fixture
def redis_server() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Redis of its own, that may be frozen."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("needs the program redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    wait_for(lambda: is_listening(port), 10)
    yield f"redis://127.0.0.1:{port}/0", server
    server.send_signal(signal.SIGCONT)
    server.kill()
    server.wait()


def is_listening(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_for(holds: Callable[[], bool], seconds: float) -> float:
    begin = time.monotonic()
    while not holds():
        assert time.monotonic() - begin < seconds, "took too long"
        time.sleep(0.1)
    return time.monotonic() - begin


def test_a_frozen_or_dead_broker_never_holds_up_who_publishes(
    start: Start, redis_server: tuple[str, subprocess.Popen[bytes]]
) -> None:
    url, server = redis_server
    server.send_signal(signal.SIGSTOP)
    [longest] = output(start("publish", "50", "5", REDIS_URL=url, WAKE_WORKERS="true"))
    assert float(longest) < 0.5
    server.kill()
    [longest] = output(start("publish", "50", "5", REDIS_URL=url, WAKE_WORKERS="true"))
    assert float(longest) < 0.5


def test_what_was_published_while_the_broker_was_frozen_goes_out_afterwards(
    start: Start, database_url: str, redis_server: tuple[str, subprocess.Popen[bytes]]
) -> None:
    url, server = redis_server
    environment = {"REDIS_URL": url, "WAKE_WORKERS": "true"}
    start("worker", **environment)
    start("beat", **environment)
    output(start("publish", "5", "1", **environment))
    wait_for(lambda: len(effects(database_url)) == 5, 60)
    server.send_signal(signal.SIGSTOP)
    output(start("publish", "5", "1", **environment))
    time.sleep(3)
    assert len(effects(database_url)) == 5
    server.send_signal(signal.SIGCONT)
    wait_for(lambda: len(effects(database_url)) == 10, 60)
    assert effects(database_url) == [*range(5), *range(5)]


def test_a_worker_on_the_file_broker_is_woken_at_once(start: Start, database_url: str) -> None:
    start("worker")
    # The first lot waits for the worker to be up; the sweep is off, as there is no scheduler.
    output(start("publish-and-wait", "5", WAKE_WORKERS="true"))
    [seconds] = output(start("publish-and-wait", "5", WAKE_WORKERS="true"))
    assert float(seconds) < 2
    assert effects(database_url) == [*range(5), *range(5)]
