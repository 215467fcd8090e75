"""Commissions and candidates, with their reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from affiliates.models import Affiliate, CommissionEntry
from affiliates.selectors.earnings import CommissionState, state_of
from affiliates.selectors.explanations import explain_entry


def commissions_of(affiliate: Affiliate) -> QuerySet[CommissionEntry]:
    """An affiliate's commissions, newest first, with what their explanation needs."""
    return (
        CommissionEntry.objects.filter(affiliate=affiliate)
        .select_related("conversion__purchase", "line__payout")
        .order_by("-pk")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissionView:
    """A commission as people see it."""

    entry: CommissionEntry
    state: CommissionState
    sentences: Sequence[str]


def describe_commission(entry: CommissionEntry, *, now: datetime | None = None) -> CommissionView:
    """An entry with its state and its reasons."""
    return CommissionView(
        entry=entry,
        state=state_of(entry, now=now),
        sentences=explain_entry(entry),
    )
