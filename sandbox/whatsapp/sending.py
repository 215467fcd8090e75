"""Reading the body of `POST /messages`: every check that needs no history."""

import re
from collections.abc import Iterable
from typing import Any

from sandbox.whatsapp.errors import bad_request, bad_value, missing, unsupported_type
from sandbox.whatsapp.models import Button, Content, Draft
from sandbox.whatsapp.settings import COUNTRY_CODE
from sandbox.whatsapp.templates import Catalogue, fill_in

TEXT_LENGTH = 4096
CALLBACK_LENGTH = 512

_PHONE = re.compile(r"\+?[1-9]\d{6,14}", re.ASCII)
_PHONE_DECORATION = re.compile(r"[\s().-]")


def read_draft(request: dict[str, Any], catalogue: Catalogue) -> Draft:
    """Check a send request and return what it would send.

    Raises:
        GraphError: the request would be refused whatever happened before.
    """
    if request.get("messaging_product") != "whatsapp":
        raise bad_request("The parameter messaging_product must be 'whatsapp'.")
    if request.get("recipient_type", "individual") != "individual":
        raise bad_value("recipient_type must be 'individual'.")
    to = request.get("to")
    if not isinstance(to, str) or not to.strip():
        raise missing("to")
    phone = normalise_phone(to)
    common: dict[str, Any] = {
        "to": to,
        "phone": phone,
        "callback_data": _text(
            request, "biz_opaque_callback_data", CALLBACK_LENGTH, required=False
        ),
        "reply_to": _text(
            _object(request, "context", required=False), "message_id", 512, required=False
        ),
    }
    kind = request.get("type", "text")
    if kind == "template":
        return _template(_object(request, "template"), catalogue, common)
    if kind == "text":
        body = _text(_object(request, "text"), "body", TEXT_LENGTH)
        return Draft(kind=kind, content=Content(body), **common)
    if kind == "interactive":
        return Draft(kind=kind, content=_interactive(_object(request, "interactive")), **common)
    raise unsupported_type(kind)


def normalise_phone(to: str) -> str:
    """Return the WhatsApp id of a phone: digits with the country code.

    As Meta does, a number without a plus is read as a number of the business's own country.

    Raises:
        GraphError: 131009, not a phone number.
    """
    compact = _PHONE_DECORATION.sub("", to)
    if not compact.startswith(("+", COUNTRY_CODE)):
        compact = COUNTRY_CODE + compact.removeprefix("0")
    if not _PHONE.fullmatch(compact):
        raise bad_value("Parameter 'to' is not a phone number.")
    return compact.removeprefix("+")


def _template(template: dict[str, Any], catalogue: Catalogue, common: dict[str, Any]) -> Draft:
    name = _text(template, "name", 512)
    language = _text(_object(template, "language"), "code", 20)
    components = _objects(template, "components") if template.get("components") else []
    found = catalogue.get_sendable(name, language)
    return Draft(
        kind="template",
        content=fill_in(found, components),
        template=name,
        language=language,
        category=found.category.lower(),
        **common,
    )


def _interactive(interactive: dict[str, Any]) -> Content:
    kind = interactive.get("type")
    if kind not in {"button", "list"}:
        raise bad_value("interactive['type'] must be 'button' or 'list'.")
    action = _object(interactive, "action")
    header = _object(interactive, "header", required=False)
    if header and header.get("type") != "text":
        raise bad_value("interactive['header']['type'] must be 'text'.")
    return Content(
        body=_text(_object(interactive, "body"), "text", 4096 if kind == "list" else 1024),
        header=_text(header, "text", 60) if header else "",
        footer=_text(_object(interactive, "footer", required=False), "text", 60, required=False),
        buttons=_reply_buttons(action) if kind == "button" else _list_rows(action),
    )


def _reply_buttons(action: dict[str, Any]) -> tuple[Button, ...]:
    buttons = _objects(action, "buttons")
    if not 1 <= len(buttons) <= 3:
        raise bad_value("Invalid buttons count. Min allowed buttons: 1, max allowed buttons: 3")
    replies = [_object(button, "reply") for button in buttons]
    if any(button.get("type") != "reply" for button in buttons):
        raise bad_value("Each button must be of type 'reply'.")
    return _distinct(
        Button("reply", _text(reply, "title", 20), _text(reply, "id", 256)) for reply in replies
    )


def _list_rows(action: dict[str, Any]) -> tuple[Button, ...]:
    _text(action, "button", 20)
    sections = _objects(action, "sections")
    for section in sections:
        _text(section, "title", 24, required=len(sections) > 1)
    rows = [row for section in sections for row in _objects(section, "rows")]
    if not 1 <= len(rows) <= 10:
        raise bad_value("Total row count exceed max allowed count: 10, or there is no row.")
    return _distinct(
        Button(
            "list_row",
            _text(row, "title", 24),
            _text(row, "id", 200),
            _text(row, "description", 72, required=False),
        )
        for row in rows
    )


def _distinct(buttons: Iterable[Button]) -> tuple[Button, ...]:
    """Two buttons with one id could not be told apart."""
    found = tuple(buttons)
    if len({button.value for button in found}) < len(found):
        raise bad_value("Each button or row needs an id of its own.")
    return found


def _text(parent: dict[str, Any], key: str, longest: int, *, required: bool = True) -> str:
    value = parent.get(key)
    if value is None and not required:
        return ""
    if value is None or value == "":
        raise missing(key)
    if not isinstance(value, str):
        raise bad_request(f"Param {key} must be a string.")
    if len(value) > longest:
        raise bad_request(f"Param {key} must be at most {longest} characters long.")
    return value


def _object(parent: dict[str, Any], key: str, *, required: bool = True) -> dict[str, Any]:
    value = parent.get(key)
    if value is None:
        if required:
            raise missing(key)
        return {}
    if not isinstance(value, dict):
        raise bad_request(f"Param {key} must be a JSON object.")
    return value


def _objects(parent: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = parent.get(key)
    if value is None:
        raise missing(key)
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise bad_request(f"Param {key} must be an array of JSON objects.")
    return value
