"""Reading a webhook body: every item of every entry, each on its own.

One body may hold a thousand items over many entries and changes. Items that cannot be read are
returned beside the good ones; kinds that nobody here knows are counted.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from messaging.engine.words import Wish, read_button_wish, read_wish
from messaging.errors import MalformedUpdateError

_ID = re.compile(r"[\x21-\x7e]{1,200}")
_WORD = re.compile(r"[a-z_]{1,20}")
_DIGITS = re.compile(r"\d{7,15}", re.ASCII)
_SECONDS = re.compile(r"\d{9,13}", re.ASCII)
_FIRST_MILLISECOND = 10**11
_LONGEST_QUARANTINED = 10_000

_TEMPLATE_STATUS = {
    **{
        event: event
        for event in (
            *("APPROVED", "REJECTED", "PENDING", "PAUSED", "DISABLED", "IN_APPEAL", "LOCKED"),
            *("ARCHIVED", "LIMIT_EXCEEDED", "PENDING_DELETION", "DELETED"),
        )
    },
    "REINSTATED": "APPROVED",
    "UNARCHIVED": "APPROVED",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdate:
    """What became of a message of ours; `callback` is the id that we gave the attempt."""

    number: str
    wamid: str
    status: str
    at: datetime
    callback: UUID | None
    error_code: int | None
    error_details: str
    price_category: str
    price_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundUpdate:
    """Something that a customer wrote or tapped; `phone` is E.164, empty for hidden numbers."""

    number: str
    wamid: str
    phone: str
    sender_id: str
    kind: str
    text: str
    at: datetime
    wish: Wish | None
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceUpdate:
    """A customer stopped or resumed marketing in WhatsApp's own settings."""

    phone: str
    is_granted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateUpdate:
    """A template of a business account may be sent now, or no longer."""

    business_account: str
    name: str
    language: str
    status: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultyItem:
    """An item that cannot be read; `position` is its path within the body."""

    position: str
    raw: str
    problem: str


@dataclass(slots=True, kw_only=True)
class Reading:
    """All that a body says."""

    statuses: list[StatusUpdate] = field(default_factory=list)
    inbound: list[InboundUpdate] = field(default_factory=list)
    preferences: list[PreferenceUpdate] = field(default_factory=list)
    templates: list[TemplateUpdate] = field(default_factory=list)
    faulty: list[FaultyItem] = field(default_factory=list)
    unknown: int = 0

    @property
    def items(self) -> int:
        """How many items were understood."""
        kinds = (self.statuses, self.inbound, self.preferences, self.templates)
        return sum(len(updates) for updates in kinds)


_Reader = Callable[[Reading, str, Any], None]


def read_body(raw: str) -> Reading:
    """Read a whole body.

    Raises:
        MalformedUpdateError: it is not a JSON object of entries.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise MalformedUpdateError("not JSON") from None
    reading = Reading()
    if not isinstance(body, dict) or not isinstance(body.get("entry"), list):
        raise MalformedUpdateError("no list of entries")
    _read_members(reading, "", body, "entry", _read_entry)
    return reading


def _read_entry(reading: Reading, position: str, entry: Any) -> None:
    def read_change(reading: Reading, position: str, change: Any) -> None:
        _read_change(reading, position, _object(change), _object(entry))

    _read_members(reading, f"{position}.", _object(entry), "changes", read_change)


def _read_change(
    reading: Reading, position: str, change: Mapping[str, Any], entry: Mapping[str, Any]
) -> None:
    value = _object(change.get("value"))
    match change.get("field"):
        case "messages" if "statuses" in value or "messages" in value:
            _read_messages(reading, f"{position}.value.", value)
        case "user_preferences":
            _read_members(
                reading, f"{position}.value.", value, "user_preferences", _read_preference
            )
        case "message_template_status_update":
            _read_template(reading, value, entry)
        case _:
            reading.unknown += 1


def _read_messages(reading: Reading, position: str, value: Mapping[str, Any]) -> None:
    number = _match(_ID, _object(value.get("metadata")).get("phone_number_id"), "phone_number_id")

    def read_status(reading: Reading, _: str, item: Any) -> None:
        reading.statuses.append(_status(number, _object(item)))

    def read_inbound(reading: Reading, _: str, item: Any) -> None:
        reading.inbound.append(_inbound(number, _object(item)))

    for key, read in (("statuses", read_status), ("messages", read_inbound)):
        if key in value:
            _read_members(reading, position, value, key, read)


def _status(number: str, item: Mapping[str, Any]) -> StatusUpdate:
    errors = item.get("errors")
    error = _object(errors[0]) if isinstance(errors, list) and errors else {}
    pricing = _object(item.get("pricing") or {})
    code = error.get("code")
    details = _object(error.get("error_data") or {}).get("details") or error.get("title")
    return StatusUpdate(
        number=number,
        wamid=_match(_ID, item.get("id"), "id"),
        status=_match(_WORD, item.get("status"), "status"),
        at=_time(item.get("timestamp")),
        callback=_uuid(item.get("biz_opaque_callback_data")),
        error_code=code if isinstance(code, int) and abs(code) < 2**31 else None,
        error_details=_clean(details)[:500],
        price_category=_clean(pricing.get("category"))[:40],
        price_type=_clean(pricing.get("type"))[:40],
    )


def _inbound(number: str, item: Mapping[str, Any]) -> InboundUpdate:
    kind = _match(_WORD, item.get("type"), "type")
    content = item.get(kind)
    text, wish = _said(kind, content if isinstance(content, dict) else {})
    sender = item.get("from") or ""
    return InboundUpdate(
        number=number,
        wamid=_match(_ID, item.get("id"), "id"),
        phone=f"+{_match(_DIGITS, sender, 'from')}" if sender else "",
        sender_id=_clean(item.get("from_user_id"))[:150],
        kind=kind,
        text=text,
        at=_time(item.get("timestamp")),
        wish=wish,
        raw=json.dumps(item),
    )


def _said(kind: str, content: Mapping[str, Any]) -> tuple[str, Wish | None]:
    """The readable part of an inbound message, and the wish in it if there is one."""
    match kind:
        case "text":
            text = _clean(content.get("body"))
            return text, read_wish(text)
        case "button":
            label = _clean(content.get("text"))
            return label, read_button_wish(payload=_clean(content.get("payload")), label=label)
        case "interactive":
            reply = content.get(_clean(content.get("type")))
            return _clean(reply.get("title")) if isinstance(reply, dict) else "", None
        case "reaction":
            return _clean(content.get("emoji")), None
    return _clean(content.get("caption")), None


def _read_preference(reading: Reading, _: str, item: Any) -> None:
    preference = _object(item)
    value = preference.get("value")
    if preference.get("category") != "marketing_messages" or value not in {"stop", "resume"}:
        reading.unknown += 1
        return
    phone = _match(_DIGITS, preference.get("wa_id"), "wa_id")
    reading.preferences.append(PreferenceUpdate(phone=f"+{phone}", is_granted=value == "resume"))


def _read_template(reading: Reading, value: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
    status = _TEMPLATE_STATUS.get(str(value.get("event")))
    if status is None:
        reading.unknown += 1
        return
    reading.templates.append(
        TemplateUpdate(
            business_account=_match(_ID, entry.get("id"), "entry.id"),
            name=_match(_ID, value.get("message_template_name"), "message_template_name"),
            language=_match(_ID, value.get("message_template_language"), "language"),
            status=status,
            at=_time(entry.get("time")),
        )
    )


def _read_members(
    reading: Reading, position: str, parent: Mapping[str, Any], key: str, read: _Reader
) -> None:
    """Read each member of a list; one that cannot be read is set aside."""
    members = parent.get(key)
    if not isinstance(members, list):
        _set_aside(reading, f"{position}{key}", members, f"“{key}” is not a list")
        return
    for index, member in enumerate(members):
        place = f"{position}{key}[{index}]"
        try:
            read(reading, place, member)
        except MalformedUpdateError as error:
            _set_aside(reading, place, member, str(error))


def _set_aside(reading: Reading, position: str, item: Any, problem: str) -> None:
    raw = json.dumps(item)[:_LONGEST_QUARANTINED]
    reading.faulty.append(FaultyItem(position=position, raw=raw, problem=problem))


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MalformedUpdateError("not an object")
    return value


def _match(pattern: re.Pattern[str], value: Any, name: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise MalformedUpdateError(f"“{name}” is missing or odd")
    return value


def _time(value: Any) -> datetime:
    """A moment from seconds, as text or number; milliseconds have been seen."""
    text = str(value)
    if isinstance(value, bool) or not _SECONDS.fullmatch(text):
        raise MalformedUpdateError("“timestamp” is missing or odd")
    seconds = int(text)
    return datetime.fromtimestamp(seconds / (1000 if seconds >= _FIRST_MILLISECOND else 1), UTC)


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _clean(value: Any) -> str:
    """A text without what no database takes: lone surrogates and NUL."""
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", "replace").decode().replace("\0", "")
