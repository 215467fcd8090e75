"""Rows for tests; every argument is by name."""

import hashlib
import hmac
import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from customers.models import Consent, Customer
from customers.selectors import phone_index, phone_tail_index
from messaging.models import Attempt, Automation, Channel, Lane, Message, Pace, Template
from messaging.services import ensure_automations

APP_SECRET = "sandbox-app-secret"
NUMBER_ID = "118822003344556"
ACCOUNT_ID = "204918837711002"
_numbers = itertools.count(1)

NAMED_BODY: tuple[dict[str, Any], ...] = (
    {
        "type": "BODY",
        "text": "Hi {{first_name}}, you earned {{points}} points at {{store}}: {{balance}}.",
    },
    {"type": "FOOTER", "text": "Thank you"},
)
CODE_BODY: tuple[dict[str, Any], ...] = (
    {"type": "BODY", "text": "*{{1}}* is your verification code."},
    {
        "type": "BUTTONS",
        "buttons": [{"type": "URL", "text": "Copy", "url": "https://x.test/?code=otp{{1}}"}],
    },
)


def make_channel(**fields: Any) -> Channel:
    """A number that speaks to the stand-in's usual address."""
    ensure_automations()
    channel = Channel.objects.create(
        **{
            "name": "Shop",
            "base_url": "http://127.0.0.1:9",
            "api_version": "v26.0",
            "phone_number_id": NUMBER_ID,
            "business_account_id": ACCOUNT_ID,
            "access_token": "sandbox-whatsapp-token",
            "app_secret": APP_SECRET,
            "verify_token": "sandbox-verify-token",
            **fields,
        }
    )
    Pace.objects.create(channel=channel, tokens=100)
    return channel


def make_template(*, channel: Channel, **fields: Any) -> Template:
    """An approved template."""
    values: dict[str, Any] = {
        "remote_id": "1",
        "name": "points_earned",
        "language": "en",
        "category": "UTILITY",
        "status": "APPROVED",
        "status_at": timezone.now() - timedelta(days=1),
        "parameter_format": "NAMED",
        "components": list(NAMED_BODY),
        "synced_at": timezone.now(),
        **fields,
    }
    return Template.objects.create(channel=channel, **values)


def make_code_template(*, channel: Channel) -> Template:
    """The authentication template, with the code in the text and in the button."""
    return make_template(
        channel=channel,
        name="sign_in_code",
        category="AUTHENTICATION",
        parameter_format="POSITIONAL",
        components=list(CODE_BODY),
    )


def make_customer(*, phone: str | None = None, allows: bool = True, **fields: Any) -> Customer:
    """A customer with a phone who allows service messages."""
    if phone is None:
        phone = f"+44770090{next(_numbers) % 10_000:04d}"
    customer = Customer.objects.create(
        **{
            "name": "Layla Haddad",
            "phone": phone,
            "phone_index": phone_index(phone) if phone else None,
            "phone_tail_index": phone_tail_index(phone) if phone else "",
            **fields,
        }
    )
    if allows:
        say(customer=customer, granted=True)
    return customer


def say(*, customer: Customer, granted: bool, purpose: str = Consent.Purpose.SERVICE) -> Consent:
    """The customer's newest word."""
    return Consent.objects.create(
        customer=customer,
        channel=Consent.Channel.WHATSAPP,
        purpose=purpose,
        granted=granted,
        wording="test",
        source="test",
    )


def make_message(*, channel: Channel, customer: Customer | None = None, **fields: Any) -> Message:
    """A message that waits to be sent."""
    now = timezone.now()
    values: dict[str, Any] = {
        "dedup_key": f"test:{next(_numbers)}",
        "template_name": "points_earned",
        "lane": Lane.UTILITY,
        "purpose": Consent.Purpose.SERVICE,
        "parameters": json.dumps(
            {"first_name": "Layla", "points": "42", "store": "High Street", "balance": "420"}
        ),
        "available_at": now - timedelta(seconds=1),
        "expires_at": now + timedelta(hours=1),
        "occurred_at": now,
        **fields,
    }
    return Message.objects.create(channel=channel, customer=customer or make_customer(), **values)


def make_attempt(*, message: Message, **fields: Any) -> Attempt:
    """A call that WhatsApp took."""
    values: dict[str, Any] = {
        "state": Attempt.State.ACCEPTED,
        "claimed_at": timezone.now(),
        **fields,
    }
    return Attempt.objects.create(message=message, **values)


def set_automation(*, trigger: Automation.Trigger, **fields: Any) -> Automation:
    """Change one of the usual automations."""
    ensure_automations()
    Automation.objects.filter(trigger=trigger).update(**fields)
    return Automation.objects.get(trigger=trigger)


def status_item(
    *, wamid: str, status: str, at: datetime, callback: str = "", **more: Any
) -> dict[str, Any]:
    """One element of `statuses`."""
    item: dict[str, Any] = {
        "id": wamid,
        "status": status,
        "timestamp": str(int(at.timestamp())),
        "recipient_id": "447700900101",
        **more,
    }
    return {**item, "biz_opaque_callback_data": callback} if callback else item


def body_of(*, number: str = NUMBER_ID, **values: Sequence[Mapping[str, Any]]) -> bytes:
    """A webhook body with one change that holds these lists, like `statuses=[…]`."""
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": number}, **values}
    body = {
        "object": "whatsapp_business_account",
        "entry": [{"id": ACCOUNT_ID, "changes": [{"field": "messages", "value": value}]}],
    }
    return json.dumps(body).encode()


def sign(raw: bytes, *, secret: str = APP_SECRET) -> str:
    """The signature that WhatsApp would send with these bytes."""
    return f"sha256={hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()}"
