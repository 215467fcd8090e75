"""Many workers on the same money; real connections, PostgreSQL."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from unittest import mock

import pytest
from django.db import connection

from affiliates.engine import Method
from affiliates.models import CommissionEntry, Payout, PayoutBatch, PayoutLine, PayoutStep
from affiliates.selectors import verify_commissions
from affiliates.services import (
    approve_batch,
    cancel_batch,
    hand_over,
    make_batch,
    make_scheduled_batches,
    mark_paid,
    release_payouts,
    submit_batch,
)
from affiliates.tests.payouts import (
    NOW,
    approved,
    made,
    make_entry,
    make_payee,
    maker,
    payout_ids,
    sent,
    set_policy,
)
from loyalty.models import Account
from loyalty_site.common.errors import DomainError
from loyalty_site.staff.tests.factories import make_user
from tests.support.threads import run_together

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.needs_postgresql,
]
UNIQUE = "affiliates_payoutline_entry_id_key"


def kinds(answers: Sequence[object]) -> Counter[str]:
    return Counter(
        answer.code if isinstance(answer, DomainError) else type(answer).__name__
        for answer in answers
    )


def race_for_commissions(workers: int = 8) -> list[PayoutBatch | BaseException]:
    for _ in range(6):
        make_payee(*["10.00"] * 5)
    acting_user = maker()
    job: Callable[[], PayoutBatch] = partial(
        make_batch, method=Method.BANK, acting_user=acting_user, now=NOW
    )
    return run_together([job] * workers)


@pytest.fixture
def without_uniqueness() -> Iterator[None]:
    """Lines that may repeat; the constraint is put back on the emptied table."""
    table = PayoutLine._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {UNIQUE}")
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {table}")
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {UNIQUE} UNIQUE (entry_id)")


def test_eight_workers_put_each_commission_into_one_batch() -> None:
    answers = race_for_commissions()
    assert kinds(answers) == {"PayoutBatch": 1, "nothing_to_pay": 7}
    assert PayoutLine.objects.count() == CommissionEntry.objects.count() == 30
    assert PayoutBatch.objects.count() == 1
    assert not verify_commissions(now=NOW)


def test_without_locks_the_unique_line_still_lets_one_win() -> None:
    with mock.patch.object(type(connection.features), "has_select_for_update", False):
        answers = race_for_commissions()
    assert set(kinds(answers)) <= {"PayoutBatch", "nothing_to_pay"}
    assert PayoutLine.objects.count() == 30
    assert not verify_commissions(now=NOW)


def test_without_lock_and_uniqueness_the_same_race_pays_twice(without_uniqueness: None) -> None:
    with mock.patch.object(type(connection.features), "has_select_for_update", False):
        race_for_commissions()
    assert PayoutLine.objects.count() > 30
    assert "A commission is in one payout" in {one.promise for one in verify_commissions(now=NOW)}


def test_batches_of_overlapping_people_at_once_never_deadlock() -> None:
    people = [make_payee("10.00").affiliate_id for _ in range(8)]
    acting_user = maker()
    jobs = [
        partial(make_batch, method=Method.BANK, acting_user=acting_user, leave_out=ids, now=NOW)
        for ids in ([], people[:4], people[4:], people[2:6], people[6:]) * 2
    ]
    answers = run_together(jobs)
    assert set(kinds(answers)) <= {"PayoutBatch", "nothing_to_pay"}
    assert PayoutLine.objects.count() == 8
    assert not verify_commissions(now=NOW)


def test_commission_that_arrives_meanwhile_is_paid_once_now_or_later() -> None:
    payees = [make_payee("10.00") for _ in range(4)]
    acting_user = maker()
    jobs: list[Callable[[], object]] = [
        partial(make_batch, method=Method.BANK, acting_user=acting_user, now=NOW)
    ] * 3
    jobs += [partial(make_entry, payee, amount) for payee in payees for amount in ("5.00", "-2.00")]
    answers = run_together(jobs)
    strange = [
        one
        for one in answers
        if isinstance(one, BaseException) and not isinstance(one, DomainError)
    ]
    assert not strange
    later = (
        make_batch(method=Method.BANK, acting_user=acting_user, now=NOW)
        if any(
            not hasattr(entry, "line") for entry in CommissionEntry.objects.select_related("line")
        )
        else None
    )
    assert PayoutLine.objects.count() == CommissionEntry.objects.count() == 12, later
    assert sum(Payout.objects.values_list("gross", flat=True)) == Decimal("52.00")
    assert not verify_commissions(now=NOW)


def test_20_approvals_at_once_count_as_one() -> None:
    make_payee("10.00")
    batch = submit_batch(batch=made(), acting_user=maker())
    checkers = [make_user() for _ in range(20)]
    answers = run_together(
        [partial(approve_batch, batch=batch, acting_user=user) for user in checkers]
    )
    assert kinds(answers) == {"PayoutBatch": 1, "batch_state": 19}
    assert PayoutStep.objects.filter(kind="approved").count() == 1
    batch.refresh_from_db()
    winner = next(one for one in answers if isinstance(one, PayoutBatch))
    assert batch.approved_by_id == winner.approved_by_id


def test_approving_and_cancelling_at_once_ends_in_one_of_both() -> None:
    make_payee("10.00")
    batch = submit_batch(batch=made(), acting_user=maker())
    user, other = make_user(), maker()
    jobs: list[Callable[[], object]] = []
    for _ in range(4):
        jobs += [
            partial(approve_batch, batch=batch, acting_user=user),
            partial(cancel_batch, batch=batch, reason="race", acting_user=other),
        ]
    run_together(jobs)
    batch.refresh_from_db()
    assert batch.state == "cancelled"  # an approved batch may be cancelled, not the reverse
    assert not PayoutLine.objects.exists()
    assert not verify_commissions(now=NOW)


def test_one_file_is_made_by_many_who_ask_at_once() -> None:
    for _ in range(3):
        make_payee("10.00")
    batch, user = approved(), maker()
    answers = run_together([partial(hand_over, batch=batch, acting_user=user)] * 10)
    assert kinds(answers) == {"PayoutBatch": 10}
    assert len({one.content for one in answers if isinstance(one, PayoutBatch)}) == 1
    assert PayoutStep.objects.filter(kind="sent").count() == 1
    assert not verify_commissions(now=NOW)


def test_points_are_credited_once_by_many_who_ask_at_once() -> None:
    payees = [make_payee("10.00", method=Method.POINTS) for _ in range(3)]
    batch, user = approved(Method.POINTS), maker()
    answers = run_together([partial(hand_over, batch=batch, acting_user=user)] * 8)
    assert kinds(answers) == {"PayoutBatch": 8}
    assert list(Account.objects.values_list("balance", flat=True)) == [10] * len(payees)
    assert not verify_commissions(now=NOW)


def test_a_payment_is_paid_or_failed_never_both() -> None:
    for _ in range(4):
        make_payee("10.00")
    batch, user = sent(), maker()
    jobs: list[Callable[[], object]] = []
    for pk in payout_ids(batch):
        jobs += [
            partial(mark_paid, batch=batch, payout_ids=[pk], acting_user=user, now=NOW),
            partial(release_payouts, batch=batch, payout_ids=[pk], reason="race", acting_user=user),
        ]
    answers = run_together(jobs)
    assert set(kinds(answers)) <= {"PayoutBatch", "payout_state", "batch_state"}
    assert not Payout.objects.filter(state=Payout.State.OPEN).exists()
    assert not verify_commissions(now=NOW)


def test_the_schedule_makes_one_batch_however_many_workers_wake() -> None:
    set_policy(schedule="monthly")
    make_payee("10.00")
    answers = run_together([partial(make_scheduled_batches, now=NOW + timedelta(hours=1))] * 6)
    assert not [one for one in answers if isinstance(one, BaseException)]
    assert PayoutBatch.objects.count() == 1
