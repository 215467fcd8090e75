"""Visitors, and what they leave behind."""

from typing import Any

from django.db.models import Sum
from django.test import Client

from affiliates.engine import CLICK_COOKIE
from affiliates.models import Enrolment, Link, ReachDay, Target
from affiliates.services import create_link, drain_journal, save_target
from affiliates.services.clicks import seal_journal
from affiliates.tests.factories import make_enrolment

PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
    " Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)
WHATSAPP = "WhatsApp/2.24.20.79 A"


def make_target(address: str = "https://shop.example", **fields: Any) -> Target:
    fields = {"name": "Our shop", "is_default": True, **fields}
    return save_target(target=Target(address=address, **fields))


def make_link(enrolment: Enrolment | None = None, *, page: str = "", label: str = "") -> Link:
    """A link to a shop of its own."""
    if not Target.objects.filter(is_default=True, address__startswith="https").exists():
        make_target()
    return create_link(enrolment=enrolment or make_enrolment(), page=page, label=label)


def visit(link: Link | str, *, agent: str = PHONE, query: str = "", **headers: str) -> Any:
    """Open a link in a browser without cookies."""
    code = link.code if isinstance(link, Link) else link
    names = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return Client(HTTP_USER_AGENT=agent).get(f"/r/{code}{query}", **names)  # type: ignore[arg-type]


def cookie_of(answer: Any) -> str:
    return answer.cookies[CLICK_COOKIE].value if CLICK_COOKIE in answer.cookies else ""


def drain() -> int:
    """Bring everything noted into the database; returns how many visits."""
    seal_journal()
    return drain_journal().visits


def counts(link: Link) -> dict[str, int]:
    """The counts of a link over all days, by kind."""
    rows = ReachDay.objects.filter(link=link).values("kind").annotate(total=Sum("count"))
    return {row["kind"]: row["total"] for row in rows}
