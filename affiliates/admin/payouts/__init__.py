"""The back office of payouts."""

from affiliates.admin.payouts import batches, rules, single

__all__ = ["batches", "rules", "single"]
