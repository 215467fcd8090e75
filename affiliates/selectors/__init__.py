"""Reads over affiliates, their earnings, and the reasons of both."""

from affiliates.selectors.attribution import (
    WAYS,
    CandidateView,
    attribution_policy,
    clicks_by_id,
    codes_by_text,
    describe_candidates,
    get_bill,
    get_code,
    manual_attributions,
    reason_text,
    rung_label,
)
from affiliates.selectors.conversions import (
    CommissionView,
    commissions_of,
    describe_commission,
    explain_entry,
)
from affiliates.selectors.people import (
    Earnings,
    active_codes,
    earnings_of,
    find_affiliate,
    get_affiliate,
    with_earnings,
)

__all__ = [
    "WAYS",
    "CandidateView",
    "CommissionView",
    "Earnings",
    "active_codes",
    "attribution_policy",
    "clicks_by_id",
    "codes_by_text",
    "commissions_of",
    "describe_candidates",
    "describe_commission",
    "earnings_of",
    "explain_entry",
    "find_affiliate",
    "get_affiliate",
    "get_bill",
    "get_code",
    "manual_attributions",
    "reason_text",
    "rung_label",
    "with_earnings",
]
