"""Everything that writes affiliates, plans, conversions, commissions and payouts."""

from affiliates.services.payouts import (
    approve_batch,
    cancel_batch,
    check_payout_details,
    give_payout_details,
    hand_over,
    make_batch,
    make_scheduled_batches,
    mark_paid,
    release_payouts,
    submit_batch,
)
from affiliates.services.people import (
    add_code,
    decide_affiliates,
    enrol_affiliate,
    register_affiliate,
)
from affiliates.services.plans import (
    publish_plan,
)
from affiliates.services.settling import (
    settle_commissions,
)

__all__ = [
    "add_code",
    "approve_batch",
    "cancel_batch",
    "check_payout_details",
    "decide_affiliates",
    "enrol_affiliate",
    "give_payout_details",
    "hand_over",
    "make_batch",
    "make_scheduled_batches",
    "mark_paid",
    "publish_plan",
    "register_affiliate",
    "release_payouts",
    "settle_commissions",
    "submit_batch",
]
