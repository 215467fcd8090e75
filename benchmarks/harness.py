"""What every benchmark shares: a throw-away database, interleaved rounds, and one table.

A rate belongs to the machine it was measured on; the ratio to a limit of the same run is the
finding. Cells therefore run in turns, round after round, and a ratio is the median of the ratios
within rounds, so that a noisy minute spoils one round and not the answer.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit, urlunsplit

from django.db import connection
from django.db.backends.postgresql.base import DatabaseWrapper

from loyalty.selectors import verify_ledger


def options(description: str) -> argparse.Namespace:
    """The command line that all benchmarks understand."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="short rounds: does it run at all?")
    return parser.parse_args()


# --- the database -------------------------------------------------------------------------------


@contextmanager
def throwaway_database() -> Iterator[str]:
    """A fresh, migrated database beside the configured one, for us and our child processes."""
    with tempfile.TemporaryDirectory(prefix="loyalty-bench-") as folder:
        configured = os.environ.get("DATABASE_URL", "")
        name = f"bench_{os.getpid()}"
        url = urlunsplit(urlsplit(configured)._replace(path=f"/{name}"))
        if connection.vendor == "sqlite":
            name = f"{folder}/bench.sqlite3"
            url = f"sqlite:///{name}"
        connection.settings_dict["TEST"]["NAME"] = name
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        os.environ["DATABASE_URL"] = url
        try:
            yield url
        finally:
            disconnect()
            connection.creation.destroy_test_db(configured, verbosity=0)


def disconnect() -> None:
    """Let go of the database, so that processes may be forked or the database be dropped."""
    connection.close()
    if connection.vendor == "postgresql":
        cast(DatabaseWrapper, connection).close_pool()


# --- measuring ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """What one short run did: how many units, in how many seconds and CPU seconds of ours."""

    units: int
    seconds: float
    cpu_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.units / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of this process's CPU for one unit."""
        return 1e6 * self.cpu_seconds / self.units


def timed(work: Callable[[], int]) -> Sample:
    """Run work that answers how many units it did."""
    cpu, start = time.process_time(), time.perf_counter()
    units = work()
    return Sample(units, time.perf_counter() - start, time.process_time() - cpu)


def repeated(call: Callable[[], object], seconds: float) -> Sample:
    """Call again and again for some seconds."""

    def work() -> int:
        until = time.perf_counter() + seconds
        units = 0
        while time.perf_counter() < until:
            call()
            units += 1
        return units

    return timed(work)


@dataclass
class Rounds:
    """Samples of cells that took turns."""

    samples: dict[str, list[Sample]] = field(default_factory=dict)

    @classmethod
    def run(
        cls, cells: Mapping[str, Callable[[], Sample]], count: int, *, warm_up: bool = True
    ) -> "Rounds":
        """Run all cells in turns; a turn of each before the first round only warms up."""
        if warm_up:
            for run in cells.values():
                run()
        rounds = cls({name: [] for name in cells})
        for number in range(count):
            names = list(cells)
            for name in names if number % 2 else reversed(names):
                rounds.samples[name].append(cells[name]())
        return rounds

    def rate(self, name: str) -> float:
        """The median rate of a cell."""
        return statistics.median(sample.rate for sample in self.samples[name])

    def cpu_us(self, name: str) -> float:
        """The median CPU microseconds of a cell's unit."""
        return statistics.median(sample.cpu_us for sample in self.samples[name])

    def ratio(self, name: str, limit: str) -> float:
        """The median of the same-round ratios of two cells."""
        pairs = zip(self.samples[name], self.samples[limit], strict=True)
        return statistics.median(mine.rate / theirs.rate for mine, theirs in pairs)


# --- the table ----------------------------------------------------------------------------------


@dataclass
class Table:
    """Findings, a line each; a line without a target is for information."""

    title: str
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(
        self,
        what: str,
        *,
        rate: float | str,
        limit: float | str = "",
        ratio: float | None = None,
        least: float | None = None,
        most: float | None = None,
    ) -> None:
        """Add a finding; `least` or `most` is the target of its ratio."""
        target, met = "", ""
        if least is not None and ratio is not None:
            target, met = f"≥ {least:.2f}", _yes_no(ratio >= least)
        elif most is not None and ratio is not None:
            target, met = f"≤ {most:.2f}", _yes_no(ratio <= most)
        shown = "" if ratio is None else f"{ratio:.2f}"
        self.rows.append((what, _figure(rate), _figure(limit), shown, target, met))

    def compare(
        self,
        rounds: Rounds,
        name: str,
        limit: str,
        *,
        least: float | None = None,
        what: str | None = None,
    ) -> None:
        """Add one cell against another as its limit."""
        self.add(
            what or name,
            rate=rounds.rate(name),
            limit=rounds.rate(limit),
            ratio=rounds.ratio(name, limit),
            least=least,
        )

    def show(self) -> None:
        """Print it."""
        head = ("what", "rate", "limit", "ratio", "target", "met?")
        lines = [head, *self.rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
        print(f"\n{self.title}")
        for line in lines:
            cells = [
                cell.ljust(width) if place in {0, 5} else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            print("  " + "  ".join(cells).rstrip())
        sys.stdout.flush()


def _figure(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.0f}/s"


def _yes_no(holds: bool) -> str:
    return "yes" if holds else "NO"


def check_ledger() -> None:
    """Stop with a message if the ledger does not add up after what was measured."""
    if faults := verify_ledger(limit=5):
        sys.exit(f"The ledger does not hold: {faults}")
