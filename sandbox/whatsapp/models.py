"""What the stand-in remembers: outgoing messages, inbound messages, their content."""

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

REGION_OF_PREFIX = {
    "1": "US",
    "27": "ZA",
    "33": "FR",
    "44": "GB",
    "49": "DE",
    "91": "IN",
    "92": "PK",
    "880": "BD",
    "966": "SA",
    "971": "AE",
}


@dataclass(frozen=True)
class Button:
    """Something to tap: quick_reply, reply, list_row, url, copy_code or phone_number."""

    kind: str
    text: str
    value: str = ""
    description: str = ""

    @property
    def answers(self) -> bool:
        """Whether a tap sends something back to the business."""
        return self.kind in {"quick_reply", "reply", "list_row"}


@dataclass(frozen=True)
class Content:
    """A message as the person sees it, variables filled in."""

    body: str
    header: str = ""
    footer: str = ""
    buttons: tuple[Button, ...] = ()


@dataclass(frozen=True)
class Draft:
    """A send request that passed every check of its shape; `phone` is digits only."""

    to: str
    phone: str
    kind: str
    content: Content
    template: str = ""
    language: str = ""
    category: str = "service"
    callback_data: str = ""
    reply_to: str = ""

    @property
    def is_template(self) -> bool:
        """Whether it may be sent outside an open window."""
        return self.kind == "template"


@dataclass(frozen=True)
class Status:
    """One step in the life of a message; `at` is seconds since 1970."""

    status: str
    at: float
    errors: tuple[dict[str, Any], ...] = ()


@dataclass
class Message:
    """A message that was accepted. Statuses appear as they happen."""

    index: int
    wamid: str
    accepted_at: float
    draft: Draft
    statuses: list[Status] = field(default_factory=list)

    def find_status(self, name: str) -> Status | None:
        """Return the first status of that name."""
        return next((step for step in self.statuses if step.status == name), None)


@dataclass
class Inbound:
    """Something a person wrote or tapped; `content` is the typed part of the webhook."""

    wamid: str
    phone: str
    at: float
    kind: str
    text: str
    content: dict[str, Any]
    reply_to: str = ""
    seen_at: float | None = None


@dataclass(frozen=True)
class Update:
    """One thing to tell the webhook: a status of a message, or an inbound message."""

    key: str
    subject: Message | Inbound
    status: Status | None = None
    attempts: int = 0


@dataclass(frozen=True)
class Chat:
    """One phone's chat, oldest item first."""

    phone: str
    items: tuple[Message | Inbound, ...]
    window_closes_at: float | None


def profile_name(phone: str) -> str:
    """Return the name that the person chose in WhatsApp."""
    return f"Guest {phone[-4:]}"


def user_id(phone: str) -> str:
    """Return the business-scoped user id of a phone: always the same for the same phone."""
    region = next(
        (name for prefix, name in REGION_OF_PREFIX.items() if phone.startswith(prefix)), "ZZ"
    )
    digest = hashlib.sha256(phone.encode()).digest()
    return f"{region}.{int.from_bytes(digest[:8]) % 10**18:018d}"


def masked(phone: str) -> str:
    """Return the form in which a phone may stand in a log."""
    return f"...{phone[-4:]}"


def draft_as_json(draft: Draft) -> dict[str, Any]:
    """Return the form in which a draft is stored."""
    return asdict(draft)


def draft_from_json(stored: dict[str, Any]) -> Draft:
    """Read what `draft_as_json` wrote."""
    content = stored["content"]
    buttons = tuple(Button(**button) for button in content["buttons"])
    return Draft(**{**stored, "content": Content(**{**content, "buttons": buttons})})
