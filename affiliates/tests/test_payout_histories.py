"""Random histories: the balance is what fell due less what was paid, for every affiliate.

`PAYOUT_STEPS` says how many operations are done; the usual run takes few.
"""

import contextlib
import os
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from affiliates.engine import Method
from affiliates.errors import NothingToPayError
from affiliates.models import (
    Affiliate,
    CommissionEntry,
    Conversion,
    Enrolment,
    Payout,
    PayoutBatch,
)
from affiliates.selectors import earnings_by_affiliate, verify_commissions, with_earnings
from affiliates.services import (
    approve_batch,
    cancel_batch,
    hand_over,
    make_batch,
    mark_paid,
    release_payouts,
    settle_commissions,
    submit_batch,
)
from affiliates.tests.factories import make_return, make_sale
from affiliates.tests.payouts import (
    NOW,
    checker,
    give_details,
    make_entry,
    make_payee,
    maker,
    set_policy,
    ship_rates,
)
from customers.models import Purchase
from loyalty_site.common.errors import DomainError

STEPS = int(os.environ.get("PAYOUT_STEPS", "150"))
CHECKED_EVERY = 25
METHODS = list(Method)


@dataclass
class Shop:
    """Operations on a real database, beside a model of who was paid what.

    The model knows entries, when they fall due, which conversions are in review, which entries
    are in which payout, and what was paid; it never asks the code under test for a sum.
    """

    rng: random.Random
    payees: list[Enrolment]
    now: datetime = NOW
    sales: list[Purchase] = field(default_factory=list)
    reviewed: set[int] = field(default_factory=set)
    in_payout: dict[int, int] = field(default_factory=dict)
    paid: set[int] = field(default_factory=set)
    batches: list[PayoutBatch] = field(default_factory=list)
    done: int = 0

    def step(self) -> None:
        self.now += timedelta(hours=self.rng.randint(0, 30))
        operations: list[tuple[Callable[[], object], int]] = [
            (self.sell, 30),
            (self.give_back, 10),
            (self.cancel_bill, 4),
            (self.grant_or_claw_back, 12),
            (self.review, 8),
            (self.make, 10),
            (self.advance, 35),
            (self.submit, 2),
            (self.approve, 2),
            (self.hand_over, 2),
            (self.mark, 4),
            (self.fail, 4),
            (self.cancel, 3),
            (self.change_details, 2),
            (self.suspend, 2),
        ]
        actions, weights = zip(*operations, strict=True)
        self.rng.choices(actions, weights)[0]()
        self.done += 1

    # --- bills

    def sell(self) -> None:
        code = self.rng.choice(self.payees).codes.get().text
        sale = make_sale(
            net=f"{self.rng.randint(1, 300_000) / 100:.2f}", codes=(code,), occurred_at=self.now
        )
        self.sales.append(sale)
        settle_commissions(purchase_ids=[sale.pk])

    def give_back(self) -> None:
        if self.sales:
            sale = self.rng.choice(self.sales)
            net = (sale.net * self.rng.randint(1, 60) / 100).quantize(Decimal("0.01"))
            if net:
                settle_commissions(purchase_ids=[make_return(sale=sale, net=f"-{net}").pk])

    def cancel_bill(self) -> None:
        if self.sales:
            sale = self.sales.pop(self.rng.randrange(len(self.sales)))
            Purchase.objects.filter(pk=sale.pk).update(status=Purchase.Status.CANCELLED)
            settle_commissions(purchase_ids=[sale.pk])

    def grant_or_claw_back(self) -> None:
        amount = self.rng.choice(["-50.00", "-14.70", "25.00", "0.01", "120.50"])
        held = timedelta(days=self.rng.randint(-5, 20))
        make_entry(self.rng.choice(self.payees), amount, held_until=self.now + held)

    def review(self) -> None:
        ids = list(Conversion.objects.order_by("pk").values_list("pk", flat=True))
        if ids:
            pk = self.rng.choice(ids)
            opens = pk not in self.reviewed
            self.reviewed ^= {pk}
            state = Conversion.Review.OPEN if opens else Conversion.Review.RELEASED
            Conversion.objects.filter(pk=pk).update(review=state)

    # --- payouts

    def make(self) -> None:
        try:
            batch = make_batch(method=self.rng.choice(METHODS), acting_user=maker(), now=self.now)
        except NothingToPayError:
            return
        self.batches.append(batch)
        for entry_id, payout_id in batch.payouts.values_list("lines__entry_id", "pk"):
            assert entry_id not in self.in_payout
            self.in_payout[entry_id] = payout_id

    def advance(self) -> None:
        """The step that is next for a batch; the others may be refused."""
        batch = self.any_batch()
        follows = {"draft": self.submit, "submitted": self.approve, "approved": self.hand_over}
        if batch is not None:
            follows.get(batch.state, self.mark)(batch)

    def submit(self, batch: PayoutBatch | None = None) -> None:
        self.attempt(lambda batch: submit_batch(batch=batch, acting_user=maker()), batch)

    def approve(self, batch: PayoutBatch | None = None) -> None:
        self.attempt(lambda batch: approve_batch(batch=batch, acting_user=checker()), batch)

    def hand_over(self, batch: PayoutBatch | None = None) -> None:
        self.attempt(lambda batch: hand_over(batch=batch, acting_user=maker(), now=self.now), batch)

    def mark(self, batch: PayoutBatch | None = None) -> None:
        batch = batch or self.any_batch()
        if batch is not None:
            ids = self.some_payouts(batch) if self.rng.random() < 0.5 else None
            self.attempt(
                lambda batch: mark_paid(
                    batch=batch, payout_ids=ids, acting_user=maker(), now=self.now
                ),
                batch,
            )

    def fail(self) -> None:
        batch = self.any_batch()
        if batch is not None:
            ids = self.some_payouts(batch)
            self.attempt(
                lambda batch: release_payouts(
                    batch=batch, payout_ids=ids, reason="random", acting_user=maker()
                ),
                batch,
            )

    def cancel(self) -> None:
        self.attempt(lambda batch: cancel_batch(batch=batch, reason="random", acting_user=maker()))

    def change_details(self) -> None:
        affiliate = self.rng.choice(self.payees).affiliate
        give_details(affiliate, method=self.rng.choice(METHODS), now=self.now)

    def suspend(self) -> None:
        affiliate = Affiliate.objects.get(pk=self.rng.choice(self.payees).affiliate_id)
        states = Affiliate.State
        affiliate.state = (
            states.APPROVED if affiliate.state == states.SUSPENDED else states.SUSPENDED
        )
        affiliate.save()

    def any_batch(self) -> PayoutBatch | None:
        alive = [one for one in self.batches[-6:] if one.closed_at is None] or self.batches
        return self.rng.choice(alive) if alive else None

    def some_payouts(self, batch: PayoutBatch) -> list[int]:
        ids = list(batch.payouts.order_by("pk").values_list("pk", flat=True))
        return self.rng.sample(ids, self.rng.randint(1, len(ids)))

    def attempt(
        self, action: Callable[[PayoutBatch], object], batch: PayoutBatch | None = None
    ) -> None:
        """Do it or be refused, and follow in the model what became of the batch's payouts."""
        batch = batch or self.any_batch()
        if batch is None:
            return
        with contextlib.suppress(DomainError):
            action(batch)
        batch.refresh_from_db()
        for payout_id, state in batch.payouts.values_list("pk", "state"):
            if state == Payout.State.PAID:
                self.paid.add(payout_id)
            elif state != Payout.State.OPEN:
                assert payout_id not in self.paid
                self.in_payout = {
                    entry: payout for entry, payout in self.in_payout.items() if payout != payout_id
                }

    # --- the promise

    def check(self) -> None:
        fell_due = {payee.affiliate_id: Decimal("0.00") for payee in self.payees}
        paid, credited = dict(fell_due), dict(fell_due)
        for entry in CommissionEntry.objects.iterator():
            credited[entry.affiliate_id] += entry.amount
            payout = self.in_payout.get(entry.pk)
            is_free = entry.conversion_id not in self.reviewed and entry.held_until <= self.now
            if payout is not None or is_free:
                fell_due[entry.affiliate_id] += entry.amount
            if payout in self.paid:
                paid[entry.affiliate_id] += entry.amount
        told = earnings_by_affiliate(list(fell_due), now=self.now)
        rows: Iterable[Any] = with_earnings(Affiliate.objects.filter(pk__in=fell_due), now=self.now)
        for row in rows:
            one = told.get(row.pk)
            balance = fell_due[row.pk] - paid[row.pk]
            if one is None:
                assert not balance
                continue
            assert (one.balance, one.fell_due, one.paid) == (
                balance,
                fell_due[row.pk],
                paid[row.pk],
            ), (self.done, row)
            assert one.held + one.in_review + one.fell_due == credited[row.pk]
            assert (row.balance, row.paid) == (balance, paid[row.pk])
        assert not verify_commissions(now=self.now), self.done


@pytest.mark.django_db
@pytest.mark.parametrize("seed", [7])
def test_the_balance_is_what_fell_due_less_what_was_paid_whatever_happens(seed: int) -> None:
    ship_rates()
    set_policy(withholds_tax=True, minimum=Decimal(20))
    payees = [make_payee(method=method) for method in METHODS * 2]
    shop = Shop(random.Random(seed), payees)
    while shop.done < STEPS:
        shop.step()
        if shop.done % CHECKED_EVERY == 0:
            shop.check()
    shop.check()
    assert len(shop.paid) > STEPS / 50, "the history paid hardly anybody"
