"""Affiliates and what they have earned."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from affiliates.engine import MINOR_UNIT, normal_code
from affiliates.errors import AffiliateNotFoundError
from affiliates.models import (
    Affiliate,
    ApplicationPolicy,
    Binding,
    Code,
    CommissionEntry,
    Conversion,
    Enrolment,
    Link,
    Payout,
)
from customers.models import Customer

_ZERO = Value(Decimal(0), DecimalField(max_digits=14, decimal_places=2))


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
    if not affiliate.may_earn:
        return []
    codes = Code.objects.filter(
        enrolment__affiliate=affiliate, enrolment__state=Enrolment.State.ACTIVE
    )
    return list(codes.order_by("text").values_list("text", flat=True))


def application_policy() -> ApplicationPolicy:
    """The shop's rules for applications; as they are shipped while nobody wrote others."""
    policy = ApplicationPolicy.objects.select_related("plan").order_by("pk").first()
    return policy or ApplicationPolicy()


def find_recruiter(code: str) -> Affiliate | None:
    """The affiliate who recruits by one of their codes, while they may earn; else None."""
    found = (
        Code.objects.select_related("enrolment__affiliate")
        .filter(text=normal_code(code), enrolment__state=Enrolment.State.ACTIVE)
        .first()
    )
    affiliate = found.enrolment.affiliate if found else None
    return affiliate if affiliate and affiliate.may_earn else None


def is_recruited_by(affiliate: Affiliate, other: Affiliate) -> bool:
    """Whether somebody came through somebody else, over any number of steps."""
    parents: dict[int, int | None] = dict(
        Affiliate.objects.filter(parent__isnull=False).values_list("pk", "parent_id")
    )
    above = parents.get(affiliate.pk)
    while above is not None and above != other.pk:
        above = parents.pop(above, None)
    return above is not None


def recruits_of(affiliate: Affiliate) -> QuerySet[Affiliate]:
    """Whom an affiliate recruited, newest first."""
    return affiliate.children.order_by("-pk")


@dataclass(frozen=True, slots=True, kw_only=True)
class AffiliateCounts:
    """How much there is of an affiliate's things."""

    links: int
    bindings: int
    payouts: int
    in_review: int
    recruits: int


def affiliate_counts(affiliate: Affiliate) -> AffiliateCounts:
    """How much there is of an affiliate's things now; one query."""
    alive = Q(ended_at__isnull=True) & (Q(ends_at__isnull=True) | Q(ends_at__gt=timezone.now()))
    own = Q(enrolment__affiliate=affiliate)
    wanted: dict[str, QuerySet[Any]] = {
        "links": Link.objects.filter(own, is_active=True),
        "bindings": Binding.objects.filter(own & alive),
        "payouts": Payout.objects.filter(affiliate=affiliate),
        "in_review": Conversion.objects.filter(own, review=Conversion.Review.OPEN),
        "recruits": Affiliate.objects.filter(parent=affiliate),
    }
    counts = [
        rows.order_by().annotate(what=Value(name)).values("what").annotate(count=Count("pk"))
        for name, rows in wanted.items()
    ]
    found = {row["what"]: row["count"] for row in counts[0].union(*counts[1:], all=True)}
    return AffiliateCounts(**{name: found.get(name, 0) for name in wanted})
