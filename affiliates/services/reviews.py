"""A person releases or refuses what the fraud checks held."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from affiliates.errors import (
    AlreadyReviewedError,
    NobodyEarnsError,
    OwnCommissionError,
    ReasonMissingError,
)
from affiliates.events import ConversionReviewed
from affiliates.models import Affiliate, Conversion
from affiliates.services.orders import lock_orders
from affiliates.services.settling import settle_commissions
from loyalty_site.common.errors import DomainError
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User

_REASON_LENGTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """What became of one bill; `refusal` says why it stayed as it was."""

    conversion: Conversion
    refusal: DomainError | None = None


@transaction.atomic
def review_conversions(
    *,
    conversions: Sequence[Conversion],
    review: Conversion.Review,
    reason: str,
    acting_user: User,
) -> list[Reviewed]:
    """Release or refuse the commissions of these bills; one answer for each, in their order.

    What is released falls due with its hold; what is refused is taken back, also when it was
    paid already. Bills that cannot be decided stay as they are and say why. Of two people who
    decide at once the first one wins.

    Raises:
        ReasonMissingError: no reason is given.
    """
    reason = reason.strip()[:_REASON_LENGTH]
    if not reason:
        raise ReasonMissingError(field="reason")
    # Orders first, as settling does, so that the two never wait for each other.
    lock_orders([conversion.purchase_id for conversion in conversions])
    locked = {
        conversion.pk: conversion
        for conversion in Conversion.objects.select_related(
            "purchase", "enrolment__affiliate__customer"
        ).filter(pk__in=[conversion.pk for conversion in conversions])
    }
    answers = [
        Reviewed(conversion=one, refusal=_refusal(one, review, acting_user))
        for one in (locked[conversion.pk] for conversion in conversions)
    ]
    decided = [answer.conversion for answer in answers if answer.refusal is None]
    Conversion.objects.filter(pk__in=[one.pk for one in decided]).update(
        review=review,
        review_reason=reason,
        reviewed_at=timezone.now(),
        reviewed_by=acting_user,
    )
    publish(_event(one, review, reason, acting_user) for one in decided)
    settle_commissions(purchase_ids=[one.purchase_id for one in decided])
    return answers


def _refusal(
    conversion: Conversion, review: Conversion.Review, acting_user: User
) -> DomainError | None:
    bill = conversion.purchase.number
    if conversion.enrolment is None:
        return NobodyEarnsError(bill=bill)
    if conversion.review == review or (
        review == Conversion.Review.RELEASED and conversion.review == Conversion.Review.NONE
    ):
        return AlreadyReviewedError(bill=bill, state=conversion.get_review_display().lower())
    if is_own(conversion.enrolment.affiliate, acting_user):
        return OwnCommissionError()
    return None


def is_own(affiliate: Affiliate, user: User) -> bool:
    """Whether somebody of the staff is this affiliate."""
    customer = affiliate.customer
    own = {affiliate.email.casefold(), customer.email.casefold() if customer else ""}
    return bool(user.email) and user.email.casefold() in own


def _event(
    conversion: Conversion, review: Conversion.Review, reason: str, acting_user: User
) -> ConversionReviewed:
    enrolment = conversion.enrolment
    if enrolment is None:
        raise ValueError("nobody earns on this bill")
    return ConversionReviewed(
        conversion_id=conversion.pk,
        affiliate_id=enrolment.affiliate_id,
        customer_id=enrolment.affiliate.customer_id,
        purchase_number=conversion.purchase.number,
        review=review.value,
        reason=reason,
        reviewed_by_id=acting_user.pk,
    )
