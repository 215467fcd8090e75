"""The back office of affiliates."""

from affiliates.admin import (
    attribution,
    conversions,
    enrolments,
    payouts,
    people,
    plans,
    reach,
    replays,
)

__all__ = [
    "attribution",
    "conversions",
    "enrolments",
    "payouts",
    "people",
    "plans",
    "reach",
    "replays",
]
