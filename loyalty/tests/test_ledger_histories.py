"""Random histories give the same ledger in the database and in the pure model."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loyalty.selectors import verify_ledger
from loyalty.tests.factories import TODAY, make_account
from loyalty.tests.histories import ModelLedger, play, random_batch

NO_FIXTURE_CHECK = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=NO_FIXTURE_CHECK)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_database_and_model_agree_on_every_answer_and_row(seed: int) -> None:
    accounts = [make_account().pk for _ in range(3)]
    play(random.Random(seed), accounts, batches=20)
    assert not verify_ledger()


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_the_model_keeps_its_promises_whatever_happens(seed: int) -> None:
    rng = random.Random(seed)
    model = ModelLedger.of([1, 2], TODAY)
    for _ in range(30):
        drafts = random_batch(rng, [1, 2], TODAY, model.entry_ids)
        model.post([kind(**fields) for kind, fields in drafts], today=TODAY)
        for account in model.book.accounts.values():
            lots = model.book.lots.get(account.id, [])
            mine = [entry for entry in model.entries if entry.account_id == account.id]
            assert account.balance == sum(entry.points for entry in mine)
            assert account.balance == sum(lot.remaining for lot in lots) - account.debt
            assert all(0 <= lot.remaining <= lot.points for lot in lots)
            assert [entry.seq for entry in mine] == list(range(1, account.version + 1))
            assert account.debt == 0 or account.balance + account.debt == account.held
            assert account.pending == sum(entry.pending for entry in mine)
            assert account.pending == sum(
                one.remaining for one in model.book.pendings if one.account_id == account.id
            )
            assert account.held == sum(
                one.points
                for one in model.book.holds.values()
                if one.account_id == account.id and one.state == "open"
            )
            for lot in lots:
                taken = sum(part.points for part in model.allocations if part.lot is lot)
                assert lot.remaining == lot.points - taken
