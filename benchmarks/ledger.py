"""The points ledger on PostgreSQL, against the least that a server function has to do.

Limits: `plain_award` and `plain_redeem` of plain_ledger.sql, called by pgbench over one prepared
connection; for imports, COPY of finished entries and lots into the plain tables. The targets are
those of the first version.
"""

import itertools
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

import psycopg
from django.db import connection, transaction
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
    timed,
)
from loyalty import ledger
from loyalty.models import Account
from loyalty.selectors import LEDGER_TABLES
from loyalty.services import PointsRequest, award_points, award_points_batch, redeem_points
from loyalty_site.common import append_only

T = TypeVar("T")

ACCOUNTS = 10_000
CHUNK = 5_000
EXPIRES_ON = date(2099, 12, 31)
_ENTRY_COLUMNS = (
    "plain_entry (id, account_id, seq, kind, amount, balance_after, integrator_id, idem_key,"
    " reason)"
)
_LOT_COLUMNS = "plain_lot (account_id, entry_id, amount, remaining, expires_on)"
PLAIN_AWARD = "SELECT plain_award(:account, 10, :key::text)"
PLAIN_REDEEM = "SELECT plain_redeem(:account, 2, :key::text)"
_PLAIN_LEDGER = Path(__file__).with_name("plain_ledger.sql")


def main() -> None:
    """Measure, print, check."""
    quick = options(__doc__).quick
    if connection.vendor != "postgresql":
        print("benchmarks.ledger needs a DATABASE_URL of PostgreSQL; benchmarks.sqlite does not.")
        return
    with throwaway_database() as url:
        subject, limit = Shop(), Limit(url)
        measure_singles(subject, limit, rounds=2 if quick else 9, seconds=1)
        measure_crowds(subject, rounds=1 if quick else 3, seconds=1 if quick else 2)
        measure_imports(subject, rounds=1 if quick else 3, count=10_000 if quick else 100_000)
        measure_growth(
            subject, limit, rounds=2 if quick else 9, entries=100_000 if quick else 1_000_000
        )


# --- what is measured ---------------------------------------------------------------------------


class Shop:
    """Accounts on both sides, and endless random calls on them."""

    def __init__(self) -> None:
        self.accounts = shop.make_accounts(ACCOUNTS)
        shop.fill_ledger(self.accounts, 1)
        with connection.cursor() as cursor:
            cursor.execute(_PLAIN_LEDGER.read_text())
            cursor.execute(
                "INSERT INTO plain_account (id, member_id) SELECT id, id FROM loyalty_account;"
                "SELECT plain_award(id, 1000000, 'fill:' || id) FROM plain_account ORDER BY id"
            )
        self._rng = random.Random(1)
        self._numbers = itertools.count()

    def reseed(self) -> None:
        """Make a forked process choose other accounts than its siblings."""
        self._rng.seed(os.getpid())

    def account(self) -> Account:
        return self._rng.choice(self.accounts)

    def reference(self) -> str:
        return f"bench:{os.getpid()}:{next(self._numbers)}"

    def award(self, *, account: Account | None = None, reference: str = "") -> None:
        award_points(
            account=account or self.account(),
            points=10,
            reference=reference or self.reference(),
            reason="Welcome points",
        )

    def redeem(self) -> None:
        redeem_points(
            account=self.account(), points=2, reference=self.reference(), reason="Voucher"
        )

    def command(self, now: datetime) -> ledger.Award:
        return ledger.Award(
            account_id=self.account().pk,
            points=10,
            reference=self.reference(),
            reason="Welcome points",
            occurred_at=now,
            expires_on=EXPIRES_ON,
        )

    def post(self) -> None:
        now = timezone.now()
        ledger.post([self.command(now)], now=now, today=now.date())

    def bare_call(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT plain_award(%s, 10, %s)", [self.account().pk, self.reference()])


class Limit:
    """One prepared server call after another, by pgbench or, where it is missing, by psycopg."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pgbench = shutil.which("pgbench")
        self.name = "pgbench" if self._pgbench else "psycopg"

    def run(self, call: str, seconds: int) -> Sample:
        if self._pgbench:
            return self._by_pgbench(self._pgbench, call, seconds)
        query = call.replace(":account", "%s").replace(":key", "%s")
        rng = random.Random()
        with psycopg.connect(self._url, autocommit=True, prepare_threshold=0) as server:
            return repeated(
                lambda: server.execute(query, [rng.randint(1, ACCOUNTS), rng.getrandbits(62)]),
                seconds,
            )

    def _by_pgbench(self, pgbench: str, call: str, seconds: int) -> Sample:
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            script.write(
                f"\\set account random(1, {ACCOUNTS})\n\\set key random(1, 4611686018427387904)\n"
                f"{call};\n"
            )
            script.flush()
            answer = subprocess.run(
                [pgbench, "-n", "-M", "prepared", "-T", f"{seconds}", "-f", script.name, self._url],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        found = re.search(r"tps = ([\d.]+)", answer)
        assert found, answer
        return Sample(units=int(float(found[1]) * seconds), seconds=seconds)


# --- the findings -------------------------------------------------------------------------------


def measure_singles(subject: Shop, limit: Limit, *, rounds: int, seconds: int) -> None:
    """One thread, one call after another: T1, T2, T3, T12 and replays."""
    known = subject.accounts[:50]
    for account in known:
        subject.award(account=account, reference="known")
    repeats = itertools.cycle(known)
    plain_award, plain_redeem = f"{limit.name} plain_award", f"{limit.name} plain_redeem"

    def without_guards() -> Sample:
        with guards_dropped():
            return repeated(subject.post, seconds)

    measured = Rounds.run(
        {
            plain_award: lambda: limit.run(PLAIN_AWARD, seconds),
            "award_points": lambda: repeated(subject.award, seconds),
            "plain_award by Django": lambda: repeated(subject.bare_call, seconds),
            "ledger.post": lambda: repeated(subject.post, seconds),
            "ledger.post, guards dropped": without_guards,
            "award_points, replay": lambda: repeated(
                lambda: subject.award(account=next(repeats), reference="known"), seconds
            ),
            plain_redeem: lambda: limit.run(PLAIN_REDEEM, seconds),
            "redeem_points": lambda: repeated(subject.redeem, seconds),
        },
        rounds,
    )
    table = Table(f"Single calls, one thread, {ACCOUNTS:,} accounts; limit: {limit.name}")
    table.compare(measured, "award_points", plain_award, least=0.25, what="T1 award_points")
    table.compare(measured, "ledger.post", plain_award, what="T1 ledger.post alone")
    table.compare(measured, "plain_award by Django", plain_award, what="   plain_award by Django")
    table.compare(measured, "redeem_points", plain_redeem, what="T3 redeem_points")
    table.compare(
        measured, "award_points, replay", "award_points", what="T6 replay against award_points"
    )
    table.compare(
        measured,
        "ledger.post",
        "ledger.post, guards dropped",
        least=0.90,
        what="T12 ledger.post against guards dropped",
    )
    bare = measured.cpu_us("plain_award by Django")
    for name in ("award_points", "ledger.post", "redeem_points", "award_points, replay"):
        used = measured.cpu_us(name)
        table.add(
            f"T2 CPU of {name}", rate=f"{used:,.0f} µs", limit=f"{bare:,.0f} µs", ratio=used / bare
        )
    table.show()
    check_ledger()


def measure_crowds(subject: Shop, *, rounds: int, seconds: int) -> None:
    """16 processes against one (T4), and all of them on one account (T11); for information."""
    hot = subject.accounts[0]
    measured = Rounds.run(
        {
            "1 writer": lambda: crowd(1, subject, subject.award, seconds),
            "16 writers": lambda: crowd(16, subject, subject.award, seconds),
            "16 writers, one account": lambda: crowd(
                16, subject, lambda: subject.award(account=hot), seconds
            ),
        },
        rounds,
    )
    table = Table("award_points by processes of their own; for information")
    table.compare(measured, "16 writers", "1 writer", what="T4 16 writers against 1")
    table.compare(measured, "16 writers, one account", "16 writers", what="T11 one hot account")
    table.show()
    check_ledger()


def measure_imports(subject: Shop, *, rounds: int, count: int) -> None:
    """A file of awards: T7."""
    program = subject.accounts[0].program
    now = timezone.now()

    def by_service() -> Sample:
        shop.empty_ledger()
        requests = [
            PointsRequest(
                account=subject.account(), points=10, reference=subject.reference(), reason="Import"
            )
            for _ in range(count)
        ]
        return timed(
            lambda: sum(
                len(award_points_batch(program=program, requests=part))
                for part in chunks(requests, CHUNK)
            )
        )

    def by_ledger() -> Sample:
        shop.empty_ledger()
        commands = [subject.command(now) for _ in range(count)]
        return timed(
            lambda: sum(
                len(ledger.post(part, now=now, today=now.date()))
                for part in chunks(commands, CHUNK)
            )
        )

    measured = Rounds.run(
        {
            "COPY": lambda: copy_finished_rows(subject, count),
            "award_points_batch": by_service,
            "ledger.post": by_ledger,
        },
        rounds,
        warm_up=False,
    )
    table = Table(
        f"Import of {count:,} awards in chunks of {CHUNK:,}; limit: COPY of finished rows"
    )
    table.compare(measured, "ledger.post", "COPY", least=0.40, what="T7 ledger.post")
    table.compare(measured, "award_points_batch", "COPY", what="T7 award_points_batch, with events")
    for name in ("ledger.post", "award_points_batch"):
        table.add(f"   CPU of {name}, each award", rate=f"{measured.cpu_us(name):,.0f} µs")
    table.show()
    check_ledger()


def measure_growth(subject: Shop, limit: Limit, *, rounds: int, entries: int) -> None:
    """An award into a small ledger and into a big one: T9.

    The limit's own tables stay as they are, so each size is measured as a ratio to it.
    """
    cells = {
        "plain": lambda: limit.run(PLAIN_AWARD, 1),
        "ledger.post": lambda: repeated(subject.post, 1),
    }
    shop.empty_ledger()
    shop.fill_ledger(subject.accounts, 1)
    small = Rounds.run(cells, rounds)
    shop.fill_ledger(subject.accounts, entries // ACCOUNTS)
    big = Rounds.run(cells, rounds)
    table = Table(f"Growth: an award at {entries:,} entries against one at {ACCOUNTS:,}")
    table.add(
        "T9 ledger.post, each as a ratio to the limit",
        rate=big.rate("ledger.post"),
        limit=small.rate("ledger.post"),
        ratio=big.ratio("ledger.post", "plain") / small.ratio("ledger.post", "plain"),
        least=0.90,
    )
    table.show()
    check_ledger()


# --- how ----------------------------------------------------------------------------------------


@contextmanager
def guards_dropped() -> Iterator[None]:
    """The append-only triggers taken away for a moment."""
    with connection.cursor() as cursor:
        for table in LEDGER_TABLES:
            for statement in append_only.remove_statements(connection.vendor, table):
                cursor.execute(statement)
    try:
        yield
    finally:
        append_only.install(connection, LEDGER_TABLES)


def crowd(count: int, subject: Shop, call: Callable[[], None], seconds: int) -> Sample:
    """Call from forked processes that start together; their total."""
    disconnect()
    fork = multiprocessing.get_context("fork")
    barrier, results = fork.Barrier(count), fork.SimpleQueue()

    def work() -> None:
        subject.reseed()
        call()
        barrier.wait()
        results.put(repeated(call, seconds).units)
        disconnect()

    processes = [fork.Process(target=work) for _ in range(count)]
    for process in processes:
        process.start()
    units = sum(results.get() for _ in processes)
    for process in processes:
        process.join()
    return Sample(units, seconds)


def copy_finished_rows(subject: Shop, count: int) -> Sample:
    """COPY entries and lots that were put together beforehand into the emptied plain tables."""
    numbers: dict[int, int] = {}
    entries, lots = [], []
    for entry_id in range(1, count + 1):
        account_id = subject.account().pk
        seq = numbers[account_id] = numbers.get(account_id, 0) + 1
        values = (
            entry_id,
            account_id,
            seq,
            "award",
            10,
            seq * 10,
            1,
            subject.reference(),
            "Import",
        )
        entries.append("\t".join(map(str, values)))
        lots.append(f"{account_id}\t{entry_id}\t10\t10\t{EXPIRES_ON}")
    content = {_ENTRY_COLUMNS: "\n".join(entries), _LOT_COLUMNS: "\n".join(lots)}

    def copy() -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            for columns, rows in content.items():
                with cursor.copy(f"COPY {columns} FROM STDIN") as stream:
                    stream.write(rows)
        return count

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE plain_lot_use, plain_lot, plain_entry")
        sample = timed(copy)
        cursor.execute("TRUNCATE plain_lot_use, plain_lot, plain_entry")
    return sample


def chunks(items: list[T], size: int) -> Iterator[list[T]]:
    """A list in parts."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


if __name__ == "__main__":
    main()
