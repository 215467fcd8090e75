"""Customers who bring friends: codes, joining, and what it earns."""

from loyalty.services.referrals.joining import (
    find_referrer,
    join_at_till,
    record_referral,
    referral_code_of,
)
from loyalty.services.referrals.reviewing import (
    announce_friend_bills,
    review_due_referrals,
    review_friends,
    review_referrals,
)

__all__ = [
    "announce_friend_bills",
    "find_referrer",
    "join_at_till",
    "record_referral",
    "referral_code_of",
    "review_due_referrals",
    "review_friends",
    "review_referrals",
]
