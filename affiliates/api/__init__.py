"""Affiliates, their links and clicks, and their commissions, for integrators."""

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

__all__ = [
    "AffiliateView",
    "AffiliatesView",
    "AmendCommissionsView",
    "CancelPlanReplayView",
    "ClawBackView",
    "CommissionsView",
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
]
