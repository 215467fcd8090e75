"""Reads over affiliates, their earnings, and the reasons of both."""

from affiliates.selectors.conversions import (
    CandidateView,
    CommissionView,
    commissions_of,
    describe_candidates,
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
from affiliates.selectors.reach import (
    FilledCreative,
    OpenLink,
    active_targets,
    filled_creatives,
    find_open_link,
    first_codes,
    front_page,
    get_link,
    links_of,
    resolve_click,
    short_address,
    with_counts,
)

__all__ = [
    "CandidateView",
    "CommissionView",
    "Earnings",
    "FilledCreative",
    "OpenLink",
    "active_codes",
    "active_targets",
    "commissions_of",
    "describe_candidates",
    "describe_commission",
    "earnings_of",
    "explain_entry",
    "filled_creatives",
    "find_affiliate",
    "find_open_link",
    "first_codes",
    "front_page",
    "get_affiliate",
    "get_link",
    "links_of",
    "resolve_click",
    "short_address",
    "with_counts",
    "with_earnings",
]
