"""A process that runs the nightly jobs for the fault tests, and kills itself where it is told to.

`python -m tests.faults.nightly_process COMMAND …` works on the database of DATABASE_URL.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

import time_machine  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from customers.tests.factories import make_customer, make_purchase  # noqa: E402
from loyalty import ledger  # noqa: E402
from loyalty.models import (  # noqa: E402
    Account,
    ExpiryNotice,
    JobRun,
    Lot,
    PointsEntry,
    TierChange,
)
from loyalty.selectors import verify_ledger  # noqa: E402
from loyalty.services import open_accounts, run_nightly  # noqa: E402
from loyalty.services.periodic import runs  # noqa: E402
from loyalty.services.points import post_commands  # noqa: E402
from loyalty.tests.factories import award, make_program  # noqa: E402
from loyalty_site.outbox.models import Delivery  # noqa: E402

NOW = datetime(2026, 6, 15, 6, 30, tzinfo=UTC)
TODAY = date(2026, 6, 15)
ACCOUNTS = 24
BITE = 5


def prepare() -> None:
    """A programme on which every job has something to do for several bites."""
    call_command("migrate", verbosity=0)
    program = make_program()
    program.tiers.update(birthday_points=50)
    silver = program.tiers.get(name="Silver")
    for number in range(ACCOUNTS):
        customer = make_customer(birth_date=date(1990, 6, 15), anniversary_on=date(2010, 6, 15))
        account = open_accounts(program=program, customer_ids=[customer.pk])[customer.pk]
        award(account, 10, reference="old", expires_on=TODAY - timedelta(days=1))
        award(account, 10, reference="soon", expires_on=TODAY + timedelta(days=6))
        commands = [
            ledger.Pend(
                account_id=account.pk,
                points=7,
                reference="usable",
                reason="test",
                occurred_at=NOW,
                activates_on=TODAY,
            ),
            ledger.Pend(
                account_id=account.pk,
                points=8,
                reference="waiting",
                reason="test",
                occurred_at=NOW,
                awaits="visit",
                cancels_on=TODAY - timedelta(days=1),
            ),
        ]
        customers = {account.pk: customer.pk}
        post_commands(program=program, commands=commands, customers=customers, now=NOW)
        if number % 3 == 0:
            Account.objects.filter(pk=account.pk).update(
                tier=silver, tier_ends_on=TODAY - timedelta(days=60)
            )
        elif number % 3 == 1:
            make_purchase(customer=customer, net="3000", occurred_at=NOW - timedelta(days=2))


def run(statements: int) -> None:
    """Run the day's jobs; die at so many statements, never for 0. Leases do not hold us up."""
    runs.LEASE = timedelta(0)
    left = statements

    def count(execute: Callable[..., Any], *args: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(*args)

    with connection.execute_wrapper(count), time_machine.travel(NOW, tick=False):
        is_done = run_nightly(program=make_program(), on=TODAY, limit=BITE)
    sys.exit(0 if is_done else 1)


def state() -> None:
    """Print all that the jobs leave behind, as one JSON text."""
    rows = {
        "entries": PointsEntry.objects.order_by("account_id", "seq").values_list(
            "account_id", "seq", "kind", "points", "pending", "balance_after", "reference"
        ),
        "lots": Lot.objects.order_by("account_id", "points", "expires_on").values_list(
            "account_id", "points", "remaining", "expires_on"
        ),
        "accounts": Account.objects.order_by("pk").values_list(
            "pk", "balance", "pending", "tier__name", "tier_ends_on"
        ),
        "moves": TierChange.objects.order_by("account_id", "pk").values_list(
            "account_id", "tier__name", "cause", "reason", "spend", "occurred_at"
        ),
        "notices": ExpiryNotice.objects.order_by("account_id").values_list(
            "account_id", "last_day", "days_before", "points"
        ),
        "events": Delivery.objects.order_by(
            "event_name", "ordering_key", "handler", "pk"
        ).values_list("event_name", "ordering_key", "handler"),
        "jobs": JobRun.objects.order_by("pk").values_list("job", "state", "done", "figures"),
    }
    found = {name: [list(row) for row in query] for name, query in rows.items()}
    found["faults"] = [[fault.promise] for fault in verify_ledger()]
    sys.stdout.write(json.dumps(found, default=str))


def main(command: str, *arguments: str) -> None:
    """Do one thing."""
    match command:
        case "prepare":
            prepare()
        case "run":
            run(int(arguments[0]))
        case "state":
            state()


if __name__ == "__main__":
    main(*sys.argv[1:])
