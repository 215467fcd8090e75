"""Reads over affiliates, their earnings, and the reasons of both."""

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
    recent_figures,
    shop_zone,
    summed,
)
from affiliates.selectors.people import (
    Earnings,
    active_codes,
    affiliate_counts,
    application_policy,
    earnings_of,
    find_affiliate,
    find_recruiter,
    get_affiliate,
    is_recruited_by,
    recruits_of,
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
    "recent_figures",
    "recruits_of",
    "shop_zone",
    "summed",
    "with_earnings",
]
