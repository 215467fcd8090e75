"""The portal pages of affiliates."""

from affiliates.views.home import affiliate
from affiliates.views.payouts import (
    month_statement_file,
    payout,
    payout_details,
    payout_statement_file,
    payouts,
)

__all__ = [
    "affiliate",
    "month_statement_file",
    "payout",
    "payout_details",
    "payout_statement_file",
    "payouts",
]
