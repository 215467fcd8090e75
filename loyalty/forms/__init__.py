"""Forms for back-office staff."""

from loyalty.forms.people import (
    AddBillForm,
    FriendCodeForm,
    HouseholdForm,
    JoinForm,
    SendPointsForm,
)
from loyalty.forms.points import (
    AdjustPointsForm,
    RefuseAdjustmentForm,
)
from loyalty.forms.programs import (
    EndGivenTierForm,
    GiveTierForm,
    ProgramForm,
    TierForm,
)
from loyalty.forms.rewards import (
    CancelRedemptionsForm,
    GenerateCodesForm,
    ImportCodesForm,
    RewardForm,
    VoucherPoolForm,
)
from loyalty.forms.rules import (
    KINDS,
    EarningRuleForm,
    EndRuleForm,
    PublishRuleForm,
    ReplayForm,
    TryRuleForm,
    current_definition,
    groups_of,
)

__all__ = [
    "KINDS",
    "AddBillForm",
    "AdjustPointsForm",
    "CancelRedemptionsForm",
    "EarningRuleForm",
    "EndGivenTierForm",
    "EndRuleForm",
    "FriendCodeForm",
    "GenerateCodesForm",
    "GiveTierForm",
    "HouseholdForm",
    "ImportCodesForm",
    "JoinForm",
    "ProgramForm",
    "PublishRuleForm",
    "RefuseAdjustmentForm",
    "ReplayForm",
    "RewardForm",
    "SendPointsForm",
    "TierForm",
    "TryRuleForm",
    "VoucherPoolForm",
    "current_definition",
    "groups_of",
]
