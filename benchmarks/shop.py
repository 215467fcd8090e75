"""A shop to measure with: customers with points accounts."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.db.backends.utils import CursorWrapper

from customers.models import Customer
from loyalty.models import Account
from loyalty.services import default_program, open_accounts


def make_accounts(count: int) -> list[Account]:
    """Accounts of new customers, with their programme at hand."""
    customers = Customer.objects.bulk_create(
        (Customer(name=f"Customer {number}") for number in range(count)), batch_size=2000
    )
    program = default_program()
    open_accounts(program=program, customer_ids=[customer.pk for customer in customers])
    accounts = Account.objects.filter(program=program, customer_id__gte=customers[0].pk)
    return list(accounts.select_related("program").order_by("pk"))


def fill_ledger(accounts: list[Account], entries_each: int) -> None:
    """Give accounts more entries by set SQL, past the writer but just as it would (PostgreSQL)."""
    span = [accounts[0].pk, accounts[-1].pk]
    with past_the_guards() as cursor:
        cursor.execute(
            """
            WITH filled AS (
                INSERT INTO loyalty_pointsentry (account_id, seq, kind, points, requested,
                    balance_after, reference, reason, details, occurred_at, recorded_at)
                SELECT a.id, a.version + n, 'award', 1000, 1000, a.balance + 1000 * n,
                       'fill:' || a.version + n, 'Filled', '{}', now(), now()
                FROM generate_series(1, %s) n, loyalty_account a
                WHERE a.id BETWEEN %s AND %s
                ORDER BY n, a.id
                RETURNING id, account_id, points
            )
            INSERT INTO loyalty_lot (account_id, entry_id, points, remaining, expires_on)
            SELECT account_id, id, points, points, current_date + 300 FROM filled""",
            [entries_each, *span],
        )
        cursor.execute(
            "UPDATE loyalty_account SET version = version + %s, balance = balance + 1000 * %s"
            " WHERE id BETWEEN %s AND %s",
            [entries_each, entries_each, *span],
        )


def empty_ledger() -> None:
    """Take back everything that was posted (PostgreSQL)."""
    with past_the_guards() as cursor:
        cursor.execute("TRUNCATE loyalty_pointsentry, outbox_delivery CASCADE")
        cursor.execute("UPDATE loyalty_account SET balance = 0, version = 0, debt = 0")


@contextmanager
def past_the_guards() -> Iterator[CursorWrapper]:
    """A cursor that no trigger watches, and tidy tables afterwards."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield cursor
        finally:
            cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM ANALYZE")
