"""Programmes, the points ledger, earning rules and tiers."""

from loyalty.models.adjustments import (
    Adjustment,
    AdjustmentLimit,
)
from loyalty.models.jobs import (
    ExpiryNotice,
    JobRun,
)
from loyalty.models.ledger import (
    Account,
    Allocation,
    Hold,
    Lot,
    PendingPoints,
    PointsEntry,
)
from loyalty.models.people import (
    Household,
    HouseholdMember,
    PeopleTerms,
    PointsTransfer,
    Referral,
    ReferralCode,
    WaitingBill,
)
from loyalty.models.programs import (
    Program,
)
from loyalty.models.rewards import (
    Redemption,
    RedemptionStep,
    Reward,
    Voucher,
    VoucherImport,
    VoucherPool,
    VoucherStep,
)
from loyalty.models.rules import (
    EarningRule,
    EarningRuleVersion,
    Replay,
    ReplayJob,
    RuleBudget,
    RuleGrant,
    SaleFacts,
)
from loyalty.models.seals import (
    LedgerSeal,
)
from loyalty.models.tiers import (
    Tier,
    TierChange,
)

__all__ = [
    "Account",
    "Adjustment",
    "AdjustmentLimit",
    "Allocation",
    "EarningRule",
    "EarningRuleVersion",
    "ExpiryNotice",
    "Hold",
    "Household",
    "HouseholdMember",
    "JobRun",
    "LedgerSeal",
    "Lot",
    "PendingPoints",
    "PeopleTerms",
    "PointsEntry",
    "PointsTransfer",
    "Program",
    "Redemption",
    "RedemptionStep",
    "Referral",
    "ReferralCode",
    "Replay",
    "ReplayJob",
    "Reward",
    "RuleBudget",
    "RuleGrant",
    "SaleFacts",
    "Tier",
    "TierChange",
    "Voucher",
    "VoucherImport",
    "VoucherPool",
    "VoucherStep",
    "WaitingBill",
]
