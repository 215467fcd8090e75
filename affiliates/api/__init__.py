"""Affiliates, their links and clicks, and their commissions, for integrators."""

from affiliates.api.conversions import (
    AttributionView,
    ConversionsView,
)
from affiliates.api.granting import (
    AmendCommissionsView,
    ClawBackView,
    GrantCommissionView,
)
from affiliates.api.people import (
    AffiliatesView,
    AffiliateView,
    CommissionsView,
    DecideView,
)
from affiliates.api.plans import (
    PlansView,
    PlanView,
    PublishPlanView,
    SimulatePlanView,
)
from affiliates.api.reach import (
    LinksView,
    TrackClickView,
)
from affiliates.api.replays import (
    CancelPlanReplayView,
    PlanReplaysView,
    PlanReplayView,
)
from affiliates.api.tracking import (
    TrackLeadView,
    TrackReturnView,
    TrackSalesView,
    TrackSaleView,
)

__all__ = [
    "AffiliateView",
    "AffiliatesView",
    "AmendCommissionsView",
    "AttributionView",
    "CancelPlanReplayView",
    "ClawBackView",
    "CommissionsView",
    "ConversionsView",
    "DecideView",
    "GrantCommissionView",
    "LinksView",
    "PlanReplayView",
    "PlanReplaysView",
    "PlanView",
    "PlansView",
    "PublishPlanView",
    "SimulatePlanView",
    "TrackClickView",
    "TrackLeadView",
    "TrackReturnView",
    "TrackSaleView",
    "TrackSalesView",
]
