"""The points ledger on SQLite, against the same SQL through Python's bare sqlite3 (T13).

Both write to files of the same layout with the same pragmas: WAL, synchronous=FULL, IMMEDIATE.
"""

import itertools
import multiprocessing
import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from django.db import OperationalError, connection
from django.utils import timezone

from benchmarks import shop
from benchmarks.harness import (
    Rounds,
    Sample,
    Table,
    check_ledger,
    disconnect,
    options,
    repeated,
    throwaway_database,
)
from loyalty import ledger
from loyalty.engine import NEVER
from loyalty.models import Account
from loyalty.services import award_points

ACCOUNTS = 1_000
WRITERS = 4


def main() -> None:
    """Measure, print, check."""
    quick = options(__doc__).quick
    if connection.vendor != "sqlite":
        print("benchmarks.sqlite needs a DATABASE_URL of SQLite, or none.")
        return
    with throwaway_database():
        accounts = shop.make_accounts(ACCOUNTS)
        measure_singles(accounts, rounds=2 if quick else 9, seconds=0.5)
        measure_writers(accounts, seconds=2 if quick else 8)


def measure_singles(accounts: list[Account], *, rounds: int, seconds: float) -> None:
    """One process, one award a commit."""
    with closing(RawLedger.beside_the_database()) as raw:
        measured = Rounds.run(
            {
                "sqlite3": lambda: repeated(lambda: raw.award(choose(accounts).pk), seconds),
                "ledger.post": lambda: repeated(lambda: post(choose(accounts)), seconds),
                "award_points": lambda: repeated(lambda: award(choose(accounts)), seconds),
            },
            rounds,
        )
    table = Table("One award a commit on SQLite; limit: the same SQL through sqlite3")
    table.compare(measured, "ledger.post", "sqlite3", least=0.60, what="T13 ledger.post")
    table.compare(measured, "award_points", "sqlite3", what="    award_points, with events")
    for name in ("sqlite3", "ledger.post", "award_points"):
        table.add(f"    CPU of {name}", rate=f"{measured.cpu_us(name):,.0f} µs")
    table.show()
    check_ledger()


def measure_writers(accounts: list[Account], *, seconds: float) -> None:
    """Several processes write at once: how many fail because the file is locked?"""
    disconnect()
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()

    def write() -> None:
        _rng.seed(os.getpid())
        failures = 0

        def one_award() -> None:
            nonlocal failures
            try:
                award(choose(accounts))
            except OperationalError:
                failures += 1

        sample = repeated(one_award, seconds)
        results.put((sample, failures))

    processes = [fork.Process(target=write) for _ in range(WRITERS)]
    for process in processes:
        process.start()
    answers: list[tuple[Sample, int]] = [results.get() for _ in processes]
    for process in processes:
        process.join()
    calls = sum(sample.units for sample, _ in answers)
    failures = sum(failures for _, failures in answers)
    table = Table(f"{WRITERS} processes call award_points on one SQLite file")
    table.add("T13 lock failures", rate=calls / seconds, ratio=failures / calls, most=0.0)
    table.show()
    check_ledger()


# --- the calls ----------------------------------------------------------------------------------

_rng = random.Random(1)
_numbers = itertools.count()


def choose(accounts: list[Account]) -> Account:
    """Any account."""
    return _rng.choice(accounts)


def new_reference() -> str:
    """A reference that no process has used."""
    return f"bench:{os.getpid()}:{next(_numbers)}"


def award(account: Account) -> None:
    """By the service."""
    award_points(account=account, points=10, reference=new_reference(), reason="Welcome points")


def post(account: Account) -> None:
    """By the ledger alone."""
    now = timezone.now()
    command = ledger.Award(
        account_id=account.pk,
        points=10,
        reference=new_reference(),
        reason="Welcome points",
        occurred_at=now,
    )
    ledger.post([command], now=now, today=now.date())


class RawLedger:
    """The statements of one award, hand-written, on a copy of the database file."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=20)
        self._connection.executescript(connection.settings_dict["OPTIONS"]["init_command"])

    @classmethod
    def beside_the_database(cls) -> "RawLedger":
        """Copy the file as it stands."""
        disconnect()
        original = Path(connection.settings_dict["NAME"])
        return cls(Path(shutil.copy(original, original.with_name("raw.sqlite3"))))

    def award(self, account_id: int) -> None:
        """Post one award in a transaction of its own."""
        execute = self._connection.execute
        reference, now = new_reference(), str(timezone.now().replace(tzinfo=None))
        execute("BEGIN IMMEDIATE")
        _, balance, _, _, version, _ = execute(
            "SELECT id, balance, held, debt, version, closed_at FROM loyalty_account WHERE id = ?",
            [account_id],
        ).fetchone()
        execute(
            "SELECT id, account_id, seq, kind, points, requested, balance_after, reference, reason,"
            " occurred_at, purchase_id, actor_id, reverses_id FROM loyalty_pointsentry"
            " WHERE account_id = ? AND reference = ?",
            [account_id, reference],
        ).fetchall()
        (entry_id,) = execute(
            "INSERT INTO loyalty_pointsentry (account_id, seq, kind, points, requested,"
            " balance_after, reference, reverses_id, purchase_id, reason, details, actor_id,"
            " occurred_at, recorded_at)"
            " VALUES (?, ?, 'award', 10, 10, ?, ?, NULL, NULL, 'Welcome points', '{}', NULL, ?, ?)"
            " RETURNING id",
            [account_id, version + 1, balance + 10, reference, now, now],
        ).fetchone()
        execute(
            "INSERT INTO loyalty_lot (account_id, entry_id, points, remaining, expires_on)"
            " VALUES (?, ?, 10, 10, ?) RETURNING id",
            [account_id, entry_id, NEVER.isoformat()],
        ).fetchone()
        execute(
            "UPDATE loyalty_account SET balance = ?, debt = 0, version = ? WHERE id = ?",
            [balance + 10, version + 1, account_id],
        )
        execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


if __name__ == "__main__":
    main()
