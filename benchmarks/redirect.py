"""`/r/<code>` on real gunicorn workers against a bare view; then kill -9 under load.

Both sides go through the product's whole middleware. Every request is another visitor's, so each
answer notes a click. In the second part all web processes are killed again and again while
visitors come; afterwards every click whose answer reached a visitor must be counted exactly once.
"""

import http.client
import itertools
import multiprocessing
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.models import Sum

from affiliates.engine import CLICK_COOKIE
from affiliates.models import Click, Link, ReachDay
from affiliates.services import create_link, drain_journal, save_target
from affiliates.tests.factories import make_enrolment
from affiliates.tests.reach import PHONE, make_target
from benchmarks.harness import Rounds, Sample, Table, disconnect, options, throwaway_database

HOST, PORT = "127.0.0.1", 8281
WORKERS, CONNECTIONS = 2, 4
_COOKIE = re.compile(rf"{CLICK_COOKIE}=(clk_[\w-]+)")


@dataclass
class Load:
    """Visitors in a few processes; remembers the 99th percentiles of each kind, in ms."""

    slowest: dict[str, list[float]] = field(default_factory=dict)

    def run(self, name: str, path: str, *, seconds: float) -> Sample:
        """Open one address again and again."""
        fork = multiprocessing.get_context("fork")
        results: SimpleQueue[list[float]] = fork.SimpleQueue()
        clients = [
            fork.Process(target=lambda n=number: results.put(_visits(path, n, seconds)))
            for number in range(CONNECTIONS)
        ]
        for client in clients:
            client.start()
        times = [one for _ in clients for one in results.get()]
        for client in clients:
            client.join()
        self.slowest.setdefault(name, []).append(statistics.quantiles(times, n=100)[98])
        return Sample(len(times), seconds)


def _visits(path: str, number: int, seconds: float) -> list[float]:
    """One client's milliseconds."""
    server = http.client.HTTPConnection(HOST, PORT)
    times: list[float] = []
    until = time.perf_counter() + seconds
    for count in itertools.count():
        start = time.perf_counter()
        if start > until:
            return times
        _open(server, path, f"{number}-{time.time_ns()}-{count}")
        times.append(1e3 * (time.perf_counter() - start))
    return times


def _open(server: http.client.HTTPConnection, path: str, who: str) -> str:
    """Open an address as a new visitor; returns the click id that came back."""
    server.request("GET", path, headers={"User-Agent": f"{PHONE} {who}"})
    answer = server.getresponse()
    answer.read()
    if answer.status not in {200, 302}:
        sys.exit(f"{path} answered {answer.status}")
    found = _COOKIE.search(answer.getheader("Set-Cookie") or "")
    return found[1] if found else ""


# --- how fast -----------------------------------------------------------------------------------


def measure(link: Link, *, quick: bool) -> None:
    """Requests a second and the 99th percentile, as ratios to a bare view."""
    load, seconds = Load(), 1.0 if quick else 3.0
    cells = {"bare view": "/bare/", "redirect": f"/r/{link.code}"}
    with serving():
        measured = Rounds.run(
            {name: partial(load.run, name, path, seconds=seconds) for name, path in cells.items()},
            2 if quick else 7,
        )
    table = Table(
        f"Redirect on {connection.vendor}: {WORKERS} sync workers, {CONNECTIONS} connections;"
        " limit: a bare view that redirects"
    )
    table.compare(measured, "redirect", "bare view", least=0.6, what="redirect")
    mine, bare = (statistics.median(load.slowest[name]) for name in ("redirect", "bare view"))
    table.add(
        "   p99 of redirect",
        rate=f"{mine:.1f} ms",
        limit=f"{bare:.1f} ms",
        ratio=mine / bare,
        most=2,
    )
    table.show()


# --- how safe -----------------------------------------------------------------------------------


def kill_under_load(link: Link, *, kills: int) -> None:
    """Kill every web process under load, again and again; then look at what was counted."""
    answered: list[str] = []
    asked = Counter[str]()
    before = Click.objects.filter(link=link).count()
    disconnect()
    for number in range(kills):
        with serving() as server:
            stop = threading.Event()
            clients = [
                threading.Thread(
                    target=_visit_until_cut,
                    args=(link.code, f"{number}-{n}", answered, asked, stop),
                )
                for n in range(CONNECTIONS)
            ]
            for client in clients:
                client.start()
            time.sleep(1.3 + number % 3 / 7)
            os.killpg(server.pid, signal.SIGKILL)
            stop.set()
            for client in clients:
                client.join()
    while drain_journal().files:
        pass
    _check(link, answered, asked=asked["all"], before=before, kills=kills)


def _visit_until_cut(
    code: str, who: str, answered: list[str], asked: Counter[str], stop: threading.Event
) -> None:
    server = http.client.HTTPConnection(HOST, PORT, timeout=5)
    for count in itertools.count():
        asked["all"] += 1
        try:
            answered.append(_open(server, f"/r/{code}", f"{who}-{count}"))
        except (OSError, http.client.HTTPException):
            server.close()
            if stop.wait(0.01):
                return


def _check(link: Link, answered: list[str], *, asked: int, before: int, kills: int) -> None:
    rows = Counter(Click.objects.filter(link=link).values_list("public_id", flat=True))
    people = Click.objects.filter(link=link, kind=Click.Kind.PERSON).count() - before
    counted = ReachDay.objects.filter(link=link, kind=ReachDay.Kind.PERSON).aggregate(
        total=Sum("count")
    )["total"]
    lost = [one for one in answered if rows[one] != 1]
    print(
        f"\nkill -9 of all web processes, {kills} times under load on {connection.vendor}:"
        f"\n  answers that reached a visitor   {len(answered):>8,}"
        f"\n  of these counted exactly once    {len(answered) - len(lost):>8,}"
        f"\n  noted, but the answer was cut    {people - len(answered):>8,}"
        f"\n  the counts of days agree         {str(counted == people + before).lower():>8}"
    )
    holds = (
        answered
        and not lost
        and len(set(answered)) == len(answered)
        and len(answered) <= people <= asked
        and counted == people + before
    )
    if not holds:
        sys.exit("clicks were lost or doubled")


# --- the server ---------------------------------------------------------------------------------


@contextmanager
def serving() -> Iterator[subprocess.Popen[bytes]]:
    """The web application on gunicorn in a group of its own, ready to answer."""
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "benchmarks.redirect_app:application"),
            *("-k", "sync", "-w", f"{WORKERS}", "-b", f"{HOST}:{PORT}", "--keep-alive", "5"),
            *("--log-level", "critical", "--no-control-socket"),
        ],
        start_new_session=True,
    )
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and server.poll() is None:
            try:
                probe = http.client.HTTPConnection(HOST, PORT, timeout=5)
                probe.request("GET", "/livez")
                probe.getresponse().read()
                break
            except OSError:
                time.sleep(0.1)
        else:
            sys.exit("gunicorn did not start")
        yield server
    finally:
        if server.poll() is None:
            server.terminate()
        server.wait(timeout=30)


def main() -> None:
    """Measure, kill, check."""
    quick = options(__doc__ or "").quick
    with throwaway_database(), tempfile.TemporaryDirectory(prefix="loyalty-bench-") as folder:
        os.environ["VAR_DIR"] = folder
        (Path(folder) / "static").mkdir()
        settings.CLICK_JOURNAL = Path(folder) / "clicks"
        save_target(target=make_target())
        link = create_link(enrolment=make_enrolment(), page="men/shirts")
        disconnect()
        measure(link, quick=quick)
        while drain_journal().files:
            pass
        kill_under_load(link, kills=2 if quick else 6)


if __name__ == "__main__":
    main()
