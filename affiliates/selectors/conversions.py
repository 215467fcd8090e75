"""Commissions and candidates, with their reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from affiliates.engine import Kind, Reason
from affiliates.models import Affiliate, CommissionEntry, Conversion
from loyalty_site.common.money import format_money, format_number

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


def explain_entry(entry: CommissionEntry) -> Sequence[str]:
    """Why a commission has its amount: sentences for staff, affiliate and API."""
    figures: dict[str, str] = entry.explanation
    if entry.conversion is None:
        return [str(figures.get("reason", ""))]

    def money(name: str) -> str:
        return format_money(abs(Decimal(figures[name])), entry.currency)

    sentences = [
        _("Bill %(bill)s, %(amount)s net of tax and discount.")
        % {"bill": entry.conversion.purchase.number, "amount": money("sale_net")}
    ]
    if Decimal(figures["returned_net"]):
        sentences.append(
            _("Goods for %(returned)s came back, so %(kept)s count.")
            % {"returned": money("returned_net"), "kept": money("remaining_net")}
        )
    if figures["cause"] == "cancelled":
        sentences.append(_("The bill was cancelled."))
    elif figures["cause"] == "refused":
        sentences.append(
            _("The shop looked at this bill and does not pay for it: %(reason)s")
            % {"reason": figures["review_reason"]}
        )
    elif figures["cause"] == "lost":
        sentences.append(_("The bill was corrected; it no longer counts for you."))
    else:
        sentences.append(_rate_sentence(figures, entry.currency))
    if Decimal(figures["credited_before"]):
        sentences.append(
            _("%(before)s was credited before, so %(amount)s now.")
            % {
                "before": money("credited_before"),
                "amount": format_money(entry.amount, entry.currency),
            }
        )
    return sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissionView:
    """A commission as people see it."""

    entry: CommissionEntry
    is_due: bool
    sentences: Sequence[str]


def describe_commission(entry: CommissionEntry, *, now: datetime | None = None) -> CommissionView:
    """An entry with its state and its reasons."""
    conversion = entry.conversion
    in_review = conversion is not None and conversion.review == Conversion.Review.OPEN
    return CommissionView(
        entry=entry,
        is_due=entry.held_until <= (now or timezone.now()) and not in_review,
        sentences=explain_entry(entry),
    )


def _rate_sentence(figures: dict[str, str], currency: str) -> str:
    earned = format_money(Decimal(figures["earned"]), currency)
    if figures["kind"] == Kind.FIXED:
        return _("%(plan)s pays %(earned)s a bill.") % {"plan": figures["plan"], "earned": earned}
    return _("%(plan)s pays %(rate)s %%, that is %(earned)s.") % {
        "plan": figures["plan"],
        "rate": format_number(Decimal(figures["rate"])),
        "earned": earned,
    }


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
