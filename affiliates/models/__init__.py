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
    AffiliateDevice,
    Dispute,
    Flag,
    HeldConversion,
    RiskPolicy,
    Screening,
)

__all__ = [
    "Affiliate",
    "AffiliateDevice",
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
    "HeldConversion",
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
    "RiskPolicy",
    "Screening",
    "Tally",
    "Target",
    "Touch",
    "WithholdingRate",
]
