"""Moves between tiers: at the bill that reaches one, at a period's end, by review, by hand."""

from loyalty.services.tiers.bills import move_tiers
from loyalty.services.tiers.by_hand import give_tier, take_given_tier
from loyalty.services.tiers.periods import end_tier_periods
from loyalty.services.tiers.reviews import review_tiers

__all__ = [
    "end_tier_periods",
    "give_tier",
    "move_tiers",
    "review_tiers",
    "take_given_tier",
]
