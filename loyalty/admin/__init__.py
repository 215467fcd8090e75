"""Pages for back-office staff."""

from loyalty.admin.adjustments import (
    AdjustmentAdmin,
    AdjustmentLimitAdmin,
)
from loyalty.admin.common import (
    ReadOnlyMixin,
)
from loyalty.admin.jobs import (
    JobRunAdmin,
)
from loyalty.admin.ledger import (
    AccountAdmin,
    LotInline,
    PointsEntryAdmin,
)
from loyalty.admin.people import (
    CustomerMergeAdmin,
    HouseholdAdmin,
    PeopleTermsAdmin,
    PointsTransferAdmin,
    ReferralAdmin,
    WaitingBillAdmin,
)
from loyalty.admin.programs import (
    ProgramAdmin,
)
from loyalty.admin.replays import (
    ReplayJobAdmin,
)
from loyalty.admin.rewards import (
    RedemptionAdmin,
    RewardAdmin,
    VoucherAdmin,
    VoucherPoolAdmin,
)
from loyalty.admin.rules import (
    EarningRuleAdmin,
    RuleVersionInline,
)
from loyalty.admin.tiers import (
    GivenTierMixin,
    TierAdmin,
    TierChangeAdmin,
)

__all__ = [
    "AccountAdmin",
    "AdjustmentAdmin",
    "AdjustmentLimitAdmin",
    "CustomerMergeAdmin",
    "EarningRuleAdmin",
    "GivenTierMixin",
    "HouseholdAdmin",
    "JobRunAdmin",
    "LotInline",
    "PeopleTermsAdmin",
    "PointsEntryAdmin",
    "PointsTransferAdmin",
    "ProgramAdmin",
    "ReadOnlyMixin",
    "RedemptionAdmin",
    "ReferralAdmin",
    "ReplayJobAdmin",
    "RewardAdmin",
    "RuleVersionInline",
    "TierAdmin",
    "TierChangeAdmin",
    "VoucherAdmin",
    "VoucherPoolAdmin",
    "WaitingBillAdmin",
]
