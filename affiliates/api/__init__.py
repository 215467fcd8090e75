"""Affiliates, their plans and their commissions, for integrators."""

from affiliates.api.granting import AmendCommissionsView, ClawBackView, GrantCommissionView
from affiliates.api.people import AffiliatesView, CommissionsView
from affiliates.api.plans import PlansView, PlanView, PublishPlanView, SimulatePlanView
from affiliates.api.replays import CancelPlanReplayView, PlanReplaysView, PlanReplayView

__all__ = [
    "AffiliatesView",
    "AmendCommissionsView",
    "CancelPlanReplayView",
    "ClawBackView",
    "CommissionsView",
    "GrantCommissionView",
    "PlanReplayView",
    "PlanReplaysView",
    "PlanView",
    "PlansView",
    "PublishPlanView",
    "SimulatePlanView",
]
