"""Commissions and candidates, with their reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from affiliates.engine import Reason
from affiliates.models import Affiliate, CommissionEntry, Conversion
from affiliates.selectors.explanations import explain_entry

_REASONS = {
    Reason.WON: gettext_noop("Wins: its code is on the bill."),
    Reason.NOT_APPROVED: gettext_noop("The affiliate is not approved."),
    Reason.NOT_ENROLLED: gettext_noop("The affiliate is no longer on the plan."),
    Reason.CODE_TOO_NEW: gettext_noop("The bill was made before the code existed."),
    Reason.NO_PLAN: gettext_noop("The plan did not pay yet when the bill was made."),
    Reason.OWN_PURCHASE: gettext_noop("The affiliate's own purchases do not earn."),
    Reason.LATER_CANDIDATE: gettext_noop("Another code came first; one bill pays one affiliate."),
}


def commissions_of(affiliate: Affiliate) -> QuerySet[CommissionEntry]:
    """An affiliate's commissions, newest first, with what their explanation needs."""
    return (
        CommissionEntry.objects.filter(affiliate=affiliate)
        .select_related("conversion__purchase")
        .order_by("-pk")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissionView:
    """A commission as people see it."""

    entry: CommissionEntry
    is_due: bool
    sentences: Sequence[str]


def describe_commission(entry: CommissionEntry, *, now: datetime | None = None) -> CommissionView:
    """An entry with its state and its reasons."""
    return CommissionView(
        entry=entry,
        is_due=entry.held_until <= (now or timezone.now()),
        sentences=explain_entry(entry),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateView:
    """One candidate of a bill, as staff see it."""

    affiliate: str
    code: str
    won: bool
    why: str


def describe_candidates(conversion: Conversion) -> list[CandidateView]:
    """Every candidate of a bill, and why it won or lost."""
    candidates: list[dict[str, Any]] = conversion.candidates
    return [
        CandidateView(
            affiliate=candidate["affiliate"],
            code=candidate["code"],
            won=candidate["reason"] == Reason.WON,
            why=_(_REASONS[Reason(candidate["reason"])]),
        )
        for candidate in candidates
    ]
