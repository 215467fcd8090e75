"""Fraud checks, held commissions and disputes, as people read them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from affiliates.engine.risk import NOTES, Check, Limits
from affiliates.models import Affiliate, Conversion, Dispute, Flag, HeldConversion, RiskPolicy
from loyalty_site.common.crypto import blind_index
from loyalty_site.common.money import format_money

FIGURE_DAYS = 90
_ZERO = Value(Decimal(0), DecimalField(max_digits=14, decimal_places=2))

TITLES: Mapping[Check, str] = {
    Check.OWN_PHONE: gettext_noop("Own phone"),
    Check.OWN_EMAIL: gettext_noop("Own e-mail"),
    Check.SAME_DOMAIN: gettext_noop("Same company as the affiliate"),
    Check.COMPANY_DOMAIN: gettext_noop("Buyers of one company"),
    Check.THROWAWAY_MAIL: gettext_noop("Throw-away e-mail"),
    Check.OWN_DEVICE: gettext_noop("Own device"),
    Check.SHARED_DEVICE: gettext_noop("Several buyers, one device"),
    Check.SHARED_ACCOUNT: gettext_noop("Shared payout account"),
    Check.BANNED_REFERRER: gettext_noop("Forbidden site"),
    Check.PAID_CLICK: gettext_noop("Paid advertisement"),
    Check.VELOCITY: gettext_noop("Too many at once"),
    Check.CIRCLE: gettext_noop("Circle of affiliates"),
    Check.CODE_LEAK: gettext_noop("Leaked code"),
    Check.COUNTER_SHARE: gettext_noop("Share at one counter"),
    Check.LATE_RETURNS: gettext_noop("Returns after payment"),
    Check.RETURNED_AFTER_PAYOUT: gettext_noop("Came back after payment"),
    Check.UNCHECKED: gettext_noop("Could not be checked"),
    Check.BY_HAND: gettext_noop("Held by hand"),
}

_SENTENCES: Mapping[Check, str] = {
    Check.OWN_PHONE: gettext_noop("The buyer's phone is the affiliate's own."),
    Check.OWN_EMAIL: gettext_noop("The buyer's e-mail reaches the affiliate's own mailbox."),
    Check.SAME_DOMAIN: gettext_noop("The buyer's e-mail is at the affiliate's own domain."),
    Check.COMPANY_DOMAIN: gettext_noop(
        "Other buyers of this affiliate have e-mail at the same company: %(others)s."
    ),
    Check.THROWAWAY_MAIL: gettext_noop("The buyer's e-mail is a throw-away address at %(domain)s."),
    Check.OWN_DEVICE: gettext_noop(
        "The click came from a browser in which the affiliate uses the portal."
    ),
    Check.SHARED_DEVICE: gettext_noop(
        "Other buyers of this affiliate came from the same device: %(others)s."
    ),
    Check.SHARED_ACCOUNT: gettext_noop(
        "The payout account or tax number is also used by %(names)s."
    ),
    Check.BANNED_REFERRER: gettext_noop("The click came from %(site)s, which is not allowed."),
    Check.PAID_CLICK: gettext_noop("The click came from a paid advertisement (%(signs)s)."),
    Check.CIRCLE: gettext_noop("Affiliates bring each other: %(names)s."),
    Check.CODE_LEAK: gettext_noop(
        "%(bills)s strangers within a day had the code without having been reached before; up to"
        " %(allowed)s raise no question, usual are %(usual)s a day."
    ),
    Check.COUNTER_SHARE: gettext_noop(
        "%(brought)s of %(bills)s bills at one counter of %(counter)s name this affiliate; up to"
        " %(allowed)s %% raise no question."
    ),
    Check.RETURNED_AFTER_PAYOUT: gettext_noop(
        "Goods for %(amount)s came back after the commission had been paid."
    ),
    Check.BY_HAND: gettext_noop("%(by)s holds it: %(reason)s"),
    Check.UNCHECKED: gettext_noop("This could not be checked, so somebody has to look: %(causes)s"),
}
_VELOCITY = {
    "hour": gettext_noop(
        "%(bills)s bills within an hour; up to %(allowed)s raise no question, usual are %(usual)s"
        " a day."
    ),
    "day": gettext_noop(
        "%(bills)s bills within a day; up to %(allowed)s raise no question, usual are %(usual)s"
        " a day."
    ),
}
_LATE_RETURNS = {
    "of_buyer": gettext_noop(
        "This buyer's goods came back after the commission had been paid; bills: %(of_buyer)s."
    ),
    "of_affiliate": gettext_noop(
        "Goods came back after the commission had been paid; bills of this affiliate:"
        " %(of_affiliate)s."
    ),
}


def risk_policy() -> RiskPolicy:
    """The shop's rules, or the shipped ones."""
    return RiskPolicy.objects.order_by("pk").first() or RiskPolicy()


def limits_of(policy: RiskPolicy) -> Limits:
    """The rules as the checks take them."""
    sites = (line.strip().casefold().strip(".") for line in policy.banned_referrers.splitlines())
    return Limits(
        per_hour=policy.per_hour,
        per_day=policy.per_day,
        usual_factor=policy.usual_factor,
        strangers=policy.strangers,
        counter_share=policy.counter_share,
        counter_bills=policy.counter_bills,
        late_returns=policy.late_returns,
        allows_paid_clicks=policy.allows_paid_clicks,
        banned_referrers=frozenset(site for site in sites if site),
    )


def visitor_hash(*, network: str, agent: str) -> str:
    """The keyed hash of a browser at a network, as clicks carry it; neither can be read back."""
    return blind_index("click-visitor", f"{network}\n{agent}")


def describe_flag(flag: Flag, *, currency: str) -> str:
    """What a check saw, as a sentence for staff."""
    check = Check(flag.check_name)
    evidence: dict[str, Any] = flag.evidence
    if check == Check.VELOCITY:
        sentence = _VELOCITY[evidence["span"]]
    elif check == Check.LATE_RETURNS:
        sentence = _LATE_RETURNS[next(iter(evidence))]
    else:
        sentence = _SENTENCES[check]
    return _(sentence) % {name: _shown(name, value, currency) for name, value in evidence.items()}


def describe_flags(conversion: Conversion) -> list[str]:
    """What all checks saw of a bill for those whom it pays; read it with `flags`."""
    return [
        describe_flag(flag, currency=conversion.purchase.currency)
        for flag in conversion.flags.all()
    ]


def _shown(name: str, value: Any, currency: str) -> str:
    if name == "amount":
        return format_money(Decimal(value), currency)
    if isinstance(value, list):
        return (" → " if name == "names" and value[0] == value[-1] else ", ").join(map(str, value))
    return str(value)


def held_conversions() -> QuerySet[HeldConversion]:
    """Bills that wait for a person, the oldest first, with `at_stake` and why."""
    return (
        HeldConversion.objects.filter(review=Conversion.Review.OPEN, enrolment__isnull=False)
        .select_related("purchase__store", "purchase__customer", "enrolment__affiliate")
        .prefetch_related("flags")
        .annotate(at_stake=Coalesce(Sum("entries__amount"), _ZERO))
        .order_by("pk")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFigures:
    """What became of the bills that a check held; `right` is the share refused, in percent."""

    title: str
    waiting: int
    released: int
    refused: int

    @property
    def right(self) -> int | None:
        """None before anybody decided."""
        decided = self.released + self.refused
        return round(100 * self.refused / decided) if decided else None


def check_figures(*, now: datetime | None = None) -> list[CheckFigures]:
    """Each check that held something in the last 90 days, the busiest first."""
    since = (now or timezone.now()) - timedelta(days=FIGURE_DAYS)
    rows = (
        Flag.objects.filter(noted_at__gte=since)
        .exclude(check_name__in=NOTES)
        .order_by()
        .values_list("check_name")
        .annotate(
            bills=Count("conversion", distinct=True),
            waiting=_bills(Conversion.Review.OPEN),
            released=_bills(Conversion.Review.RELEASED),
            refused=_bills(Conversion.Review.REFUSED),
        )
    )
    busiest = sorted(rows, key=lambda row: (-row[1], row[0]))
    return [
        CheckFigures(
            title=_(TITLES[Check(check)]), waiting=waiting, released=released, refused=refused
        )
        for check, _bills, waiting, released, refused in busiest
    ]


def _bills(review: Conversion.Review) -> Count:
    return Count("conversion", distinct=True, filter=Q(conversion__review=review))


def disputes_of(affiliate: Affiliate) -> QuerySet[Dispute]:
    """An affiliate's questions, the newest first."""
    return affiliate.disputes.order_by("-pk")


def check_titles(flags: Iterable[Flag]) -> Sequence[str]:
    """The names of the checks that objected, each once."""
    return list(dict.fromkeys(_(TITLES[Check(flag.check_name)]) for flag in flags))
