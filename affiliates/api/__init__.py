"""Affiliates and their commissions, for integrators."""

from affiliates.api.people import AffiliatesView, CommissionsView

__all__ = ["AffiliatesView", "CommissionsView"]
