"""Payouts: where money goes, batches with maker and checker, and what became of each payment."""

from affiliates.services.payouts.batches import (
    approve_batch,
    cancel_batch,
    make_batch,
    submit_batch,
)
from affiliates.services.payouts.details import check_payout_details, give_payout_details
from affiliates.services.payouts.paying import hand_over, mark_paid, release_payouts
from affiliates.services.payouts.schedule import make_scheduled_batches

__all__ = [
    "approve_batch",
    "cancel_batch",
    "check_payout_details",
    "give_payout_details",
    "hand_over",
    "make_batch",
    "make_scheduled_batches",
    "mark_paid",
    "release_payouts",
    "submit_batch",
]
