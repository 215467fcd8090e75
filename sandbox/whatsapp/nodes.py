"""What Graph reads return: the phone number, the business account, the template list."""

import base64
import binascii
from typing import Any
from urllib.parse import urlencode

from sandbox.whatsapp.errors import bad_cursor, bad_request
from sandbox.whatsapp.settings import DISPLAY_NUMBER, PHONE_NUMBER_ID, WABA_ID
from sandbox.whatsapp.templates import Catalogue

PAGE_SIZE = 25
LONGEST_PAGE = 1000
FILTERS = ("status", "name", "language", "category")

_HEALTH = {
    "can_send_message": "AVAILABLE",
    "entities": [
        {"entity_type": "PHONE_NUMBER", "id": PHONE_NUMBER_ID, "can_send_message": "AVAILABLE"},
        {"entity_type": "WABA", "id": WABA_ID, "can_send_message": "AVAILABLE"},
    ],
}
NODES: dict[str, dict[str, Any]] = {
    PHONE_NUMBER_ID: {
        "id": PHONE_NUMBER_ID,
        "verified_name": "Sandbox Shop",
        "display_phone_number": f"+{DISPLAY_NUMBER}",
        "quality_rating": "GREEN",
        "code_verification_status": "VERIFIED",
        "name_status": "APPROVED",
        "status": "CONNECTED",
        "platform_type": "CLOUD_API",
        "account_mode": "SANDBOX",
        "throughput": {"level": "STANDARD"},
        "whatsapp_business_manager_messaging_limit": "TIER_2K",
        "health_status": _HEALTH,
    },
    WABA_ID: {
        "id": WABA_ID,
        "name": "Sandbox Shop",
        "currency": "GBP",
        "account_review_status": "APPROVED",
        "business_verification_status": "verified",
        "health_status": _HEALTH,
    },
}


def read_node(node: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
    """Return the fields that were asked for, all if none was named.

    Raises:
        GraphError: 100, the node has no such field.
    """
    return _pick(node, query.get("fields", ""))


def list_templates(catalogue: Catalogue, query: dict[str, str], *, address: str) -> dict[str, Any]:
    """Return one page of templates; `address` is the URL of the listing without a query.

    Raises:
        GraphError: 100 for a bad limit or field, 131059 for a bad cursor.
    """
    wanted = {name: query[name] for name in FILTERS if query.get(name)}
    rows = [
        each.row
        for each in catalogue.templates
        if all(each.row[name] == value for name, value in wanted.items())
    ]
    limit = _limit(query.get("limit") or str(PAGE_SIZE))
    if query.get("before"):
        stop = min(_position(query["before"]), len(rows))
        start = max(0, stop - limit)
    else:
        start = _position(query["after"]) + 1 if query.get("after") else 0
        stop = start + limit
    page = rows[start:stop]
    answer: dict[str, Any] = {"data": [_pick(row, query.get("fields", "")) for row in page]}
    if page:
        last = start + len(page) - 1
        paging: dict[str, Any] = {"cursors": {"before": _cursor(start), "after": _cursor(last)}}
        kept = {name: value for name, value in query.items() if name not in {"before", "after"}}
        if last + 1 < len(rows):
            paging["next"] = f"{address}?{urlencode({**kept, 'after': _cursor(last)})}"
        if start:
            paging["previous"] = f"{address}?{urlencode({**kept, 'before': _cursor(start)})}"
        answer["paging"] = paging
    return answer


def _pick(row: dict[str, Any], fields: str) -> dict[str, Any]:
    names = [name.strip() for name in fields.split(",") if name.strip()]
    for name in names:
        if name not in row:
            raise bad_request(f"Tried accessing nonexisting field ({name}).")
    return {name: row[name] for name in (*names, "id")} if names else row


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise bad_request("Param limit must be a positive integer.")
    return min(int(text), LONGEST_PAGE)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"row:{position}".encode()).decode().rstrip("=")


def _position(cursor: str) -> int:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        word, _, position = base64.urlsafe_b64decode(padded).decode().partition(":")
        if word == "row" and position.isascii() and position.isdigit():
            return int(position)
    except (binascii.Error, ValueError):
        pass
    raise bad_cursor()
