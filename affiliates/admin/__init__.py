"""The back office of affiliates."""

from affiliates.admin import conversions, payouts, people, plans

__all__ = ["conversions", "payouts", "people", "plans"]
