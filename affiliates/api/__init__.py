"""Affiliates, their links and clicks, and their commissions, for integrators."""

from affiliates.api.people import (
    AffiliatesView,
    AffiliateView,
    CommissionsView,
    DecideView,
)
from affiliates.api.reach import (
    LinksView,
    TrackClickView,
)

__all__ = [
    "AffiliateView",
    "AffiliatesView",
    "CommissionsView",
    "DecideView",
    "LinksView",
    "TrackClickView",
]
