"""Affiliates, what they are promised, whom they reach, and what they earn."""

from affiliates.models.attribution import (
    AttributionPolicy,
    Binding,
    ManualAttribution,
    Touch,
)
from affiliates.models.conversions import (
    CommissionEntry,
    Conversion,
)
from affiliates.models.payouts import (
    Payout,
    PayoutBatch,
    PayoutDetails,
    PayoutLine,
    PayoutPolicy,
    PayoutStep,
    WithholdingRate,
)
from affiliates.models.people import (
    Affiliate,
    AffiliateStep,
    ApplicationPolicy,
)
from affiliates.models.periods import (
    PlanDraft,
    PlanReplay,
    Tally,
)
from affiliates.models.plans import (
    Code,
    Enrolment,
    Plan,
    PlanVersion,
)
from affiliates.models.reach import (
    Click,
    Creative,
    Link,
    ReachDay,
    Target,
)
from affiliates.models.risk import (
    Dispute,
    Flag,
)

__all__ = [
    "Affiliate",
    "AffiliateStep",
    "ApplicationPolicy",
    "AttributionPolicy",
    "Binding",
    "Click",
    "Code",
    "CommissionEntry",
    "Conversion",
    "Creative",
    "Dispute",
    "Enrolment",
    "Flag",
    "Link",
    "ManualAttribution",
    "Payout",
    "PayoutBatch",
    "PayoutDetails",
    "PayoutLine",
    "PayoutPolicy",
    "PayoutStep",
    "Plan",
    "PlanDraft",
    "PlanReplay",
    "PlanVersion",
    "ReachDay",
    "Tally",
    "Target",
    "Touch",
    "WithholdingRate",
]
