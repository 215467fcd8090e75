"""Sending, in two short transactions around each call: claim before it, record after it.

A claimed message is never sent by anybody else. Whoever wants several of these rows takes them
in one order: pace, messages by id, attempts.
"""

import json
import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F

from customers.models import Consent, SignInChallenge
from customers.services import record_consent, sign_in_code
from loyalty_site.outbox.gateways import wake
from loyalty_site.staff.models import User
from messaging.engine.failures import Decision, Verdict, decide
from messaging.engine.fields import HIDDEN_CODE
from messaging.engine.pacing import Bucket, refill, spend, wait_for_token
from messaging.engine.templates import BlankNotFilledError, fill, render
from messaging.errors import (
    CodeMessageNotRepeatedError,
    FailureKind,
    GatewayError,
    NotSafeToRepeatError,
)
from messaging.gateways.whatsapp import Address, TemplateCall
from messaging.models import Attempt, Channel, Lane, Message, Pace, Template
from messaging.selectors import (
    choose_template,
    consent_holds,
    contact_refusal,
    describe_failure,
    due_messages,
)
from messaging.services.channels import SEND_TASK, address_of, stop_channel
from messaging.services.queueing import announce, expiry_reason
from messaging.services.rows import save_columns

logger = structlog.get_logger(__name__)

LEASE = timedelta(seconds=5)
STALE_AFTER = timedelta(seconds=60)
"""Longer than any call and its recording can take; see `gateways.whatsapp.CALL_DEADLINE_S`."""
_TEMPLATE_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedCall:
    """A message that this sender, and nobody else, may send now."""

    message_id: int
    attempt_id: int
    claim: uuid.UUID
    address: Address
    call: TemplateCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one claim brought: calls to make, how many rows it looked at, when to come again."""

    calls: Sequence[ClaimedCall] = ()
    examined: int = 0
    pause: timedelta | None = None
    is_lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """How a call ended: WhatsApp's id of the message, or the error."""

    claimed: ClaimedCall
    wamid: str = ""
    error: GatewayError | None = None


@dataclass(slots=True, kw_only=True)
class _Sorted:
    """Due messages, by what is to become of them now."""

    ready: list[tuple[Message, Template, list[dict[str, object]]]] = field(default_factory=list)
    dropped: list[Message] = field(default_factory=list)
    postponed: list[Message] = field(default_factory=list)


def take_lease(*, channel: Channel, sender: uuid.UUID, now: datetime) -> bool:
    """Become the one worker that sends for a number; False while another one is.

    A lease only saves work. What keeps a message from leaving twice is its claim.
    """
    free = Pace.objects.filter(channel=channel).exclude(leased_until__gt=now)
    return bool(free.update(leased_by=sender, leased_until=now + LEASE))


def release_lease(*, channel: Channel, sender: uuid.UUID) -> None:
    """Let another worker send for the number."""
    Pace.objects.filter(channel=channel, leased_by=sender).update(leased_until=None)


@transaction.atomic
def claim_messages(*, channel: Channel, sender: uuid.UUID, limit: int, now: datetime) -> Claim:
    """Take up to `limit` due messages, as far as the number's pace allows, and commit.

    Each becomes `sending` by one conditional update, only while it is still queued and its
    consent still holds; each gets an attempt. Those that must not go out any more are marked
    with the reason. A number that was stopped has nothing to claim.
    """
    paces = Pace.objects.select_related("channel").select_for_update(of=("self",))
    pace = paces.get(channel=channel)
    if pace.leased_by != sender or not pace.leased_until:
        return Claim(is_lost=True)
    pace.leased_until = now + LEASE
    channel = pace.channel
    bucket = refill(
        Bucket(tokens=pace.tokens, refilled_at=pace.refilled_at),
        now=now,
        per_second=channel.pace_per_second,
    )
    allowed = min(limit, int(bucket.tokens))
    due = list(
        due_messages(channel, now=now)
        .select_related("customer", "challenge")
        .select_for_update(of=("self",), skip_locked=True)[:allowed]
    )
    result = _sort(channel, due, now=now)
    calls = _take(channel, result, now=now)
    bucket = spend(bucket, len(calls))
    pace.tokens, pace.refilled_at = bucket.tokens, bucket.refilled_at
    pace.save(update_fields=["tokens", "refilled_at", "leased_until"])
    return Claim(
        calls=calls,
        examined=len(due),
        pause=wait_for_token(bucket, per_second=channel.pace_per_second) if not allowed else None,
    )


def _sort(channel: Channel, due: Iterable[Message], *, now: datetime) -> _Sorted:
    templates: dict[str, list[Template]] = {}
    names = {message.template_name for message in due}
    for known in Template.objects.filter(channel=channel, name__in=names) if names else ():
        templates.setdefault(known.name, []).append(known)
    result = _Sorted()
    for message in due:
        reason = contact_refusal(message.customer)
        if message.expires_at <= now or _is_used(message.challenge):
            reason = expiry_reason(message)
        template = choose_template(
            templates.get(message.template_name, ()), language=message.language
        )
        if reason:
            message.state, message.reason = Message.State.SUPPRESSED, reason
            result.dropped.append(message)
        elif template is None:
            message.reason = Message.Reason.AWAITS_TEMPLATE
            message.available_at = now + _TEMPLATE_PAUSE
            result.postponed.append(message)
        else:
            _fill(message, template, result)
    return result


def _is_used(challenge: SignInChallenge | None) -> bool:
    return challenge is not None and challenge.used_at is not None


def _fill(message: Message, template: Template, result: _Sorted) -> None:
    values: dict[str, str] = json.loads(message.parameters or "{}")
    message.language = template.language
    message.body = render(template.components, values).text
    if message.challenge is not None:
        values = _revealed(values, message.challenge)
    try:
        components = fill(template.components, named=template.is_named, values=values)
    except BlankNotFilledError:
        message.state, message.reason = Message.State.FAILED, Message.Reason.BLANK_EMPTY
        result.dropped.append(message)
    else:
        result.ready.append((message, template, components))


def _revealed(values: Mapping[str, str], challenge: SignInChallenge) -> dict[str, str]:
    code = sign_in_code(challenge)
    return {key: value.replace(HIDDEN_CODE, code) for key, value in values.items()}


def _take(channel: Channel, result: _Sorted, *, now: datetime) -> list[ClaimedCall]:
    """The claim itself: a compare-and-set that only one sender wins for each message."""
    claim = uuid.uuid4()
    wanted = [message.pk for message, _, _ in result.ready]
    if wanted:
        Message.objects.queued().filter(consent_holds(), pk__in=wanted).update(
            state=Message.State.SENDING, reason="", claim=claim, tries=F("tries") + 1
        )
    won = set(
        Message.objects.filter(claim=claim, state=Message.State.SENDING).values_list(
            "pk", flat=True
        )
        if wanted
        else ()
    )
    winners = [each for each in result.ready if each[0].pk in won]
    save_columns([message for message, _, _ in winners], ["language", "body"])
    attempts = Attempt.objects.bulk_create(
        [Attempt(message=message, claimed_at=now) for message, _, _ in winners]
    )
    _write_down(result, [pk for pk in wanted if pk not in won], now=now)
    address = address_of(channel)
    return [
        ClaimedCall(
            message_id=message.pk,
            attempt_id=attempt.pk,
            claim=claim,
            address=address,
            call=TemplateCall(
                to=message.customer.phone,
                template=template.name,
                language=template.language,
                components=components,
                attempt=attempt.uuid,
            ),
        )
        for (message, template, components), attempt in zip(winners, attempts, strict=True)
    ]


def _write_down(result: _Sorted, not_won: Sequence[int], *, now: datetime) -> None:
    """Note what is not sent now. Rows still queued after the claim lacked consent."""
    refused = list(Message.objects.queued().filter(pk__in=not_won)) if not_won else []
    for message in refused:
        message.state, message.reason = Message.State.SUPPRESSED, Message.Reason.NO_CONSENT
    save_columns(
        [*refused, *result.dropped, *result.postponed], ["state", "reason", "available_at"]
    )
    announce((message, now) for message in [*refused, *result.dropped])


@transaction.atomic
def record_results(*, channel: Channel, results: Sequence[CallResult], now: datetime) -> None:
    """Write down how calls ended.

    A message that a status report has moved on meanwhile keeps that state; a late answer still
    settles a message that was marked unconfirmed.
    """
    messages = {
        message.pk: message
        for message in Message.objects.filter(pk__in={each.claimed.message_id for each in results})
        .select_related("customer")
        .order_by("pk")
        .select_for_update(of=("self",))
    }
    attempts = Attempt.objects.in_bulk({each.claimed.attempt_id for each in results})
    moved: list[Message] = []
    for result in results:
        message = messages[result.claimed.message_id]
        attempt = attempts[result.claimed.attempt_id]
        attempt.answered_at = now
        decision = _note_on_attempt(attempt, message, result)
        if message.claim != result.claimed.claim or message.state not in _OPEN:
            continue
        if decision is None:
            message.state, message.reason = Message.State.ACCEPTED, ""
        else:
            _apply(decision, message, attempt, now=now)
        moved.append(message)
        if decision is not None and result.error is not None:
            _react(channel, message, result.claimed, result.error, decision, now=now)
    save_columns(moved, ["state", "reason", "tries", "available_at", "failed_at"])
    save_columns(
        list(attempts.values()),
        ["state", "answered_at", "wamid", "failure", "error_code", "error_details"],
    )
    announce((message, now) for message in moved if message.state != Message.State.QUEUED)


_OPEN = {Message.State.SENDING, Message.State.UNCONFIRMED}


def _note_on_attempt(attempt: Attempt, message: Message, result: CallResult) -> Decision | None:
    """Note the answer; returns what a failure leads to."""
    error = result.error
    if error is None:
        attempt.state, attempt.wamid = Attempt.State.ACCEPTED, attempt.wamid or result.wamid
        return None
    attempt.failure = error.kind
    attempt.error_code = error.code
    attempt.error_details = error.details[:500]
    decision = decide(kind=error.kind, code=error.code, tries=message.tries)
    if attempt.state != Attempt.State.ACCEPTED:
        is_lost = decision.verdict is Verdict.UNCONFIRMED
        attempt.state = Attempt.State.UNCONFIRMED if is_lost else Attempt.State.REFUSED
    return decision


def _apply(decision: Decision, message: Message, attempt: Attempt, *, now: datetime) -> None:
    if decision.verdict is Verdict.UNCONFIRMED:
        message.state, message.reason = Message.State.UNCONFIRMED, Message.Reason.NO_ANSWER
        return
    message.reason = Message.Reason(attempt.failure)
    match decision.verdict:
        case Verdict.SUPPRESS:
            message.state = Message.State.SUPPRESSED
        case Verdict.GIVE_UP:
            message.state, message.failed_at = Message.State.FAILED, now
        case Verdict.REPEAT:
            message.state = Message.State.QUEUED
            message.tries -= 0 if decision.counts else 1
            message.available_at = now + decision.pause * random.uniform(1, 1.5)  # noqa: S311


def _react(
    channel: Channel,
    message: Message,
    claimed: ClaimedCall,
    error: GatewayError,
    decision: Decision,
    *,
    now: datetime,
) -> None:
    """What one message's failure means for the number, the template, the customer."""
    logger.warning(
        "whatsapp_call_failed",
        message_id=message.pk,
        kind=error.kind.value,
        code=error.code,
        details=error.details,
    )
    if decision.closes_number_for:
        Pace.objects.filter(channel=channel).update(closed_until=now + decision.closes_number_for)
    if decision.blocks_template:
        Template.objects.filter(
            channel=channel, name=claimed.call.template, language=claimed.call.language
        ).update(status="PAUSED", status_at=now)
    if decision.stops_channel:
        current = Channel.objects.select_for_update().get(pk=channel.pk)
        # Another token was stored while this call was under way: its refusal says nothing.
        if current.access_token == claimed.address.access_token:
            stop_channel(channel=current, because=describe_failure(error))
    if error.kind is FailureKind.OPTED_OUT:
        record_consent(
            customer=message.customer,
            channel=Consent.Channel.WHATSAPP,
            purpose=Consent.Purpose.MARKETING,
            granted=False,
            wording=error.details,
            source="meta",
        )


@transaction.atomic
def mark_stale_unconfirmed(*, now: datetime, limit: int = 500) -> int:
    """Give up waiting for calls whose worker vanished: nobody knows whether they went out.

    They are never sent again by themselves; a status report still confirms them.
    """
    stale = list(
        Attempt.objects.filter(
            state=Attempt.State.CALLING, claimed_at__lt=now - STALE_AFTER
        ).order_by("pk")[:limit]
    )
    messages = list(
        Message.objects.filter(
            pk__in=[attempt.message_id for attempt in stale], state=Message.State.SENDING
        )
        .order_by("pk")
        .select_for_update()
    )
    for message in messages:
        message.state, message.reason = Message.State.UNCONFIRMED, Message.Reason.NO_ANSWER
    save_columns(messages, ["state", "reason"])
    Attempt.objects.filter(
        pk__in=[attempt.pk for attempt in stale], state=Attempt.State.CALLING
    ).update(state=Attempt.State.UNCONFIRMED, failure=FailureKind.AMBIGUOUS)
    announce((message, now) for message in messages)
    return len(messages)


@transaction.atomic
def retry_message(*, message: Message, now: datetime, acting_user: User | None = None) -> Message:
    """Queue a failed message once more, from its first try.

    Raises:
        NotSafeToRepeatError: it may have reached the customer, or is on its way.
        CodeMessageNotRepeatedError: it holds a sign-in code.
    """
    locked = Message.objects.select_for_update().get(pk=message.pk)
    if locked.lane == Lane.OTP:
        raise CodeMessageNotRepeatedError
    if not locked.is_repeatable:
        raise NotSafeToRepeatError(state=locked.get_state_display().lower())
    locked.state, locked.reason, locked.tries = Message.State.QUEUED, "", 0
    locked.failed_at, locked.available_at = None, now
    locked.expires_at = max(locked.expires_at, now + timedelta(hours=1))
    locked.save(
        update_fields=["state", "reason", "tries", "failed_at", "available_at", "expires_at"]
    )
    logger.info(
        "message_retried", message_id=locked.pk, user_id=acting_user.pk if acting_user else None
    )
    transaction.on_commit(lambda: wake(SEND_TASK, str(locked.channel_id)))
    return locked
