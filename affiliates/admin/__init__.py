"""The back office of affiliates."""

from affiliates.admin import conversions, people, plans, risk

__all__ = ["conversions", "people", "plans", "risk"]
