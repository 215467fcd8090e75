"""Reads over affiliates, their earnings, and the reasons of both."""

from affiliates.selectors.conversions import (
    CandidateView,
    CommissionView,
    commissions_of,
    describe_candidates,
    describe_commission,
)
from affiliates.selectors.explanations import explain_entry, explain_figures, explain_shares
from affiliates.selectors.people import (
    Earnings,
    active_codes,
    earnings_of,
    find_affiliate,
    get_affiliate,
    with_earnings,
)
from affiliates.selectors.plans import describe_draft, describe_rate, describe_terms

__all__ = [
    "CandidateView",
    "CommissionView",
    "Earnings",
    "active_codes",
    "commissions_of",
    "describe_candidates",
    "describe_commission",
    "describe_draft",
    "describe_rate",
    "describe_terms",
    "earnings_of",
    "explain_entry",
    "explain_figures",
    "explain_shares",
    "find_affiliate",
    "get_affiliate",
    "with_earnings",
]
