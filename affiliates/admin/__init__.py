"""The back office of affiliates."""

from affiliates.admin import (
    conversions,
    enrolments,
    people,
    plans,
    reach,
    replays,
)

__all__ = [
    "conversions",
    "enrolments",
    "people",
    "plans",
    "reach",
    "replays",
]
