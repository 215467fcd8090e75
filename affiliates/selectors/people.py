"""Affiliates and their codes."""

from affiliates.errors import AffiliateNotFoundError
from affiliates.models import Affiliate, Code, Enrolment
from customers.models import Customer


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


def active_codes(affiliate: Affiliate) -> list[str]:
    """The codes that earn for an affiliate now."""
    if not affiliate.may_earn:
        return []
    codes = Code.objects.filter(
        enrolment__affiliate=affiliate, enrolment__state=Enrolment.State.ACTIVE
    )
    return list(codes.order_by("text").values_list("text", flat=True))
