"""What people do with each other: claims, merges, transfers, households, friends."""

from loyalty.api.people.claims import (
    ClaimsView,
)
from loyalty.api.people.households import (
    HouseholdMembersView,
    HouseholdPlaceView,
    HouseholdRedeemView,
    HouseholdsView,
    HouseholdView,
)
from loyalty.api.people.merges import (
    MergesView,
    UndoMergeView,
)
from loyalty.api.people.referrals import (
    ReferralCodesView,
    ReferralsView,
)
from loyalty.api.people.transfers import (
    TransfersView,
)

__all__ = [
    "ClaimsView",
    "HouseholdMembersView",
    "HouseholdPlaceView",
    "HouseholdRedeemView",
    "HouseholdView",
    "HouseholdsView",
    "MergesView",
    "ReferralCodesView",
    "ReferralsView",
    "TransfersView",
    "UndoMergeView",
]
