"""Applying webhook bodies: what WhatsApp reports and what customers write.

Applying a body and marking it applied are one transaction, so each takes effect exactly once;
repeats inside other bodies are caught by unique keys of the rows that they would write.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import structlog
from django.db import transaction
from django.utils import timezone

from affiliates.services import Said, claim_from_texts
from customers.models import Consent, Customer
from customers.selectors import customers_by_phone
from customers.services import record_consent
from messaging.engine.failures import KIND_OF_CODE
from messaging.engine.statuses import Journey, Report, StatusFact, reduce_attempt, reduce_message
from messaging.engine.webhooks import (
    InboundUpdate,
    Reading,
    StatusUpdate,
    read_body,
)
from messaging.engine.words import Wish
from messaging.errors import FailureKind, MalformedUpdateError
from messaging.models import (
    Attempt,
    Channel,
    InboundMessage,
    Message,
    QuarantinedItem,
    StatusEvent,
    Template,
    WebhookBody,
)
from messaging.services.queueing import announce
from messaging.services.rows import save_columns

logger = structlog.get_logger(__name__)
Item = TypeVar("Item")

_LOOKUP = 1000
_BATCH_BYTES = 2_000_000
_PURPOSES = (Consent.Purpose.SERVICE, Consent.Purpose.MARKETING)


def apply_bodies(*, limit: int = 50) -> int:
    """Apply waiting bodies, oldest first, and mark them; returns how many were handled.

    If a batch fails as a whole, each body is tried alone and the failing one is parked.
    """
    with transaction.atomic():
        bodies = _claim(limit)
        if not _is_applied(bodies):
            for body in bodies:
                if not _is_applied([body]):
                    body.state, body.applied_at = WebhookBody.State.PARKED, None
        save_columns(
            bodies,
            ["state", "applied_at", "items", "unknown_items", "faulty_items", "last_error"],
        )
    return len(bodies)


def _claim(limit: int) -> list[WebhookBody]:
    waiting = WebhookBody.objects.filter(state=WebhookBody.State.PENDING).order_by("id")
    bodies: list[WebhookBody] = []
    size = 0
    for body in waiting.select_for_update(skip_locked=True)[:limit]:
        size += len(body.raw)
        if bodies and size > _BATCH_BYTES:
            break
        bodies.append(body)
    return bodies


def _is_applied(bodies: Sequence[WebhookBody]) -> bool:
    try:
        with transaction.atomic():
            _apply(bodies)
    except Exception as error:
        if len(bodies) == 1:
            bodies[0].last_error = f"{type(error).__name__}: {error}"[:300]
            logger.exception("webhook_body_parked", body_id=bodies[0].pk)
        return False
    return True


_Read = tuple[WebhookBody, Reading]


def _apply(bodies: Sequence[WebhookBody]) -> None:
    now = timezone.now()
    readings: list[_Read] = []
    for body in bodies:
        body.last_error = ""
        try:
            reading = read_body(body.raw)
        except MalformedUpdateError as error:
            body.state, body.last_error = WebhookBody.State.PARKED, str(error)
            continue
        readings.append((body, reading))
        body.state, body.applied_at = WebhookBody.State.APPLIED, now
        body.items, body.unknown_items = reading.items, reading.unknown
        body.faulty_items = len(reading.faulty)
    _quarantine(readings)
    channels = {channel.phone_number_id: channel for channel in Channel.objects.all()}
    _apply_statuses(readings, channels)
    _apply_inbound(readings, channels)
    _apply_preferences(readings)
    _apply_templates(readings)


def _quarantine(readings: Sequence[_Read]) -> None:
    QuarantinedItem.objects.bulk_create(
        [
            QuarantinedItem(
                body=body,
                position=item.position[:200],
                raw=item.raw,
                problem=item.problem[:200],
            )
            for body, reading in readings
            for item in reading.faulty
        ],
        ignore_conflicts=True,
    )


def _apply_statuses(readings: Sequence[_Read], channels: Mapping[str, Channel]) -> None:
    updates: dict[tuple[str, str], tuple[WebhookBody, StatusUpdate]] = {}
    for body, reading in readings:
        for update in reading.statuses:
            if update.number in channels:
                updates.setdefault((update.wamid, update.status), (body, update))
            else:
                body.unknown_items += 1
    if not updates:
        return
    matches = _match_attempts([update for _, update in updates.values()])
    StatusEvent.objects.bulk_create(
        [
            StatusEvent(
                attempt_id=matches.get(update.wamid),
                body=body,
                wamid=update.wamid,
                status=update.status,
                occurred_at=update.at,
                error_code=update.error_code,
                error_details=update.error_details,
                price_category=update.price_category,
                price_type=update.price_type,
            )
            # One order for all transactions, so that two of them cannot wait for each other.
            for _, (body, update) in sorted(updates.items())
        ],
        ignore_conflicts=True,
        batch_size=_LOOKUP,
    )
    _reduce(matches)


def _match_attempts(updates: Sequence[StatusUpdate]) -> dict[str, int]:
    """Our attempts by WhatsApp's id, for ids of which the attempt is known.

    An attempt that does not know its id yet is found by the id that we gave it ourselves.
    """
    number_of = {update.wamid: update.number for update in updates}
    found: dict[str, int] = {}
    for wamids in _chunks(sorted(number_of)):
        named = Attempt.objects.filter(wamid__in=wamids)
        found |= {
            str(wamid): attempt_id
            for attempt_id, wamid, number in named.values_list("pk", "wamid", _NUMBER)
            if number == number_of[str(wamid)]
        }
    wamid_of = {
        update.callback: update.wamid
        for update in updates
        if update.callback and update.wamid not in found
    }
    for callbacks in _chunks(sorted(wamid_of)):
        unnamed = Attempt.objects.filter(uuid__in=callbacks, wamid=None)
        found |= {
            wamid_of[uuid]: attempt_id
            for attempt_id, uuid, number in unnamed.values_list("pk", "uuid", _NUMBER)
            if number == number_of[wamid_of[uuid]]
        }
    return found


_NUMBER = "message__channel__phone_number_id"


def _chunks(items: Sequence[Item]) -> Iterable[Sequence[Item]]:
    return (items[start : start + _LOOKUP] for start in range(0, len(items), _LOOKUP))


def _reduce(matches: Mapping[str, int]) -> None:
    """Bring attempts and messages to the state that all their reports together mean."""
    if not matches:
        return
    wamid_of = {attempt_id: wamid for wamid, attempt_id in matches.items()}
    messages = list(
        Message.objects.filter(
            pk__in=Attempt.objects.filter(pk__in=list(wamid_of)).values("message_id")
        )
        .select_related("customer")
        .order_by("pk")
        .select_for_update(of=("self",))
    )
    attempts_of: dict[int, list[Attempt]] = {message.pk: [] for message in messages}
    journeys: dict[int, Journey] = {}
    attempts = Attempt.objects.filter(message__in=list(attempts_of)).order_by("pk")
    for attempt in attempts.prefetch_related("statuses"):
        attempts_of[attempt.message_id].append(attempt)
        journeys[attempt.pk] = _journey(attempt)
    named = [each for attempts in attempts_of.values() for each in attempts if each.pk in wamid_of]
    for attempt in named:
        journey = journeys[attempt.pk]
        attempt.wamid = attempt.wamid or wamid_of[attempt.pk]
        attempt.state = Attempt.State.ACCEPTED
        attempt.price_category, attempt.price_type = journey.price_category, journey.price_type
    save_columns(named, ["wamid", "state", "price_category", "price_type"])
    moved = [
        (message, at)
        for message in messages
        if (at := _moved_at(message, [journeys[each.pk] for each in attempts_of[message.pk]]))
    ]
    save_columns(
        messages,
        ["state", "reason", "is_conflicting", "sent_at", "delivered_at", "read_at", "failed_at"],
    )
    announce(moved)
    for message, _ in moved:
        if message.reason == Message.Reason.OPTED_OUT:
            _note_wish(message.customer, [Consent.Purpose.MARKETING], granted=False, source="meta")


def _journey(attempt: Attempt) -> Journey:
    return reduce_attempt(
        StatusFact(
            status=event.status,
            at=event.occurred_at,
            error_code=event.error_code,
            price_category=event.price_category,
            price_type=event.price_type,
        )
        for event in attempt.statuses.all()
    )


_WAITING = {Message.State.QUEUED, Message.State.SUPPRESSED}


def _moved_at(message: Message, journeys: Sequence[Journey]) -> datetime | None:
    """Set the message to what its reports mean; returns when it reached a new state, if it did."""
    before = message.state
    journey = reduce_message(journeys, awaits_new_attempt=before in _WAITING)
    if journey.report is None:
        return None
    message.state = Message.State(journey.report.value)
    message.sent_at, message.delivered_at = journey.sent_at, journey.delivered_at
    message.read_at, message.failed_at = journey.read_at, journey.failed_at
    message.is_conflicting = journey.is_conflicting
    message.reason = ""
    if journey.report is Report.FAILED:
        kind = KIND_OF_CODE.get(journey.error_code or -1, FailureKind.UNKNOWN)
        message.reason = Message.Reason(kind.value)
    return journey.reported_at if message.state != before else None


def _apply_inbound(readings: Sequence[_Read], channels: Mapping[str, Channel]) -> None:
    updates: dict[str, tuple[WebhookBody, InboundUpdate]] = {}
    for body, reading in readings:
        for update in reading.inbound:
            if update.number in channels:
                updates.setdefault(update.wamid, (body, update))
            else:
                body.unknown_items += 1
    if not updates:
        return
    wamids = sorted(updates)
    known = set(InboundMessage.objects.filter(wamid__in=wamids).values_list("wamid", flat=True))
    customers = customers_by_phone({update.phone for _, update in updates.values() if update.phone})
    InboundMessage.objects.bulk_create(
        [
            InboundMessage(
                channel=channels[update.number],
                customer=customers.get(update.phone),
                body=body,
                wamid=wamid,
                phone=update.phone,
                sender_id=update.sender_id,
                kind=update.kind,
                text=update.text,
                content=update.raw,
                occurred_at=update.at,
            )
            for wamid in wamids
            for body, update in [updates[wamid]]
        ],
        ignore_conflicts=True,
        batch_size=_LOOKUP,
    )
    # Another worker may have written the same message out of another body meanwhile: then the
    # wish in it is that worker's to follow.
    ours = InboundMessage.objects.filter(
        wamid__in=[wamid for wamid in wamids if wamid not in known],
        body__in=[body for body, _ in readings],
    )
    new = set(ours.values_list("wamid", flat=True))
    fresh = [update for _, update in updates.values() if update.wamid in new]
    claim_from_texts(
        said=[Said(phone=each.phone, text=each.text, at=each.at) for each in fresh if each.text]
    )
    for update in sorted((each for each in fresh if each.wish), key=lambda each: each.at):
        if customer := customers.get(update.phone):
            _follow_wish(customer, update)


def _follow_wish(customer: Customer, update: InboundUpdate) -> None:
    """STOP ends everything but what the customer asks for; START brings back what was allowed."""
    match update.wish:
        case Wish.STOP:
            _note_wish(customer, _PURPOSES, granted=False, wording=update.text)
        case Wish.STOP_MARKETING:
            _note_wish(customer, [Consent.Purpose.MARKETING], granted=False, wording=update.text)
        case Wish.START:
            once_allowed = Consent.objects.filter(
                customer=customer,
                channel=Consent.Channel.WHATSAPP,
                purpose=Consent.Purpose.MARKETING,
                granted=True,
            )
            purposes = _PURPOSES if once_allowed.exists() else [Consent.Purpose.SERVICE]
            _note_wish(customer, purposes, granted=True, wording=update.text)


def _note_wish(
    customer: Customer,
    purposes: Iterable[Consent.Purpose],
    *,
    granted: bool,
    wording: str = "",
    source: str = "whatsapp",
) -> None:
    """Record what is not the customer's last word already."""
    for purpose in purposes:
        statements = Consent.objects.filter(
            customer=customer, channel=Consent.Channel.WHATSAPP, purpose=purpose
        )
        last = statements.order_by("-pk").values_list("granted", flat=True).first()
        if last is not granted:
            record_consent(
                customer=customer,
                channel=Consent.Channel.WHATSAPP,
                purpose=purpose,
                granted=granted,
                wording=wording,
                source=source,
            )


def _apply_preferences(readings: Sequence[_Read]) -> None:
    preferences = [each for _, reading in readings for each in reading.preferences]
    if not preferences:
        return
    customers = customers_by_phone({each.phone for each in preferences})
    for preference in preferences:
        if customer := customers.get(preference.phone):
            _note_wish(
                customer,
                [Consent.Purpose.MARKETING],
                granted=preference.is_granted,
                wording="Chosen in WhatsApp's own settings",
                source="meta",
            )


def _apply_templates(readings: Sequence[_Read]) -> None:
    """Take over newer template states; the next sync brings everything else."""
    for _, reading in readings:
        for update in reading.templates:
            Template.objects.filter(
                channel__business_account_id=update.business_account,
                name=update.name,
                language=update.language,
                status_at__lt=update.at,
            ).update(status=update.status, status_at=update.at)
