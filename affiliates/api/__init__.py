"""Affiliates, their commissions and payouts, for integrators."""

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
from affiliates.api.people import AffiliatesView, CommissionsView

__all__ = [
    "AffiliatesView",
    "ApproveBatchView",
    "BatchFileView",
    "BatchPaidView",
    "BatchReleaseView",
    "BatchView",
    "BatchesView",
    "CancelBatchView",
    "CommissionsView",
    "DetailsView",
    "PayoutsView",
    "SubmitBatchView",
]
