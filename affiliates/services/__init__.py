"""Everything that writes affiliates, plans, conversions and commissions."""

from affiliates.services.disputes import answer_dispute, open_dispute
from affiliates.services.people import (
    add_code,
    decide_affiliates,
    enrol_affiliate,
    register_affiliate,
)
from affiliates.services.plans import (
    publish_plan,
)
from affiliates.services.reviews import Reviewed, hold_conversions, review_conversions
from affiliates.services.screening import note_device, recheck_affiliates
from affiliates.services.settling import (
    settle_commissions,
)

__all__ = [
    "Reviewed",
    "add_code",
    "answer_dispute",
    "decide_affiliates",
    "enrol_affiliate",
    "hold_conversions",
    "note_device",
    "open_dispute",
    "publish_plan",
    "recheck_affiliates",
    "register_affiliate",
    "review_conversions",
    "settle_commissions",
]
