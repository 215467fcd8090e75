"""Finished days are sealed; whoever changes one past the guards is found out."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from loyalty import ledger
from loyalty.models import LedgerSeal
from loyalty.selectors import verify_seals
from loyalty.services import seal_days
from loyalty.tests.factories import NOW, award, make_account
from loyalty_site.common.append_only import install, remove_statements

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@contextmanager
def past_the_guards(table: str) -> Iterator[None]:
    """Somebody with all rights on the database."""
    with connection.cursor() as cursor:
        for statement in remove_statements(connection.vendor, table):
            cursor.execute(statement)
        yield
    install(connection, [table])


def change(table: str, assignment: str, pk: int | None) -> None:
    with past_the_guards(table), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {assignment} WHERE id = %s", [pk])


def three_days() -> list[ledger.Entry]:
    """An entry a day; sealed after the last."""
    account = make_account()
    entries = [award(account, 10, reference=f"{n}", now=NOW + n * DAY) for n in range(3)]
    seal_days(now=NOW + 3 * DAY)
    return entries


def test_only_days_that_are_over_for_an_hour_are_sealed_and_only_once() -> None:
    account = make_account()
    award(account, 10, reference="a", now=NOW)
    midnight = NOW.replace(hour=0, minute=0) + DAY
    assert seal_days(now=midnight + timedelta(minutes=59)) == []
    (seal,) = seal_days(now=midnight + timedelta(hours=1))
    assert (seal.day, seal.entry_count) == (NOW.date(), 1)
    assert seal_days(now=midnight + timedelta(hours=1)) == []
    assert len(seal_days(now=midnight + timedelta(days=3, hours=1))) == 3
    assert verify_seals() == []


@pytest.mark.parametrize(
    "assignment", ["points = 11", "reason = 'other'", "occurred_at = recorded_at", "details = '[]'"]
)
def test_a_changed_entry_is_named(assignment: str) -> None:
    entries = three_days()
    if assignment.startswith("details"):
        assignment = """details = '{"steps": []}'"""
    elif assignment.startswith("occurred"):
        assignment = f"occurred_at = '{NOW + timedelta(seconds=1):%Y-%m-%d %H:%M:%S}'"
    change("loyalty_pointsentry", assignment, entries[1].id)
    assert [fault.subject for fault in verify_seals()] == [f"entry {entries[1].id}"]


def test_a_changed_allocation_is_named_by_its_entry() -> None:
    account = make_account(balance=50)
    command = ledger.Redeem(
        account_id=account.pk, points=5, reference="gift", reason="t", occurred_at=NOW
    )
    (spent,) = ledger.post([command], now=NOW, today=NOW.date())
    seal_days(now=NOW + DAY + timedelta(hours=20))
    part = spent.entry.id
    with past_the_guards("loyalty_allocation"), connection.cursor() as cursor:
        cursor.execute("UPDATE loyalty_allocation SET points = 6 WHERE entry_id = %s", [part])
    assert [fault.subject for fault in verify_seals()] == [f"entry {part}"]


def test_an_entry_slipped_into_a_sealed_day_is_named() -> None:
    three_days()
    late = award(make_account(), 10, reference="late", now=NOW)
    assert [fault.subject for fault in verify_seals()] == [f"entry {late.id}"]


def test_a_seal_that_was_made_to_fit_does_not_fit_its_neighbours() -> None:
    three_days()
    first, second, _ = LedgerSeal.objects.order_by("day")
    with past_the_guards("loyalty_ledgerseal"):
        LedgerSeal.objects.filter(pk=second.pk).update(rows=first.rows)
    faults = [fault.subject for fault in verify_seals()]
    assert f"the seal of {second.day}" in faults


def test_the_database_refuses_to_change_a_seal() -> None:
    three_days()
    with pytest.raises(DatabaseError), transaction.atomic():
        LedgerSeal.objects.update(entry_count=0)
    with pytest.raises(DatabaseError), transaction.atomic():
        LedgerSeal.objects.all().delete()
    assert LedgerSeal.objects.count() == 3
