"""Everything that writes affiliates, plans, conversions and commissions."""

from affiliates.services.applications import (
    Decision,
    answer_affiliate_invitation,
    apply_as_affiliate,
    decide_affiliates,
)
from affiliates.services.enrolments import (
    add_code,
    change_overrides,
    end_enrolment,
    enrol_affiliate,
)
from affiliates.services.people import (
    change_profile,
    register_affiliate,
    set_recruiter,
)
from affiliates.services.plans import (
    publish_plan,
)
from affiliates.services.settling import (
    settle_commissions,
)

__all__ = [
    "Decision",
    "add_code",
    "answer_affiliate_invitation",
    "apply_as_affiliate",
    "change_overrides",
    "change_profile",
    "decide_affiliates",
    "end_enrolment",
    "enrol_affiliate",
    "publish_plan",
    "register_affiliate",
    "set_recruiter",
    "settle_commissions",
]
