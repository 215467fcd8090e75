"""Who may become an affiliate, who recruited whom, and how much there is of somebody's things."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet, Value
from django.utils import timezone

from affiliates.engine import normal_code
from affiliates.models import (
    Affiliate,
    ApplicationPolicy,
    Binding,
    Code,
    Conversion,
    Enrolment,
    Link,
    Payout,
)


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
