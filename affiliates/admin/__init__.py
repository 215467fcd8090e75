"""The back office of affiliates."""

from affiliates.admin import conversions, people, plans, replays

__all__ = ["conversions", "people", "plans", "replays"]
