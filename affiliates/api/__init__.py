"""Affiliates and their commissions, for integrators."""

from affiliates.api.conversions import AttributionView, ConversionsView
from affiliates.api.people import AffiliatesView, CommissionsView
from affiliates.api.tracking import TrackLeadView, TrackReturnView, TrackSalesView, TrackSaleView

__all__ = [
    "AffiliatesView",
    "AttributionView",
    "CommissionsView",
    "ConversionsView",
    "TrackLeadView",
    "TrackReturnView",
    "TrackSaleView",
    "TrackSalesView",
]
