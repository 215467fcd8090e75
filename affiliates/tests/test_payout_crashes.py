"""A crash at any statement between due and paid: each commission is in one file, once."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from affiliates.models import CommissionEntry, Payout, PayoutBatch, PayoutLine
from affiliates.selectors import verify_commissions
from affiliates.tests.payout_flow import carry_on
from affiliates.tests.payouts import NOW, checker, make_payee, maker

pytestmark = pytest.mark.django_db


class Crash(BaseException):
    """Not an Exception: nothing on the way may catch it."""


@contextmanager
def crash_at(statement: int) -> Iterator[list[int]]:
    """Fail the given statement after it was executed; the list counts how many there were."""
    seen = [0]

    def count(execute: Any, *given: Any) -> Any:
        answer = execute(*given)
        seen[0] += 1
        if seen[0] == statement:
            raise Crash
        return answer

    with connection.execute_wrapper(count):
        yield seen


def bank_rows(files: dict[str, str]) -> list[str]:
    """The references of all payments that the bank was ever given; a file counts once by hash."""
    return [
        row["reference"]
        for content in files.values()
        for row in csv.DictReader(content.splitlines())
    ]


def test_whatever_statement_a_crash_follows_each_commission_is_in_one_file_once() -> None:
    for _ in range(2):
        make_payee("10.00", "5.00")
    maker(), checker()
    with transaction.atomic(), crash_at(0) as seen:
        carry_on(lambda batch: None)
        statements = seen[0]
        transaction.set_rollback(True)
    assert statements > 40
    for statement in range(1, statements + 1):
        files: dict[str, str] = {}

        def fetch(batch: PayoutBatch, files: dict[str, str] = files) -> None:
            files[batch.file_hash] = batch.content

        with transaction.atomic():
            try:
                with crash_at(statement):
                    carry_on(fetch)
            except Crash:
                pass
            carry_on(fetch)
            rows = bank_rows(files)
            assert len(rows) == len(set(rows)) == 2, statement
            paid = PayoutLine.objects.filter(payout__state=Payout.State.PAID)
            assert paid.count() == CommissionEntry.objects.count() == 4, statement
            assert not verify_commissions(now=NOW), statement
            transaction.set_rollback(True)
