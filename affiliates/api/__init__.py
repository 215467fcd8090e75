"""Affiliates, their links and clicks, and their commissions, for integrators."""

from affiliates.api.people import AffiliatesView, CommissionsView
from affiliates.api.reach import LinksView, TrackClickView

__all__ = ["AffiliatesView", "CommissionsView", "LinksView", "TrackClickView"]
