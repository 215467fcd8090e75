"""Rewards in the back office."""

from loyalty.admin.rewards.codes import (
    VoucherAdmin,
    VoucherPoolAdmin,
)
from loyalty.admin.rewards.redemptions import (
    RedemptionAdmin,
)
from loyalty.admin.rewards.rewards import (
    RewardAdmin,
)

__all__ = [
    "RedemptionAdmin",
    "RewardAdmin",
    "VoucherAdmin",
    "VoucherPoolAdmin",
]
