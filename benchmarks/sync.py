"""`python -m benchmarks.sync [--quick]`: real baskets from the LOGIC stand-in to points.

The two limits are measured in the same run: how fast the stand-in serves the same pages to a
client that throws them away, and how fast the database copies the same rows into plain tables.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import requests
from django.db import connection

from benchmarks.harness import Sample, Table, check_ledger, options, throwaway_database, timed
from customers.models import Purchase, PurchaseLine
from erp.models import Connection, Entity, Stream, SyncRun
from erp.services import connect_erp, run_stream
from loyalty.models import EarningRule
from loyalty.services import default_program, publish_rule_version

CREDENTIALS = ("loyalty", "sandbox-erp")
TARGET = 300.0
QUICK_BILLS = 1500
BILL_COLUMNS = ("source", "external_id", "number", "occurred_at", "gross", "discount", "net")
LINE_COLUMNS = ("purchase_id", "key", "product_id", "quantity", "gross", "discount", "net")


@contextmanager
def stand_in() -> Iterator[str]:
    """The address of a stand-in of its own process."""
    with tempfile.TemporaryDirectory(prefix="loyalty-bench-") as folder:
        command = [sys.executable, "-m", "sandbox.logic_erp", "--port", "0", "--state-dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout
            found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            if found is None:
                sys.exit("The stand-in did not start.")
            yield found[0]
        finally:
            process.terminate()
            process.wait(10)


def serve(base: str, after: int) -> Sample:
    """Let the stand-in serve all sales behind a modify code; units are baskets."""

    def pull() -> int:
        code, baskets = after, 0
        with requests.Session() as session:
            session.auth = CREDENTIALS
            while True:
                answer = session.post(
                    f"{base}/api/GetSaleInvoice", json={"GlobalModifyCode": code}, timeout=60
                )
                body = answer.content
                if not (found := body.count(b'"Vouch_Code":')):
                    return baskets
                baskets += found
                code = int(body.rsplit(b":", 1)[1].rstrip(b"}"))

    return timed(pull)


def read(stream: Stream) -> tuple[Sample, SyncRun]:
    """Run a stream to its end; units are documents."""
    runs: list[SyncRun] = []

    def sync() -> int:
        runs.append(run_stream(stream=stream, slice_s=float("inf")))
        return runs[0].fetched

    sample = timed(sync)
    if runs[0].state != SyncRun.State.DONE or runs[0].rejected:
        sys.exit(f"The sync did not go through: {runs[0].error or 'documents were set aside'}")
    return sample, runs[0]


def copy() -> Sample:
    """Put the same bills and lines into plain tables without keys; units are lines."""
    bills = list(Purchase.objects.filter(kind="sale").values_list(*BILL_COLUMNS))
    lines = list(PurchaseLine.objects.filter(purchase__kind="sale").values_list(*LINE_COLUMNS))
    with connection.cursor() as cursor:
        for model, name, columns in (
            (Purchase, "plain_bill", BILL_COLUMNS),
            (PurchaseLine, "plain_line", LINE_COLUMNS),
        ):
            cursor.execute(
                f"CREATE TABLE {name} AS SELECT {', '.join(columns)}"
                f" FROM {model._meta.db_table} WHERE 1 = 0"
            )
        return timed(
            lambda: (
                _copy_rows(cursor, "plain_bill", bills) * 0
                + _copy_rows(cursor, "plain_line", lines)
            )
        )


def _copy_rows(cursor: Any, table: str, rows: Sequence[tuple[Any, ...]]) -> int:
    if connection.vendor == "postgresql":
        with cursor.copy(f"COPY {table} FROM STDIN") as target:
            for row in rows:
                target.write_row(row)
    else:
        marks = ", ".join(["%s"] * len(rows[0]))
        plain = [[value if isinstance(value, int) else str(value) for value in row] for row in rows]
        with connection.constraint_checks_disabled():
            cursor.execute("BEGIN")
            cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", plain)
            cursor.execute("COMMIT")
    return len(rows)


def prepare(base: str, after: int) -> Connection:
    """A connection to the stand-in and a rule by which bills earn."""
    rule = EarningRule.objects.create(program=default_program(), name="One point a rupee")
    publish_rule_version(
        rule=rule, definition={"kind": "per_amount", "points": 1, "amount": "1.00"}
    )
    erp = connect_erp(
        name="Stand-in",
        base_url=f"{base}/api",
        credentials=":".join(CREDENTIALS),
        allows_plain_http=False,
    )
    erp.streams.filter(entity=Entity.SALE).update(cursor={"modify_code": after})
    return erp


def main() -> None:
    """Measure and print."""
    quick = options(__doc__ or "").quick
    with throwaway_database(), stand_in() as base:
        newest = requests.get(f"{base}/_sandbox/totals", timeout=10).json()["last_modify_code"]
        after = newest - QUICK_BILLS if quick else 0
        erp = prepare(base, after)
        streams = {stream.entity: stream for stream in erp.streams.all()}
        serving = serve(base, after)
        items, _ = read(streams[Entity.ITEM])
        read(streams[Entity.CUSTOMER])
        sales, run = read(streams[Entity.SALE])
        lines = Sample(run.lines, sales.seconds, sales.cpu_seconds)
        copied = copy()
        Stream.objects.filter(pk=streams[Entity.SALE].pk).update(cursor={"modify_code": after})
        again, _ = read(streams[Entity.SALE])
        check_ledger()

    table = Table(
        f"ERP sync on {connection.vendor}: {sales.units:,} baskets, {lines.units:,} lines"
    )
    table.add(
        "baskets: fetch, store, map, bind, points",
        rate=sales.rate,
        limit=TARGET,
        ratio=sales.rate / TARGET,
        least=1.0,
    )
    table.add(
        "… beside what the stand-in serves",
        rate=sales.rate,
        limit=serving.rate,
        ratio=sales.rate / serving.rate,
    )
    plain = "COPY" if connection.vendor == "postgresql" else "plain inserts"
    table.add(
        f"lines, beside {plain} of the same rows",
        rate=lines.rate,
        limit=copied.rate,
        ratio=lines.rate / copied.rate,
    )
    table.add("our CPU for one basket", rate=f"{sales.cpu_us:,.0f} µs")
    table.add("baskets again, unchanged", rate=again.rate)
    table.add("items", rate=items.rate)
    table.show()


if __name__ == "__main__":
    main()
