"""10,000 awards over HTTP, each sent three times with one Idempotency-Key, give 10,000 entries.

Three clients send every key, each in an order of its own, so repeats race with first calls.
"""

import http.client
import json
import multiprocessing
import random
import sys
from multiprocessing.queues import SimpleQueue

from django.db import connection

from benchmarks import shop
from benchmarks.harness import Table, check_ledger, disconnect, options, throwaway_database, timed
from benchmarks.http import AWARD, HOST, PORT, make_integrator, serving
from loyalty.models import Account, Lot, PointsEntry
from loyalty_site.staff.tokens import write_access_token

CLIENTS = 3
Answer = tuple[int, int, bool]


def main() -> None:
    """Send, count, check."""
    keys = 300 if options(__doc__).quick else 10_000
    with throwaway_database():
        accounts = shop.make_accounts(100)
        token = write_access_token(make_integrator())
        answers: list[Answer] = []

        def work() -> int:
            answers.extend(send_everything(accounts, token, keys))
            return len(answers)

        disconnect()
        with serving():
            sample = timed(work)
        surplus = {
            "answers": len(answers) - CLIENTS * keys,
            "entries answered with": len({answer[:2] for answer in answers}) - keys,
            "answers marked as repeats": sum(again for *_, again in answers) - (CLIENTS - 1) * keys,
            "entries written": PointsEntry.objects.count() - keys,
            "lots written": Lot.objects.count() - keys,
        }
        check_ledger()
    table = Table(f"{keys:,} awards over HTTP, each sent {CLIENTS} times, on {connection.vendor}")
    lost_or_doubled = sum(map(abs, surplus.values()))
    table.add("awards lost or doubled", rate=sample.rate, ratio=lost_or_doubled, most=0)
    table.show()
    if lost_or_doubled:
        sys.exit(f"More (or less) than there should be: {surplus}")


def send_everything(accounts: list[Account], token: str, keys: int) -> list[Answer]:
    """All answers to all clients: key, entry id, and whether it says that it is a repeat."""
    fork = multiprocessing.get_context("fork")
    results: SimpleQueue[list[Answer]] = fork.SimpleQueue()

    def client(seed: int) -> None:
        order = list(range(keys))
        random.Random(seed).shuffle(order)
        server = http.client.HTTPConnection(HOST, PORT, timeout=60)
        results.put([send(server, accounts[key % len(accounts)], token, key) for key in order])

    clients = [fork.Process(target=client, args=(seed,)) for seed in range(CLIENTS)]
    for process in clients:
        process.start()
    answers = [answer for _ in clients for answer in results.get()]
    for process in clients:
        process.join()
    return answers


def send(server: http.client.HTTPConnection, account: Account, token: str, key: int) -> Answer:
    """One award."""
    body = {"customer_id": account.customer_id, "points": 1 + key % 7, "description": "Till"}
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"till:{key}",
    }
    server.request("POST", AWARD, json.dumps(body), headers)
    response = server.getresponse()
    answer = response.read()
    if response.status != 201:
        sys.exit(f"{response.status}: {answer!r}")
    repeated = response.getheader("Idempotency-Replayed") == "true"
    return key, json.loads(answer)["entry_id"], repeated


if __name__ == "__main__":
    main()
