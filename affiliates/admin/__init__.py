"""The back office of affiliates."""

from affiliates.admin import attribution, conversions, people, plans

__all__ = ["attribution", "conversions", "people", "plans"]
