"""Reads over affiliates, their earnings, and the reasons of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import DecimalField, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from affiliates.engine import MINOR_UNIT, Kind, Reason
from affiliates.errors import AffiliateNotFoundError
from affiliates.models import Affiliate, Code, CommissionEntry, Conversion, Enrolment
from customers.models import Customer
from loyalty_site.common.money import format_money, format_number

_ZERO = Value(Decimal(0), DecimalField(max_digits=14, decimal_places=2))
_REASONS = {
    Reason.WON: gettext_noop("Wins: its code is on the bill."),
    Reason.NOT_APPROVED: gettext_noop("The affiliate is not approved."),
    Reason.NOT_ENROLLED: gettext_noop("The affiliate is no longer on the plan."),
    Reason.CODE_TOO_NEW: gettext_noop("The bill was made before the code existed."),
    Reason.NO_PLAN: gettext_noop("The plan did not pay yet when the bill was made."),
    Reason.OWN_PURCHASE: gettext_noop("The affiliate's own purchases do not earn."),
    Reason.LATER_CANDIDATE: gettext_noop("Another code came first; one bill pays one affiliate."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Earnings:
    """Commission by state: `held` waits for returns, `due` may be paid out."""

    held: Decimal
    due: Decimal
    paid: Decimal = Decimal("0.00")

    @property
    def balance(self) -> Decimal:
        """What the shop owes now."""
        return self.due - self.paid


def find_affiliate(customer: Customer) -> Affiliate | None:
    """The affiliate that a customer is, or None."""
    return Affiliate.objects.filter(customer=customer).first()


def get_affiliate(affiliate_id: int) -> Affiliate:
    """An affiliate.

    Raises:
        AffiliateNotFoundError: there is none with this id.
    """
    affiliate = Affiliate.objects.filter(pk=affiliate_id).first()
    if affiliate is None:
        raise AffiliateNotFoundError()
    return affiliate


def with_earnings(
    affiliates: QuerySet[Affiliate], *, now: datetime | None = None
) -> QuerySet[Affiliate]:
    """Affiliates with `held` and `due`, in one query."""
    now = now or timezone.now()
    held = Sum("entries__amount", filter=Q(entries__held_until__gt=now))
    due = Sum("entries__amount", filter=Q(entries__held_until__lte=now))
    return affiliates.annotate(held=Coalesce(held, _ZERO), due=Coalesce(due, _ZERO))


def earnings_of(affiliate: Affiliate, *, now: datetime | None = None) -> Earnings:
    """What an affiliate has earned, by state."""
    now = now or timezone.now()
    sums = CommissionEntry.objects.filter(affiliate=affiliate).aggregate(
        held=Coalesce(Sum("amount", filter=Q(held_until__gt=now)), _ZERO),
        due=Coalesce(Sum("amount", filter=Q(held_until__lte=now)), _ZERO),
    )
    return Earnings(held=sums["held"].quantize(MINOR_UNIT), due=sums["due"].quantize(MINOR_UNIT))


def active_codes(affiliate: Affiliate) -> list[str]:
    """The codes that earn for an affiliate now."""
    if affiliate.state != Affiliate.State.APPROVED:
        return []
    codes = Code.objects.filter(
        enrolment__affiliate=affiliate, enrolment__state=Enrolment.State.ACTIVE
    )
    return list(codes.order_by("text").values_list("text", flat=True))


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
    return CommissionView(
        entry=entry,
        is_due=entry.held_until <= (now or timezone.now()),
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
