"""The bodies that the webhook receives."""

from collections.abc import Iterable
from typing import Any

from sandbox.whatsapp.models import Inbound, Message, Status, Update, profile_name, user_id
from sandbox.whatsapp.settings import DISPLAY_NUMBER, PHONE_NUMBER_ID, WABA_ID


def webhook_body(updates: Iterable[Update]) -> dict[str, Any]:
    """Return one body for several updates: one change for each person and kind of update."""
    values: dict[tuple[str, str], dict[str, Any]] = {}
    for update in updates:
        if isinstance(update.subject, Inbound):
            phone, kind, item = update.subject.phone, "messages", inbound_item(update.subject)
        elif update.status:
            phone, kind = update.subject.draft.phone, "statuses"
            item = status_item(update.subject, update.status)
        # Meta leaves the contact out beside a failure, so failures go into a change of their own.
        failed = bool(update.status and update.status.errors)
        group = (phone, "failed" if failed else kind)
        value = values.setdefault(group, _value(None if failed else phone))
        value.setdefault(kind, []).append(item)
    changes = [{"value": value, "field": "messages"} for value in values.values()]
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": WABA_ID, "changes": changes}],
    }


def status_item(message: Message, status: Status) -> dict[str, Any]:
    """Return one element of `statuses`."""
    draft = message.draft
    item: dict[str, Any] = {
        "id": message.wamid,
        "status": status.status,
        "timestamp": str(int(status.at)),
        "recipient_id": draft.phone,
    }
    if draft.callback_data:
        item["biz_opaque_callback_data"] = draft.callback_data
    if status.status in {"sent", "delivered"}:
        item["pricing"] = {
            "billable": draft.is_template,
            "pricing_model": "PMP",
            "type": "regular" if draft.is_template else "free_customer_service",
            "category": draft.category,
        }
    if status.errors:
        item["errors"] = list(status.errors)
    return item


def inbound_item(inbound: Inbound) -> dict[str, Any]:
    """Return one element of `messages`."""
    item: dict[str, Any] = {
        "from": inbound.phone,
        "from_user_id": user_id(inbound.phone),
        "id": inbound.wamid,
        "timestamp": str(int(inbound.at)),
        "type": inbound.kind,
        inbound.kind: inbound.content,
    }
    if inbound.reply_to:
        item["context"] = {"from": DISPLAY_NUMBER, "id": inbound.reply_to}
    return item


def _value(phone: str | None) -> dict[str, Any]:
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": DISPLAY_NUMBER,
            "phone_number_id": PHONE_NUMBER_ID,
        },
    }
    if phone:
        value["contacts"] = [
            {
                "profile": {"name": profile_name(phone)},
                "wa_id": phone,
                "user_id": user_id(phone),
            }
        ]
    return value
