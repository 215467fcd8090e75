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
    risk,
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
    "risk",
]
