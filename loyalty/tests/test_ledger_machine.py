"""One state machine drives the model and the database side by side, step by step.

`LEDGER_STEPS` says how many steps are taken in all; the usual run takes few.
"""

import os
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from customers.tests.factories import make_purchase
from loyalty import ledger
from loyalty.engine import NEVER
from loyalty.ledger import (
    Activate,
    Adjust,
    Award,
    Cancel,
    Capture,
    ClawBack,
    Command,
    Expire,
    GiveBack,
    Merge,
    Pend,
    PlaceHold,
    Redeem,
    Release,
    Reverse,
    Separate,
    Shortfall,
    Transfer,
)
from loyalty.selectors import verify_ledger
from loyalty.tests.factories import NOW, TODAY, make_account
from loyalty.tests.histories import ModelLedger, database_rows

STEPS = int(os.environ.get("LEDGER_STEPS", "300"))
STEPS_EACH = 50

ACCOUNTS = st.integers(0, 2)
BILLS = st.integers(0, 3)
POINTS = st.integers(1, 120)
HOLDS = st.integers(1, 8).map(lambda n: f"hold:{n}")
ENTRIES = st.integers(0, 40)
SHORTFALLS = st.sampled_from(list(Shortfall))
DAYS = st.one_of(st.none(), st.integers(-2, 40))


class LedgerMachine(RuleBasedStateMachine):
    """Three customers, four bills, and whatever can happen to their points."""

    @initialize()
    def open_shop(self) -> None:
        self.accounts = [make_account().pk for _ in range(3)]
        self.bills = [make_purchase().pk for _ in range(4)]
        self.model = ModelLedger.of(self.accounts, TODAY)
        self.ids: dict[int, int] = {}
        self.today: date = TODAY
        self.count = 0

    # --- what can happen ----------------------------------------------------------------------

    @rule(days=st.integers(1, 20))
    def let_days_pass(self, days: int) -> None:
        self.today += timedelta(days=days)

    @rule(account=ACCOUNTS, points=POINTS, bill=BILLS, days=DAYS, slides=st.booleans())
    def award(self, account: int, points: int, bill: int, days: int | None, slides: bool) -> None:
        self._post(
            Award,
            account,
            points=points,
            purchase_id=self.bills[bill],
            expires_on=self._day(days),
            slides=slides,
            slides_to=self._day(30) if slides else None,
        )

    @rule(account=ACCOUNTS, points=POINTS, bill=BILLS)
    def pend(self, account: int, points: int, bill: int) -> None:
        self._post(
            Pend,
            account,
            points=points,
            purchase_id=self.bills[bill],
            activates_on=self._day(3),
        )

    @rule(account=ACCOUNTS, entry=ENTRIES, days=DAYS)
    def activate(self, account: int, entry: int, days: int | None) -> None:
        self._post(Activate, account, entry=entry, expires_on=self._day(days))

    @rule(account=ACCOUNTS, entry=ENTRIES)
    def cancel(self, account: int, entry: int) -> None:
        self._post(Cancel, account, entry=entry)

    @rule(account=ACCOUNTS, points=POINTS)
    def redeem(self, account: int, points: int) -> None:
        self._post(Redeem, account, points=points)

    @rule(account=ACCOUNTS, points=POINTS, name=HOLDS)
    def place_hold(self, account: int, points: int, name: str) -> None:
        self._post(PlaceHold, account, points=points, reference=name, expires_at=NOW)

    @rule(account=ACCOUNTS, name=HOLDS, points=st.one_of(st.none(), POINTS))
    def capture(self, account: int, name: str, points: int | None) -> None:
        self._post(Capture, account, hold_reference=name, points=points)

    @rule(account=ACCOUNTS, name=HOLDS, ran_out=st.booleans())
    def release(self, account: int, name: str, ran_out: bool) -> None:
        self._post(Release, account, hold_reference=name, ran_out=ran_out)

    @rule(account=ACCOUNTS, points=POINTS, bill=BILLS, shortfall=SHORTFALLS)
    def take_back(self, account: int, points: int, bill: int, shortfall: Shortfall) -> None:
        self._post(
            ClawBack,
            account,
            points=points,
            purchase_id=self.bills[bill],
            shortfall=shortfall,
        )

    @rule(account=ACCOUNTS, entry=ENTRIES, total=POINTS, grace=st.booleans())
    def give_back(self, account: int, entry: int, total: int, grace: bool) -> None:
        until = self._day(7) if grace else None
        self._post(GiveBack, account, entry=entry, total=total, grace_until=until)

    @rule(account=ACCOUNTS, entry=ENTRIES, shortfall=SHORTFALLS)
    def reverse(self, account: int, entry: int, shortfall: Shortfall) -> None:
        self._post(Reverse, account, entry=entry, shortfall=shortfall)

    @rule(account=ACCOUNTS, points=POINTS, sign=st.sampled_from([-1, 1]))
    def adjust(self, account: int, points: int, sign: int) -> None:
        self._post(Adjust, account, points=sign * points)

    @rule(account=ACCOUNTS)
    def expire(self, account: int) -> None:
        self._post(Expire, account, reference="", on=self.today)

    @rule(account=ACCOUNTS, other=ACCOUNTS, points=POINTS)
    def transfer(self, account: int, other: int, points: int) -> None:
        self._post(Transfer, account, points=points, to_account_id=self.accounts[other])

    @rule(account=ACCOUNTS, other=ACCOUNTS)
    def merge(self, account: int, other: int) -> None:
        self._post(Merge, account, to_account_id=self.accounts[other])

    @rule(account=ACCOUNTS, other=ACCOUNTS)
    def separate(self, account: int, other: int) -> None:
        self._post(Separate, account, from_account_id=self.accounts[other])

    # --- what must hold -----------------------------------------------------------------------

    @invariant()
    def both_have_the_same_rows(self) -> None:
        if self.count % 10 == 0:
            assert self.model.rows() == database_rows(self.accounts)

    @invariant()
    def every_promise_holds(self) -> None:
        if self.count % 10 == 0:
            assert not verify_ledger()

    def _day(self, days: int | None) -> date:
        return NEVER if days is None else self.today + timedelta(days=days)

    def _post(
        self, kind: Callable[..., Command], account: int, *, entry: int | None = None, **fields: Any
    ) -> None:
        self.count += 1
        fields.setdefault("reference", f"step:{self.count}")
        common = {
            "account_id": self.accounts[account],
            "reason": "step",
            "occurred_at": NOW,
            **fields,
        }
        mine, theirs = dict(common), dict(common)
        if entry is not None:
            mine["entry_id"], theirs["entry_id"] = entry, self.ids.get(entry, -1)
        (expected,) = self.model.post([kind(**mine)], today=self.today)
        (actual,) = ledger.post([kind(**theirs)], now=NOW, today=self.today)
        assert type(expected.refusal) is type(actual.refusal)
        assert expected.replayed == actual.replayed
        for one, other in zip(expected.entries, actual.entries, strict=True):
            assert (one.account_id, one.seq, one.kind) == (other.account_id, other.seq, other.kind)
            assert (one.points, one.pending) == (other.points, other.pending)
            assert (one.qualifying, one.balance_after) == (other.qualifying, other.balance_after)
            self.ids[one.id or 0] = other.id or 0


@pytest.mark.django_db
def test_model_and_database_take_every_step_alike() -> None:
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=max(1, STEPS // STEPS_EACH),
            stateful_step_count=STEPS_EACH,
            deadline=None,
            # Shrinking fifty steps against a database takes longer than reading them.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
