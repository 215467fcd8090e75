"""Who opens a link, what is kept of it, and which visits are one click."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

CLICK_COOKIE = "aff_click"
"""The first-party cookie that remembers a click; its value is the click's public id."""
CLICK_PARAMETER = "aff_click"
"""The parameter by which a web shop learns the click's public id."""
REPEAT_WINDOW = timedelta(hours=1)

UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content")
SUB_IDS = ("sub", "sub_id", "subid")
PAID = frozenset(
    {"gclid", "gbraid", "wbraid", "gad_source", "dclid", "msclkid", "ttclid", "twclid", "yclid"}
)
"""What advertising networks add to paid clicks; `fbclid` is not among them, posts carry it too."""
_LONGEST_VALUE = 80
_LONGEST_HOST = 120

# Plain texts, in small letters: they are looked for in every visit, and that is many times quicker
# than one regular expression of them.
_PREVIEWS = (
    *("facebookexternalhit", "facebot", "twitterbot", "telegrambot", "linkedinbot", "slackbot"),
    *("slack-imgproxy", "discordbot", "skypeuripreview", "pinterestbot", "snap url preview"),
    *("redditbot", "vkshare", "viberbot", "mastodon/", "iframely", "embedly"),
    *("google-pagerenderer", "bingpreview"),
)
_PREVIEW_STARTS = ("whatsapp/",)
_BOTS = (
    *("crawl", "spider", "slurp", "scrapy", "headless", "phantomjs", "lighthouse", "pingdom"),
    *("uptime", "monitor", "httpclient", "http_request", "mediapartners", "google-read-aloud"),
    *("url preview", "validator", "scanner"),
)
_BOT_STARTS = (
    *("curl/", "wget/", "python", "java/", "go-http", "okhttp", "libwww", "ruby", "php", "node"),
    *("axios", "postman"),
)
# “Cubot” is a maker of telephones.
_BOT_NAME = re.compile(r"(?<!cu)bot\b")
_LOADED_AHEAD = (
    ("sec-purpose", "prefetch"),
    ("sec-purpose", "prerender"),
    ("purpose", "prefetch"),
    ("purpose", "preview"),
    ("x-purpose", "preview"),
    ("x-moz", "prefetch"),
)


class Visitor(StrEnum):
    """Who or what asked for a link."""

    PERSON = "person"
    PREVIEW = "preview"
    BOT = "bot"
    PREFETCH = "prefetch"
    HEAD = "head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request for a link, without anything that names a person."""

    public_id: str
    link_id: int
    visitor: Visitor
    visitor_hash: str
    clicked_at: datetime
    sub_id: str = ""
    utm: dict[str, str] = field(default_factory=dict)
    referrer_host: str = ""
    paid_parameters: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Counted:
    """A click that counts already."""

    link_id: int
    visitor_hash: str
    clicked_at: datetime
    public_id: str


def recognise(method: str, headers: Mapping[str, str]) -> Visitor:
    """Who asks, told by the method and the headers (names in any case).

    A link that is loaded as a picture, a frame or by a script is no visit of a person: that is how
    clicks are stuffed.
    """
    if method == "HEAD":
        return Visitor.HEAD
    if any(word in headers.get(name, "").lower() for name, word in _LOADED_AHEAD):
        return Visitor.PREFETCH
    agent = headers.get("user-agent", "").strip().lower()
    if agent.startswith(_PREVIEW_STARTS) or any(name in agent for name in _PREVIEWS):
        return Visitor.PREVIEW
    if not agent or agent.startswith(_BOT_STARTS) or any(name in agent for name in _BOTS):
        return Visitor.BOT
    if "bot" in agent and _BOT_NAME.search(agent):
        return Visitor.BOT
    if headers.get("sec-fetch-dest", "document").lower() != "document":
        return Visitor.BOT
    return Visitor.PERSON


def kept_parameters(query: Mapping[str, str]) -> tuple[str, dict[str, str], list[str]]:
    """The sub-id, the UTM parameters and the names of paid-click parameters in a query."""
    sub_id = next((value for name in SUB_IDS if (value := _clean(query.get(name, "")))), "")
    utm = {name: value for name in UTM if (value := _clean(query.get(name, "")))}
    return sub_id, utm, sorted(PAID & {name.lower() for name in query})


def referrer_host(referrer: str) -> str:
    """The host that a referrer names, or an empty text."""
    try:
        host = urlsplit(referrer).hostname or ""
    except ValueError:
        return ""
    return host[:_LONGEST_HOST] if host.isascii() and host.isprintable() else ""


def find_repeats(visits: Iterable[Visit], counted: Iterable[Counted]) -> dict[str, str]:
    """For each person's visit within an hour of a click that counts, that click's public id.

    The hour runs from the click that counts and is not prolonged by repeats. Visits may come late:
    one that was made up to an hour before a click that counts already is a repeat of it as well.
    """
    clicks: dict[tuple[int, str], list[Counted]] = {}
    for click in counted:
        clicks.setdefault((click.link_id, click.visitor_hash), []).append(click)
    repeats: dict[str, str] = {}
    for visit in in_order(visits):
        if visit.visitor is not Visitor.PERSON:
            continue
        known = clicks.setdefault((visit.link_id, visit.visitor_hash), [])
        first = next(
            (one for one in known if abs(visit.clicked_at - one.clicked_at) < REPEAT_WINDOW), None
        )
        if first is None:
            known.append(
                Counted(visit.link_id, visit.visitor_hash, visit.clicked_at, visit.public_id)
            )
        else:
            repeats[visit.public_id] = first.public_id
    return repeats


def in_order(visits: Iterable[Visit]) -> Sequence[Visit]:
    """Visits as they were made."""
    return sorted(visits, key=lambda visit: (visit.clicked_at, visit.public_id))


def _clean(value: str) -> str:
    return "".join(sign for sign in value if sign.isprintable())[:_LONGEST_VALUE].strip()
