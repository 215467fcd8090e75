"""The back office of affiliates."""

from affiliates.admin import conversions, people, plans, reach

__all__ = ["conversions", "people", "plans", "reach"]
