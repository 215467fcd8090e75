"""POST /api/v1/loyalty/award/ on real gunicorn workers, against an empty view beside it (T5).

The award comes with a token, validation, rate limit and Idempotency-Key; both sides go through
the product's whole middleware. The load is wrk's, or that of a few Python processes without it.
"""

import http.client
import itertools
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from django.contrib.auth.models import Group
from django.db import connection

from benchmarks import shop
from benchmarks.harness import (
    Rounds,
    Sample,
    Table,
    check_ledger,
    disconnect,
    options,
    throwaway_database,
)
from loyalty_site.staff.models import User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tokens import write_access_token

HOST, PORT = "127.0.0.1", 8280
WORKERS, CONNECTIONS = 2, 8
CUSTOMERS = 10_000
_SCRIPT = Path(__file__).with_name("award.lua")
AWARD = "/api/v1/loyalty/award/"


@dataclass
class Load:
    """Requests by a crowd of clients; remembers the latencies of each kind."""

    token: str
    customers: tuple[int, int]
    latencies: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def run(self, name: str, path: str, *, keys: int, seconds: int) -> Sample:
        """Load one address; `keys` above 0 makes that many Idempotency-Keys take turns."""
        prefix = "again" if keys else f"new:{time.time_ns()}"
        by_wrk = shutil.which("wrk")
        load = self._by_wrk if by_wrk else self._by_python
        answer = load(path, prefix, keys, seconds)
        if answer["failures"]:
            sys.exit(f"{answer['failures']:.0f} of {answer['units']:.0f} requests to {path} failed")
        self.latencies.setdefault(name, []).append((answer["p50"], answer["p95"]))
        return Sample(int(answer["units"]), answer["seconds"])

    def latency(self, name: str) -> tuple[float, float]:
        """The medians of the p50 and p95 milliseconds of a kind."""
        p50, p95 = zip(*self.latencies[name], strict=True)
        return statistics.median(p50), statistics.median(p95)

    def _by_wrk(self, path: str, prefix: str, keys: int, seconds: int) -> dict[str, float]:
        first, last = map(str, self.customers)
        answer = subprocess.run(
            [
                *("wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}", "-s", str(_SCRIPT)),
                *(f"http://{HOST}:{PORT}{path}", "--", self.token, prefix, str(keys), first, last),
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        found: dict[str, float] = json.loads(answer.splitlines()[-1])
        return found

    def _by_python(self, path: str, prefix: str, keys: int, seconds: int) -> dict[str, float]:
        fork = multiprocessing.get_context("fork")
        results: SimpleQueue[tuple[list[float], int]] = fork.SimpleQueue()

        def send(number: int) -> None:
            results.put(self._send(path, f"{prefix}:{number}", keys, seconds))

        clients = [fork.Process(target=send, args=(number,)) for number in range(CONNECTIONS)]
        for client in clients:
            client.start()
        times: list[float] = []
        failures = 0
        for _ in clients:
            mine, failed = results.get()
            times += mine
            failures += failed
        for client in clients:
            client.join()
        cuts = statistics.quantiles(times, n=20)
        return {
            "units": len(times),
            "seconds": seconds,
            "p50": cuts[9],
            "p95": cuts[18],
            "failures": failures,
        }

    def _send(self, path: str, prefix: str, keys: int, seconds: int) -> tuple[list[float], int]:
        """One client's milliseconds, and how many answers were no success."""
        first, last = self.customers
        server = http.client.HTTPConnection(HOST, PORT)
        times, failures = [], 0
        until = time.perf_counter() + seconds
        for count in itertools.count():
            start = time.perf_counter()
            if start > until:
                break
            number = count % keys if keys else count
            body = {
                "customer_id": first + number * 7919 % (last - first + 1),
                "points": 10,
                "description": "Welcome points",
            }
            headers = {
                "Content-Type": "application/json",
                "Authorization": f"Bearer {self.token}",
                "Idempotency-Key": f"{prefix}:{number}",
            }
            server.request("POST", path, json.dumps(body), headers)
            response = server.getresponse()
            response.read()
            failures += response.status >= 400
            times.append(1e3 * (time.perf_counter() - start))
        return times, failures


def main() -> None:
    """Measure, print, check."""
    quick = options(__doc__).quick
    seconds = 1 if quick else 3
    with throwaway_database():
        accounts = shop.make_accounts(1_000 if quick else CUSTOMERS)
        customers = accounts[0].customer_id, accounts[-1].customer_id
        load = Load(token=write_access_token(make_integrator()), customers=customers)
        disconnect()
        with serving():
            cells = {
                "empty view": ("/api/v1/empty/", 0),
                "signed-in empty view": ("/api/v1/signed-in-empty/", 0),
                "award": (AWARD, 0),
                "replay": (AWARD, 100),
            }
            measured = Rounds.run(
                {
                    name: partial(load.run, name, path, keys=keys, seconds=seconds)
                    for name, (path, keys) in cells.items()
                },
                2 if quick else 5,
            )
        show(measured, load)
        check_ledger()


def show(measured: Rounds, load: Load) -> None:
    """The table of findings."""
    table = Table(
        f"HTTP on {connection.vendor}: {WORKERS} sync workers, {CONNECTIONS} connections;"
        " limit: an empty view"
    )
    table.compare(measured, "award", "empty view", least=0.20, what="T5 award")
    table.compare(measured, "signed-in empty view", "empty view", what="   signed-in empty view")
    table.compare(
        measured, "replay", "signed-in empty view", what="T6 replay against signed-in empty view"
    )
    limit = load.latency("empty view")
    for place, percentile in enumerate(("p50", "p95")):
        for name in ("award", "replay"):
            mine, best = load.latency(name)[place], limit[place]
            table.add(
                f"   {percentile} of {name}",
                rate=f"{mine:.1f} ms",
                limit=f"{best:.1f} ms",
                ratio=mine / best,
            )
    table.show()


def make_integrator() -> User:
    """A machine user who may award."""
    user = User.objects.create_user("integrator@example.com", name="Benchmark")
    user.groups.add(Group.objects.get(name=Role.INTEGRATOR))
    return user


@contextmanager
def serving() -> Iterator[None]:
    """The web application on gunicorn, ready to answer."""
    environment = {**os.environ, "RATE_LIMIT_PER_MINUTE": "2000000000"}
    environment["RATE_LIMIT_ANONYMOUS_PER_MINUTE"] = "2000000000"
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "benchmarks.http_app:application"),
            *("-k", "sync", "-w", f"{WORKERS}", "-b", f"{HOST}:{PORT}"),
            *("--log-level", "warning", "--no-control-socket"),
        ],
        env=environment,
    )
    try:
        wait_until_ready(server)
        yield
    finally:
        server.terminate()
        server.wait(timeout=30)


def wait_until_ready(server: subprocess.Popen[bytes]) -> None:
    """Wait for the first answer."""
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            probe = http.client.HTTPConnection(HOST, PORT, timeout=5)
            probe.request("GET", "/livez")
            probe.getresponse()
        except OSError:
            time.sleep(0.2)
        else:
            return
    sys.exit("gunicorn did not start")


if __name__ == "__main__":
    main()
