"""`python -m benchmarks.periodic [--quick]`: the nightly jobs on a large programme.

Each job runs alone, through the same orchestration as at night. The limits are measured in the
same run: one statement that inserts the entries which expiry wrote into a table with the same
indexes, one bare aggregate over the bills that the review measures, and posting awards straight to
the ledger.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

from benchmarks.harness import Sample, Table, check_ledger, options, throwaway_database, timed
from customers.models import Customer, Purchase, Store
from customers.selectors import Occasion, occasion_index
from loyalty import ledger
from loyalty.models import Account, JobRun, Lot, PointsEntry, Program, Tier
from loyalty.services import JOBS, default_program, open_accounts, run_nightly

ACCOUNTS = 100_000
QUICK_ACCOUNTS = 3_000
CHUNK = 5_000
QUERIES_A_THOUSAND = 25
BITE = 1_000


def main() -> None:
    """Fill, run, print."""
    accounts = QUICK_ACCOUNTS if options(__doc__ or "").quick else ACCOUNTS
    with throwaway_database():
        program = _programme()
        today = program.day_of(timezone.now())
        _fill(program, accounts, today)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        table = Table(f"Nightly jobs on {connection.vendor}, {accounts:,} accounts")
        expiry(table, program, today)
        review(table, program, today)
        birthdays(table, program, today)
        check_ledger()
    table.show()


# --- the programme ------------------------------------------------------------------------------


def _programme() -> Program:
    program = default_program()
    for name, threshold, gift in (("Bronze", 0, 10), ("Silver", 1000, 50), ("Gold", 2500, 90)):
        program.tiers.create(name=name, threshold=threshold, birthday_points=gift)
    return program


def _fill(program: Program, count: int, today: date) -> None:
    """Customers with a bill each, a lot that ended yesterday, and one birthday in twenty today."""
    store = Store.objects.create(code="1", name="High Street")
    mark = occasion_index(Occasion.BIRTHDAY, today)
    now = timezone.now()
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        Customer.objects.bulk_create(
            Customer(name=f"Member {n}", birthday_index=mark if n % 20 == 0 else "")
            for n in range(start, start + size)
        )
        ids = list(Customer.objects.order_by("-pk").values_list("pk", flat=True)[:size])
        open_accounts(program=program, customer_ids=ids)
        _bills(ids, store, now)
    _awards(program, "old", today - timedelta(days=1))


def _bills(customer_ids: Sequence[int], store: Store, now: datetime) -> None:
    """One bill each; every tenth reaches a tier, and nobody was told yet."""
    bills = []
    for customer_id in customer_ids:
        net = Decimal(1500 if customer_id % 10 == 0 else 300)
        bills.append(
            Purchase(
                source="bench",
                external_id=f"B{customer_id}",
                number=f"B{customer_id}",
                store=store,
                customer_id=customer_id,
                occurred_at=now - timedelta(days=40),
                currency="INR",
                gross=net,
                net=net,
            )
        )
    Purchase.objects.bulk_create(bills)


def _awards(program: Program, reference: str, expires_on: date) -> int:
    """The same award for every account, straight to the ledger."""
    now = timezone.now()
    today = program.day_of(now)
    ids = list(Account.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), CHUNK):
        commands = [
            ledger.Award(
                account_id=account_id,
                points=10,
                reference=reference,
                reason="bench",
                occurred_at=now,
                expires_on=expires_on,
            )
            for account_id in ids[start : start + CHUNK]
        ]
        ledger.post(commands, now=now, today=today)
    return len(ids)


# --- one job ------------------------------------------------------------------------------------


@contextmanager
def counted() -> Iterator[list[int]]:
    """Counts statements, without keeping them."""
    count = [0]

    def note(execute: Callable[..., Any], *args: Any) -> Any:
        count[0] += 1
        return execute(*args)

    with connection.execute_wrapper(note):
        yield count


def run(program: Program, job: JobRun.Job, on: date) -> tuple[Sample, int, JobRun]:
    """Run one job of a day whose other jobs are done; its rows, statements and figures."""
    JobRun.objects.all().delete()
    JobRun.objects.bulk_create(
        JobRun(program=program, job=other, on=on, state=JobRun.State.DONE)
        for other in JOBS
        if other != job
    )
    done: list[JobRun] = []

    def work() -> int:
        if not run_nightly(program=program, on=on):
            raise SystemExit(f"{job} did not finish")
        done.append(JobRun.objects.get(job=job))
        return done[0].done

    with counted() as count:
        sample = timed(work)
    return sample, count[0], done[0]


def _add(table: Table, what: str, sample: Sample, statements: int, limit: Sample) -> None:
    table.add(what, rate=sample.rate, limit=limit.rate, ratio=sample.rate / limit.rate)
    # What is fixed for a night, and the look that finds nothing left, count as a bite more.
    a_bite = statements / (math.ceil(sample.units / BITE) + 1)
    table.add(
        "… statements for 1,000 accounts",
        rate=f"{a_bite:.1f}",
        limit=f"{QUERIES_A_THOUSAND}",
        ratio=a_bite / QUERIES_A_THOUSAND,
        most=1.0,
    )


def expiry(table: Table, program: Program, today: date) -> None:
    """Close the lot that every account has."""
    sample, statements, _ = run(program, JobRun.Job.EXPIRE, today)
    if Lot.objects.filter(remaining__gt=0).exists():
        raise SystemExit("points are left that should have expired")
    with connection.cursor() as cursor:
        shape = (
            "(LIKE loyalty_pointsentry INCLUDING ALL)"
            if connection.vendor == "postgresql"
            else "AS SELECT * FROM loyalty_pointsentry WHERE 1 = 0"
        )
        cursor.execute(f"CREATE TABLE same_entries {shape}")

        def insert() -> int:
            cursor.execute(
                "INSERT INTO same_entries SELECT * FROM loyalty_pointsentry WHERE kind = 'expire'"
            )
            return int(cursor.rowcount)

        limit = timed(insert)
    _add(table, "lots expired, beside inserting their entries", sample, statements, limit)


def review(table: Table, program: Program, today: date) -> None:
    """Measure every account and raise one in ten; then again, with nothing to raise."""
    sample, statements, done = run(program, JobRun.Job.TIER_REVIEW, today)
    silver = Tier.objects.get(name="Silver")
    moved = Account.objects.filter(tier=silver).count()
    if not 0 < moved == done.figures["moves"]:
        raise SystemExit(f"{moved} accounts moved instead of {done.figures['moves']}")
    again, _, _ = run(program, JobRun.Job.TIER_REVIEW, today)

    def aggregate() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT customer_id, SUM(net) FROM customers_purchase"
                " WHERE status = 'active' AND standing = 'applied' GROUP BY customer_id"
            )
            return len(cursor.fetchall())

    limit = timed(aggregate)
    _add(table, "tiers reviewed, a tenth raised, beside one aggregate", sample, statements, limit)
    table.add(
        "… again, nobody to raise",
        rate=again.rate,
        limit=limit.rate,
        ratio=again.rate / limit.rate,
    )


def birthdays(table: Table, program: Program, today: date) -> None:
    """Give one account in twenty its gift."""
    sample, statements, _ = run(program, JobRun.Job.BIRTHDAYS, today)
    lines = PointsEntry.objects.count()
    again, _, _ = run(program, JobRun.Job.BIRTHDAYS, today)
    if PointsEntry.objects.count() != lines:
        raise SystemExit("a second run gave birthday points again")
    limit = timed(lambda: _awards(program, "limit", today + timedelta(days=300)))
    _add(table, "birthday gifts, beside posting awards", sample, statements, limit)
    table.add("… again, all given", rate=again.rate)


if __name__ == "__main__":
    main()
