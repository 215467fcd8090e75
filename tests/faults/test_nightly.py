"""The nightly jobs under kill -9: whatever is cut off, the next run leaves the same state."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.db import connection
from psycopg import sql

pytestmark = [pytest.mark.faults, pytest.mark.integration]

Fresh = Callable[[str], str]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fresh]:
    """Makes copies of a prepared database, each under a name of its own; answers their URL."""
    folder = tmp_path_factory.mktemp("nightly")
    if connection.vendor == "sqlite":
        prepared = folder / "prepared.sqlite3"
        process(f"sqlite:///{prepared}", folder, "prepare")

        def copy(name: str) -> str:
            target = folder / f"{name}.sqlite3"
            shutil.copy(prepared, target)
            return f"sqlite:///{target}"

        yield copy
        return
    server = urlsplit(os.environ["DATABASE_URL"])
    prefix = f"test_nightly_faults_{os.getpid()}"
    made = [f"{prefix}_prepared"]
    with psycopg.connect(urlunsplit(server._replace(path="/postgres")), autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(made[0])))
        process(urlunsplit(server._replace(path=f"/{made[0]}")), folder, "prepare")

        def clone(name: str) -> str:
            target = f"{prefix}_{name}"
            made.append(target)
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(target), sql.Identifier(made[0])
                )
            )
            return urlunsplit(server._replace(path=f"/{target}"))

        yield clone
        for name in made:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            admin.execute(drop)


def process(url: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, which may be a violent one."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.nightly_process", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
        env={
            **{name: value for name, value in os.environ.items() if name != "REDIS_URL"},
            "DATABASE_URL": url,
            "VAR_DIR": str(folder / "var"),
        },
    )
    assert done.returncode in {0, -signal.SIGKILL}, arguments
    return done


def state(url: str, folder: Path) -> Any:
    return json.loads(process(url, folder, "state").stdout)


@pytest.fixture(scope="module")
def expected(fresh: Fresh, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a night leaves behind that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    url = fresh("whole")
    assert process(url, folder, "run", "0").returncode == 0
    found = state(url, folder)
    assert not found["faults"]
    assert {job: done for job, _, done, _ in found["jobs"]} == {
        "activate": 24,
        "cancel": 24,
        "tier_periods": 8,
        "expire": 24,
        "tier_review": 24,
        "birthdays": 24,
        "anniversaries": 24,
        "notices": 24,
    }
    return found


@pytest.mark.parametrize("statements", [61, 97, 233])
def test_a_night_that_is_killed_again_and_again_ends_as_if_nothing_had_happened(
    fresh: Fresh, expected: Any, tmp_path: Path, statements: int
) -> None:
    url = fresh(f"killed_{statements}")
    kills = 0
    while process(url, tmp_path, "run", str(statements)).returncode:
        kills += 1
        assert kills < 60, "no run got further than the one before"
    assert kills
    assert state(url, tmp_path) == expected


def test_a_second_run_on_the_same_day_changes_nothing(
    fresh: Fresh, expected: Any, tmp_path: Path
) -> None:
    url = fresh("twice")
    for _ in range(2):
        assert process(url, tmp_path, "run", "0").returncode == 0
    assert state(url, tmp_path) == expected
