"""Reads over affiliates, their earnings, and the reasons of both."""

from affiliates.selectors.applications import (
    affiliate_counts,
    application_policy,
    find_recruiter,
    is_recruited_by,
    recruits_of,
)
from affiliates.selectors.conversions import (
    CandidateView,
    CommissionView,
    commissions_of,
    describe_candidates,
    describe_commission,
    explain_entry,
)
from affiliates.selectors.figures import (
    AffiliateFigures,
    figures_by_day,
    funnel,
    program_zone,
    recent_figures,
    summed,
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
    "AffiliateFigures",
    "CandidateView",
    "CommissionView",
    "Earnings",
    "active_codes",
    "affiliate_counts",
    "application_policy",
    "commissions_of",
    "describe_candidates",
    "describe_commission",
    "earnings_of",
    "explain_entry",
    "figures_by_day",
    "find_affiliate",
    "find_recruiter",
    "funnel",
    "get_affiliate",
    "is_recruited_by",
    "program_zone",
    "recent_figures",
    "recruits_of",
    "summed",
    "with_earnings",
]
