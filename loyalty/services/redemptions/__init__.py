"""Reserve rewards, settle them once, and give points back."""

from loyalty.services.redemptions.completing import (
    commit_redemption,
)
from loyalty.services.redemptions.letting_go import (
    cancel_redemption,
    cancel_reservation,
    expire_reservations,
)
from loyalty.services.redemptions.reserving import (
    redeem_reward,
    reserve_payment,
    reserve_reward,
)
from loyalty.services.redemptions.steps import (
    BillNamed,
    RewardWish,
)

__all__ = [
    "BillNamed",
    "RewardWish",
    "cancel_redemption",
    "cancel_reservation",
    "commit_redemption",
    "expire_reservations",
    "redeem_reward",
    "reserve_payment",
    "reserve_reward",
]
