"""Everything that writes affiliates, plans, conversions and commissions."""

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
    "decide_affiliates",
    "enrol_affiliate",
    "publish_plan",
    "register_affiliate",
    "settle_commissions",
]
