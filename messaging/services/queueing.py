"""From events to messages: what is sent, to whom, and why not."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import transaction

from customers.models import Consent, Customer, SignInChallenge
from customers.selectors import consent_states
from loyalty_site.outbox.gateways import wake
from loyalty_site.outbox.services import publish
from messaging.engine.fields import Facts, bind
from messaging.events import MessageStateChanged
from messaging.models import Automation, Message
from messaging.selectors import contact_refusal, find_default_channel
from messaging.services.channels import SEND_TASK


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """Something that happened to a customer and may be worth a message.

    `key` names the cause within its trigger for ever, like `entry:5`. What `facts` says of the
    customer is filled in here.
    """

    key: str
    customer_id: int
    occurred_at: datetime
    facts: Facts = field(default_factory=Facts)
    challenge: SignInChallenge | None = None


@transaction.atomic
def queue_messages(
    *, trigger: Automation.Trigger, occasions: Sequence[Occasion], now: datetime
) -> list[Message]:
    """Write one message for each new occasion, in a constant number of queries.

    Those that must not go out are written too, with the reason. Occasions that already have a
    message are left alone. Nothing is written while the automation is off or no number exists.
    """
    automation = Automation.objects.filter(trigger=trigger, is_enabled=True).first()
    channel = find_default_channel() if automation and occasions else None
    if automation is None or channel is None:
        return []
    by_key = {f"{trigger}:{occasion.key}": occasion for occasion in occasions}
    known = set(Message.objects.filter(dedup_key__in=by_key).values_list("dedup_key", flat=True))
    wanted = {key: occasion for key, occasion in by_key.items() if key not in known}
    customer_ids = {occasion.customer_id for occasion in wanted.values()}
    customers = Customer.objects.in_bulk(customer_ids)
    consents = (
        consent_states(
            customer_ids=customer_ids,
            channel=Consent.Channel.WHATSAPP,
            purpose=automation.purpose,
        )
        if automation.purpose
        else dict.fromkeys(customer_ids, True)
    )
    messages = [
        _message(
            automation,
            key,
            occasion,
            customers[occasion.customer_id],
            is_allowed=consents.get(occasion.customer_id, False),
            now=now,
        )
        for key, occasion in wanted.items()
    ]
    for message in messages:
        message.channel = channel
    Message.objects.bulk_create(messages, batch_size=500)
    announce((message, now) for message in messages)
    if any(message.state == Message.State.QUEUED for message in messages):
        transaction.on_commit(lambda: wake(SEND_TASK, str(channel.pk)))
    return messages


def _message(
    automation: Automation,
    key: str,
    occasion: Occasion,
    customer: Customer,
    *,
    is_allowed: bool,
    now: datetime,
) -> Message:
    expires_at = occasion.occurred_at + timedelta(hours=automation.max_age_hours)
    if occasion.challenge:
        expires_at = min(expires_at, occasion.challenge.expires_at)
    message = Message(
        dedup_key=key,
        customer=customer,
        template_name=automation.template_name,
        language=customer.language,
        lane=automation.lane,
        purpose=automation.purpose,
        challenge=occasion.challenge,
        available_at=now,
        created_at=now,
        occurred_at=occasion.occurred_at,
        expires_at=expires_at,
    )
    reason = contact_refusal(customer) or (None if is_allowed else Message.Reason.NO_CONSENT)
    if expires_at <= now:
        reason = expiry_reason(message)
    if reason:
        message.state, message.reason = Message.State.SUPPRESSED, reason
    else:
        facts = replace(occasion.facts, first_name=customer.first_name, language=customer.language)
        values = bind(automation.bindings, facts)
        message.parameters = json.dumps(values, ensure_ascii=False)
    return message


def expiry_reason(message: Message) -> Message.Reason:
    """Why a message whose time is over does not go out."""
    if message.challenge_id is not None:
        return Message.Reason.CODE_EXPIRED
    return Message.Reason.TOO_OLD


def announce(reached: Iterable[tuple[Message, datetime]]) -> None:
    """Tell other apps which state messages reached, and when."""
    publish(
        MessageStateChanged(
            message_id=message.pk,
            template=message.template_name,
            state=message.state,
            occurred_at=at,
        )
        for message, at in reached
    )
