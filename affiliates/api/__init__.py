"""Affiliates and their commissions, for integrators."""

from affiliates.api.people import AffiliatesView, AffiliateView, CommissionsView, DecideView

__all__ = ["AffiliateView", "AffiliatesView", "CommissionsView", "DecideView"]
