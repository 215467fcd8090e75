"""The back office of affiliates."""

from affiliates.admin import conversions, people, plans

__all__ = ["conversions", "people", "plans"]
