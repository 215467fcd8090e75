"""Affiliates ask about a commission or a missing bill; staff answer."""

from django.db import transaction
from django.utils import timezone

from affiliates.errors import (
    AlreadyDisputedError,
    DisputeAnsweredError,
    DisputeEmptyError,
    DisputeNotFoundError,
    OwnCommissionError,
    ReasonMissingError,
    TooManyDisputesError,
)
from affiliates.events import DisputeAnswered, DisputeOpened
from affiliates.models import Affiliate, CommissionEntry, Dispute
from affiliates.selectors.risk import risk_policy
from affiliates.services.reviews import is_own
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User

_TEXT_LENGTH = 1000
_NUMBER_LENGTH = 60


@transaction.atomic
def open_dispute(
    *, affiliate: Affiliate, text: str, entry_id: int | None = None, bill_number: str = ""
) -> Dispute:
    """Ask the shop about a commission (`entry_id`), or about a bill that is missing.

    Raises:
        DisputeEmptyError: there is no text, no bill, or too much text.
        DisputeNotFoundError: the commission is not this affiliate's.
        AlreadyDisputedError: the same was asked and is not answered yet.
        TooManyDisputesError: as many as the shop allows wait for an answer.
    """
    text, bill_number = text.strip(), bill_number.strip()
    is_named = entry_id is not None or 0 < len(bill_number) <= _NUMBER_LENGTH
    if not is_named or not text or len(text) > _TEXT_LENGTH:
        raise DisputeEmptyError()
    locked = Affiliate.objects.select_for_update(no_key=True).get(pk=affiliate.pk)
    entry = None
    if entry_id is not None:
        entry = (
            CommissionEntry.objects.select_related("conversion__purchase")
            .filter(pk=entry_id, affiliate=locked)
            .first()
        )
        if entry is None:
            raise DisputeNotFoundError()
        bill_number = entry.conversion.purchase.number if entry.conversion else ""
    waiting = list(locked.disputes.filter(state=Dispute.State.OPEN))
    if any((one.entry_id, one.bill_number) == (entry_id, bill_number) for one in waiting):
        raise AlreadyDisputedError()
    if len(waiting) >= risk_policy().open_disputes:
        raise TooManyDisputesError(count=len(waiting))
    dispute = Dispute.objects.create(
        affiliate=locked, entry=entry, bill_number=bill_number, text=text
    )
    publish(
        [
            DisputeOpened(
                dispute_id=dispute.pk,
                affiliate_id=locked.pk,
                entry_id=entry_id,
                bill_number=bill_number,
            )
        ]
    )
    return dispute


@transaction.atomic
def answer_dispute(
    *, dispute: Dispute, state: Dispute.State, answer: str, acting_user: User
) -> Dispute:
    """Accept or decline, with words for the affiliate. Moving money is a step of its own.

    Raises:
        ReasonMissingError: there are no words.
        DisputeAnsweredError: it was answered already.
        OwnCommissionError: who answers is the affiliate.
    """
    answer = answer.strip()[:_TEXT_LENGTH]
    if not answer:
        raise ReasonMissingError(field="answer")
    locked = (
        Dispute.objects.select_related("affiliate__customer")
        .select_for_update(of=("self",))
        .get(pk=dispute.pk)
    )
    if locked.state != Dispute.State.OPEN:
        raise DisputeAnsweredError(state=locked.get_state_display().lower())
    if is_own(locked.affiliate, acting_user):
        raise OwnCommissionError()
    locked.state = state
    locked.answer = answer
    locked.answered_at = timezone.now()
    locked.answered_by = acting_user
    locked.save(update_fields=["state", "answer", "answered_at", "answered_by"])
    publish(
        [
            DisputeAnswered(
                dispute_id=locked.pk,
                affiliate_id=locked.affiliate_id,
                customer_id=locked.affiliate.customer_id,
                state=state.value,
                answer=answer,
            )
        ]
    )
    return locked
