"""A person releases or refuses what the fraud checks held."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from affiliates.engine.risk import Check
from affiliates.errors import (
    AlreadyHeldError,
    NobodyEarnsError,
    NotHeldError,
    OwnCommissionError,
    ReasonMissingError,
)
from affiliates.events import ConversionHeld, ConversionReviewed
from affiliates.models import Affiliate, Conversion, Enrolment, Flag
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
    """Release or refuse held commissions; one answer for each, in their order.

    What is released falls due with its hold; what is refused is taken back, also when it was
    paid already. What does not wait for a decision stays as it is and says so: of two people who
    decide at once the first one wins.

    Raises:
        ReasonMissingError: no reason is given.
    """
    reason = _given(reason)

    def refusal(conversion: Conversion, enrolment: Enrolment) -> DomainError | None:
        if conversion.review != Conversion.Review.OPEN:
            return NotHeldError(
                bill=conversion.purchase.number, state=conversion.get_review_display().lower()
            )
        return OwnCommissionError() if is_own(enrolment.affiliate, acting_user) else None

    answers, decided = _judge(conversions, refusal)
    Conversion.objects.filter(pk__in=[conversion.pk for conversion, _ in decided]).update(
        review=review,
        review_reason=reason,
        reviewed_at=timezone.now(),
        reviewed_by=acting_user,
    )
    publish(
        ConversionReviewed(
            conversion_id=conversion.pk,
            affiliate_id=enrolment.affiliate_id,
            customer_id=enrolment.affiliate.customer_id,
            purchase_number=conversion.purchase.number,
            review=review.value,
            reason=reason,
            reviewed_by_id=acting_user.pk,
        )
        for conversion, enrolment in decided
    )
    settle_commissions(purchase_ids=[conversion.purchase_id for conversion, _ in decided])
    return answers


@transaction.atomic
def hold_conversions(
    *, conversions: Sequence[Conversion], reason: str, acting_user: User
) -> list[Reviewed]:
    """Put bills before somebody again, whatever was decided; one answer for each, in their order.

    Raises:
        ReasonMissingError: no reason is given.
    """
    reason = _given(reason)

    def refusal(conversion: Conversion, _: Enrolment) -> DomainError | None:
        is_held = conversion.review == Conversion.Review.OPEN
        return AlreadyHeldError(bill=conversion.purchase.number) if is_held else None

    answers, held = _judge(conversions, refusal)
    Conversion.objects.filter(pk__in=[conversion.pk for conversion, _ in held]).update(
        review=Conversion.Review.OPEN, review_reason="", reviewed_at=None, reviewed_by=None
    )
    Flag.objects.bulk_create(
        (
            Flag(
                conversion=conversion,
                enrolment=enrolment,
                check_name=Check.BY_HAND,
                evidence={"by": acting_user.name or acting_user.email, "reason": reason},
            )
            for conversion, enrolment in held
        ),
        update_conflicts=True,
        unique_fields=["conversion", "enrolment", "check_name"],
        update_fields=["evidence", "noted_at"],
    )
    publish(
        ConversionHeld(
            conversion_id=conversion.pk,
            affiliate_id=enrolment.affiliate_id,
            purchase_number=conversion.purchase.number,
            checks=Check.BY_HAND.value,
        )
        for conversion, enrolment in held
    )
    settle_commissions(purchase_ids=[conversion.purchase_id for conversion, _ in held])
    return answers


def _given(reason: str) -> str:
    if not (reason := reason.strip()[:_REASON_LENGTH]):
        raise ReasonMissingError(field="reason")
    return reason


def _judge(
    conversions: Sequence[Conversion],
    refusal: Callable[[Conversion, Enrolment], DomainError | None],
) -> tuple[list[Reviewed], list[tuple[Conversion, Enrolment]]]:
    """An answer for each bill, and those that nothing speaks against, locked."""
    # Orders first, as settling does, so that the two never wait for each other.
    lock_orders([conversion.purchase_id for conversion in conversions])
    locked = Conversion.objects.select_related(
        "purchase", "enrolment__affiliate__customer"
    ).in_bulk([conversion.pk for conversion in conversions])
    answers = []
    accepted = []
    for conversion in (locked[one.pk] for one in conversions):
        enrolment = conversion.enrolment
        if enrolment is None:
            objection: DomainError | None = NobodyEarnsError(bill=conversion.purchase.number)
        else:
            objection = refusal(conversion, enrolment)
            if objection is None:
                accepted.append((conversion, enrolment))
        answers.append(Reviewed(conversion=conversion, refusal=objection))
    return answers, accepted


def is_own(affiliate: Affiliate, user: User) -> bool:
    """Whether somebody of the staff is this affiliate."""
    customer = affiliate.customer
    own = {affiliate.email.casefold(), customer.email.casefold() if customer else ""}
    return bool(user.email) and user.email.casefold() in own
