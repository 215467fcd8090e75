"""The customer's own pages."""

from loyalty.views.card import (
    card,
    history,
)
from loyalty.views.people import (
    add_bill,
    friends,
    household,
    join,
    send,
)
from loyalty.views.rewards import (
    cancel,
    mine,
    picture,
    redeem,
    redemption,
    reward,
    rewards,
    voucher,
)

__all__ = [
    "add_bill",
    "cancel",
    "card",
    "friends",
    "history",
    "household",
    "join",
    "mine",
    "picture",
    "redeem",
    "redemption",
    "reward",
    "rewards",
    "send",
    "voucher",
]
