"""The back office of affiliates."""

from affiliates.admin import (
    attribution,
    conversions,
    enrolments,
    people,
    plans,
    reach,
    replays,
)

__all__ = [
    "attribution",
    "conversions",
    "enrolments",
    "people",
    "plans",
    "reach",
    "replays",
]
