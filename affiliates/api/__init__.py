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
from affiliates.api.payouts import (
    ApproveBatchView,
    BatchesView,
    BatchFileView,
    BatchPaidView,
    BatchReleaseView,
    BatchView,
    CancelBatchView,
    DetailsView,
    PayoutsView,
    SubmitBatchView,
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
    "ApproveBatchView",
    "AttributionView",
    "BatchFileView",
    "BatchPaidView",
    "BatchReleaseView",
    "BatchView",
    "BatchesView",
    "CancelBatchView",
    "CancelPlanReplayView",
    "ClawBackView",
    "CommissionsView",
    "ConversionsView",
    "DecideView",
    "DetailsView",
    "GrantCommissionView",
    "LinksView",
    "PayoutsView",
    "PlanReplayView",
    "PlanReplaysView",
    "PlanView",
    "PlansView",
    "PublishPlanView",
    "SimulatePlanView",
    "SubmitBatchView",
    "TrackClickView",
    "TrackLeadView",
    "TrackReturnView",
    "TrackSaleView",
    "TrackSalesView",
]
