"""Reads over affiliates, their earnings, and the reasons of both."""

from affiliates.selectors.conversions import (
    CandidateView,
    CommissionView,
    commissions_of,
    describe_candidates,
    describe_commission,
    explain_entry,
)
from affiliates.selectors.earnings import (
    CommissionState,
    Earnings,
    due_entries,
    earnings_by_affiliate,
    earnings_of,
    in_state,
    state_of,
    with_earnings,
)
from affiliates.selectors.payouts import (
    PlannedPayout,
    batch_rows,
    current_details,
    due_sums,
    explain_payout,
    get_batch,
    get_own_payout,
    payout_policy,
    payout_rows,
    plan_of,
    plan_payouts,
)
from affiliates.selectors.people import (
    active_codes,
    find_affiliate,
    get_affiliate,
)
from affiliates.selectors.statement_pdf import statement_pdf
from affiliates.selectors.statements import (
    Statement,
    StatementLine,
    month_statement,
    payout_statement,
    statement_csv,
    statement_months,
)
from affiliates.selectors.verification import CommissionFault, verify_commissions

__all__ = [
    "CandidateView",
    "CommissionFault",
    "CommissionState",
    "CommissionView",
    "Earnings",
    "PlannedPayout",
    "Statement",
    "StatementLine",
    "active_codes",
    "batch_rows",
    "commissions_of",
    "current_details",
    "describe_candidates",
    "describe_commission",
    "due_entries",
    "due_sums",
    "earnings_by_affiliate",
    "earnings_of",
    "explain_entry",
    "explain_payout",
    "find_affiliate",
    "get_affiliate",
    "get_batch",
    "get_own_payout",
    "in_state",
    "month_statement",
    "payout_policy",
    "payout_rows",
    "payout_statement",
    "plan_of",
    "plan_payouts",
    "state_of",
    "statement_csv",
    "statement_months",
    "statement_pdf",
    "verify_commissions",
    "with_earnings",
]
