"""Reads over messages, channels and conversations."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Q

from customers.models import Consent, Customer
from customers.selectors import consent_exists
from messaging.errors import FailureKind, GatewayError
from messaging.models import (
    WINDOW,
    Channel,
    InboundMessage,
    Lane,
    Message,
    MessageQuerySet,
    Template,
)

FALLBACK_LANGUAGE = "en"


def find_default_channel() -> Channel | None:
    """The number that automations send from."""
    return Channel.objects.order_by("pk").first()


def consent_holds() -> Q:
    """Condition on messages: they need no consent, or the customer's last word allows them."""
    return Q(purpose="") | Q(
        consent_exists("customer_id", channel=Consent.Channel.WHATSAPP, purpose=OuterRef("purpose"))
    )


def contact_refusal(customer: Customer) -> Message.Reason | None:
    """Why this customer cannot be messaged at all, if so."""
    if customer.status != Customer.Status.ACTIVE:
        return Message.Reason.NOT_ACTIVE
    if not customer.phone:
        return Message.Reason.NO_PHONE
    return None if customer.phone_reachable else Message.Reason.IMPOSSIBLE_PHONE


def describe_failure(error: GatewayError) -> str:
    """A failed call in words for staff, with what WhatsApp said."""
    if error.kind is FailureKind.AMBIGUOUS:
        return f"No usable answer: {error.details}"
    return f"{Message.Reason(error.kind.value).label}: {error.details}"


def choose_template(templates: Iterable[Template], *, language: str) -> Template | None:
    """Of one template's languages the customer's own, else English; only approved ones."""
    sendable = [template for template in templates if template.is_sendable]
    for wanted in (language, FALLBACK_LANGUAGE):
        for template in sendable:
            if template.language == wanted:
                return template
        for template in sendable:
            if template.language.startswith(f"{wanted}_"):
                return template
    return None


def window_closes_at(customer: Customer) -> datetime | None:
    """Until when free-form answers to this customer are allowed; None if never written."""
    newest = (
        InboundMessage.objects.filter(customer=customer)
        .order_by("-occurred_at")
        .values_list("occurred_at", flat=True)
        .first()
    )
    return newest + WINDOW if newest else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationItem:
    """A message to or from a customer, in words."""

    pk: int
    at: datetime
    is_inbound: bool
    kind: str
    text: str
    state: str = ""
    reason: str = ""


def conversation_with(customer: Customer, *, limit: int = 30) -> list[ConversationItem]:
    """The newest messages to and from a customer, newest first; two queries."""
    sent = [
        ConversationItem(
            pk=message.pk,
            at=message.created_at,
            is_inbound=False,
            kind=message.template_name,
            text=message.body,
            state=message.get_state_display(),
            reason=message.get_reason_display(),
        )
        for message in Message.objects.filter(customer=customer).order_by("-pk")[:limit]
    ]
    received = [
        ConversationItem(
            pk=message.pk,
            at=message.occurred_at,
            is_inbound=True,
            kind=message.kind,
            text=message.text,
        )
        for message in InboundMessage.objects.filter(customer=customer).order_by("-occurred_at")[
            :limit
        ]
    ]
    return sorted([*sent, *received], key=lambda item: item.at, reverse=True)[:limit]


def template_names() -> list[str]:
    """Names of the templates that WhatsApp knows, each once."""
    names = Template.objects.order_by("name").values_list("name", flat=True)
    return list(names.distinct())


def find_template(name: str) -> Template | None:
    """One language of a template, English if there is one."""
    return choose_template(Template.objects.filter(name=name), language=FALLBACK_LANGUAGE) or (
        Template.objects.filter(name=name).first()
    )


def due_messages(channel: Channel, *, now: datetime) -> MessageQuerySet:
    """What a number may send now, most urgent first.

    Nothing while it is stopped; only sign-in codes while WhatsApp asks it to slow down.
    """
    queued = Message.objects.queued().filter(channel=channel, available_at__lte=now)
    urgent_or_open = Q(lane=Lane.OTP) | ~Q(channel__pace__closed_until__gt=now)
    return queued.filter(urgent_or_open, channel__state=Channel.State.ACTIVE).order_by("lane", "id")
