"""Affiliates and what they have earned."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import DecimalField, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from affiliates.engine import MINOR_UNIT
from affiliates.errors import AffiliateNotFoundError
from affiliates.models import Affiliate, Code, CommissionEntry, Conversion, Enrolment
from customers.models import Customer

_ZERO = Value(Decimal(0), DecimalField(max_digits=14, decimal_places=2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Earnings:
    """Commission by state: `held` waits for returns or a person, `due` may be paid out."""

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
    in_review = Q(entries__conversion__review=Conversion.Review.OPEN)
    held = Sum("entries__amount", filter=Q(entries__held_until__gt=now) | in_review)
    due = Sum("entries__amount", filter=Q(entries__held_until__lte=now) & ~in_review)
    return affiliates.annotate(held=Coalesce(held, _ZERO), due=Coalesce(due, _ZERO))


def earnings_of(affiliate: Affiliate, *, now: datetime | None = None) -> Earnings:
    """What an affiliate has earned, by state."""
    now = now or timezone.now()
    in_review = Q(conversion__review=Conversion.Review.OPEN)
    sums = CommissionEntry.objects.filter(affiliate=affiliate).aggregate(
        held=Coalesce(Sum("amount", filter=Q(held_until__gt=now) | in_review), _ZERO),
        due=Coalesce(Sum("amount", filter=Q(held_until__lte=now) & ~in_review), _ZERO),
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
