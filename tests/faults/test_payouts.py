"""Payouts under kill -9: however often the work is cut off, each commission is paid once."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from affiliates.models import CommissionEntry, Payout, PayoutLine
from affiliates.selectors import verify_commissions
from affiliates.tests.payouts import NOW, checker, make_payee, maker

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.faults,
    pytest.mark.integration,
    pytest.mark.needs_postgresql,
]


def process(statements: int, folder: Path) -> int:
    """Run it to its end, which may be a violent one."""
    database = settings.DATABASES["default"]
    server = f"{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.payout_process", str(statements), str(folder)],
        timeout=120,
        check=False,
        env={
            **{name: value for name, value in os.environ.items() if name != "REDIS_URL"},
            "DATABASE_URL": f"postgresql://{server}/{connection.settings_dict['NAME']}",
        },
    )
    assert done.returncode in {0, -signal.SIGKILL}
    return done.returncode


def test_kills_between_due_and_paid_leave_each_commission_in_one_file_once(tmp_path: Path) -> None:
    for _ in range(3):
        make_payee("10.00", "5.00", "-1.00")
    maker(), checker()
    # Each run gets a little further; the last kills hit between the file and its mark.
    kills = [process(statements, tmp_path) for statements in (21, 30, 16, 0)]
    assert kills.count(-signal.SIGKILL) == 3
    rows = [
        row
        for file in tmp_path.glob("*.csv")
        for row in csv.DictReader(file.read_text().splitlines())
    ]
    assert len(rows) == len({row["reference"] for row in rows}) == 3
    assert {row["amount"] for row in rows} == {"14.00"}
    paid = PayoutLine.objects.filter(payout__state=Payout.State.PAID)
    assert paid.count() == CommissionEntry.objects.count() == 9
    assert not verify_commissions(now=NOW)
