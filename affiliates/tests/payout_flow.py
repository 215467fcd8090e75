"""A batch carried to its end from wherever it stands, as people would after a crash."""

import contextlib
from collections.abc import Callable

from affiliates.engine import Method
from affiliates.errors import NothingToPayError
from affiliates.models import PayoutBatch
from affiliates.services import approve_batch, hand_over, make_batch, mark_paid, submit_batch
from affiliates.tests.payouts import NOW, checker, maker


def carry_on(fetched: Callable[[PayoutBatch], None]) -> None:
    """Make a batch of all that is due, then take every open batch to the bank and mark it paid.

    `fetched` stands for the bank: it is given each file that somebody fetched.
    """
    with contextlib.suppress(NothingToPayError):
        make_batch(method=Method.BANK, acting_user=maker(), now=NOW)
    for batch in PayoutBatch.objects.filter(closed_at=None).order_by("pk"):
        if batch.state == PayoutBatch.State.DRAFT:
            batch = submit_batch(batch=batch, acting_user=maker(), now=NOW)
        if batch.state == PayoutBatch.State.SUBMITTED:
            batch = approve_batch(batch=batch, acting_user=checker(), now=NOW)
        batch = hand_over(batch=batch, acting_user=maker(), now=NOW)
        fetched(batch)
        mark_paid(batch=batch, acting_user=maker(), now=NOW)
