"""The pages a person sees: the list of chats, and one phone's chat."""

import re
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from urllib.parse import quote

from sandbox.whatsapp.cloud import item_time
from sandbox.whatsapp.models import Button, Chat, Inbound, Message, profile_name

ASSETS = {
    "page.css": ("text/css; charset=utf-8", Path(__file__).with_name("page.css").read_bytes()),
    "page.js": (
        "text/javascript; charset=utf-8",
        Path(__file__).with_name("page.js").read_bytes(),
    ),
}
LISTED_CHATS = 200
LISTED_ITEMS = 300

# Both are applied to escaped text, so that a link ends before an escaped quote or bracket.
_LINK = re.compile(r"https?://(?:(?!&(?:quot|#x27|lt|gt);)[^\s<])+(?<![.,:!?)\]])")
_BOLD = re.compile(r"\*(\S(?:[^*\n]*\S)?)\*")
_ICON = "data:image/svg+xml," + quote(
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
    "<circle cx='8' cy='8' r='8' fill='#17795a'/></svg>"
)
_TICKS = {
    "accepted": ("\N{WHITE CIRCLE}", "Accepted"),
    "sent": ("\N{CHECK MARK}", "Sent"),
    "delivered": ("\N{CHECK MARK}\N{CHECK MARK}", "Delivered"),
    "read": ("\N{CHECK MARK}\N{CHECK MARK}", "Read"),
    "failed": ("!", "Failed"),
}


def home_page(chats: Sequence[Chat], *, search: str, notice: str = "") -> str:
    """Return the list of chats, newest first."""
    rows = "".join(_chat_row(chat) for chat in chats[:LISTED_CHATS])
    if not rows:
        empty = "No chat matches." if search else "No message was sent or received yet."
        rows = f'<li class="empty">{empty}</li>'
    shown = f"{min(len(chats), LISTED_CHATS)} of {len(chats)}"
    return _page(
        "Chats",
        f"""<header class="bar"><h1>Chats</h1><span class="badge">Sandbox</span></header>
{_notice(notice)}
<form class="search" method="get" action="/" role="search">
<input type="search" name="q" value="{escape(search)}" placeholder="Search a phone or a text"
 aria-label="Search a phone or a text"><button>Search</button></form>
<ul class="chats" data-live="chats">{rows}</ul>
<footer class="foot"><span>{shown}</span>
<form method="get" action="/chat"><input name="phone" inputmode="tel" required
 placeholder="+44 7700 900101" aria-label="Phone"><button>Open a chat</button></form>
<a href="/_sandbox/ledger">Ledger</a></footer>""",
    )


def chat_page(chat: Chat, *, notice: str = "") -> str:
    """Return one phone's chat with a form to answer."""
    phone = escape(chat.phone)
    window = "No open window: only templates reach this phone."
    if chat.window_closes_at is not None:
        closes = datetime.fromtimestamp(chat.window_closes_at).astimezone()
        window = f"Window open until {closes:%d %b %H:%M}"
    return _page(
        f"+{phone}",
        f"""<header class="bar"><a class="back" href="/" aria-label="All chats">&larr;</a>
{_avatar(chat.phone)}<div class="who"><h1>{escape(profile_name(chat.phone))}</h1>
<p>+{phone}</p></div><span class="badge">Sandbox</span></header>
{_notice(notice)}
<main class="feed"><div class="items" data-live="items">{_feed(chat)}</div></main>
<p class="window" data-live="window">{window}</p>
<form class="compose" method="post" action="/chat/{phone}">
<input name="text" maxlength="4096" required autocomplete="off" dir="auto"
 placeholder="Write as this person" aria-label="Write as this person">
<button>Send</button></form>""",
    )


def error_page(title: str, text: str) -> str:
    """Return a page that says what went wrong."""
    return _page(
        title,
        f"""<header class="bar"><a class="back" href="/" aria-label="All chats">&larr;</a>
<h1>{escape(title)}</h1></header>{_notice(text)}""",
    )


def _page(title: str, content: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} - WhatsApp sandbox</title>
<link rel="icon" href="{_ICON}"><link rel="stylesheet" href="/_sandbox/page.css">
<noscript><meta http-equiv="refresh" content="3"></noscript>
<script src="/_sandbox/page.js" defer></script></head>
<body><div class="phone">{content}</div></body></html>
"""


def _notice(text: str) -> str:
    return f'<p class="notice" role="alert">{escape(text)}</p>' if text else ""


def _avatar(phone: str) -> str:
    return f'<span class="avatar tone{int(phone) % 6}" aria-hidden="true">{phone[-2:]}</span>'


def _chat_row(chat: Chat) -> str:
    last = chat.items[-1]
    if isinstance(last, Message):
        text = f"{_ticks(last)} {escape(_short(last.draft.content.body))}"
    else:
        text = escape(_short(last.text))
    is_open = '<span class="open">window open</span>' if chat.window_closes_at else ""
    return (
        f'<li><a href="/chat/{chat.phone}">{_avatar(chat.phone)}<span class="who">'
        f"<b>+{chat.phone}</b><span>{escape(profile_name(chat.phone))}</span>"
        f'<span class="last" dir="auto">{text}</span></span>'
        f'<span class="side">{_moment(item_time(last), with_day=True)}{is_open}</span></a></li>'
    )


def _feed(chat: Chat) -> str:
    parts: list[str] = []
    day = ""
    skipped = len(chat.items) - LISTED_ITEMS
    if skipped > 0:
        parts.append(f'<p class="day">{skipped} older messages are not shown</p>')
    for item in chat.items[-LISTED_ITEMS:]:
        its_day = _day(item_time(item))
        if its_day != day:
            day = its_day
            parts.append(f'<p class="day">{day}</p>')
        parts.append(_outgoing(item) if isinstance(item, Message) else _incoming(item))
    return "".join(parts) or '<p class="day">Nothing was sent to this phone yet.</p>'


def _outgoing(message: Message) -> str:
    content, draft = message.draft.content, message.draft
    header = f"<h2>{_rich(content.header)}</h2>" if content.header else ""
    footer = f'<p class="footer">{_rich(content.footer)}</p>' if content.footer else ""
    label = f'<span class="label">{escape(draft.template)}</span>' if draft.template else ""
    buttons = "".join(
        _button(message, index, button) for index, button in enumerate(content.buttons)
    )
    return (
        f'<article class="bubble out" id="{message.wamid}" dir="auto">{header}'
        f'<p class="body">{_rich(content.body)}</p>{footer}'
        f'<p class="meta">{label}{_moment(message.accepted_at)} {_ticks(message)}</p>'
        f"{buttons}</article>"
    )


def _incoming(inbound: Inbound) -> str:
    answer = ""
    if inbound.reply_to:
        answer = f'<a class="answer" href="#{escape(inbound.reply_to)}">Answer to a message</a>'
    seen = '<span class="tick read" title="Seen by the shop">seen</span>' if inbound.seen_at else ""
    return (
        f'<article class="bubble in" id="{inbound.wamid}" dir="auto">{answer}'
        f'<p class="body">{_rich(inbound.text)}</p>'
        f'<p class="meta">{_moment(inbound.at)} {seen}</p></article>'
    )


def _button(message: Message, index: int, button: Button) -> str:
    text = escape(button.text)
    if button.answers:
        hint = f"<small>{escape(button.description)}</small>" if button.description else ""
        return (
            f'<form class="tap" method="post" action="/chat/{message.draft.phone}">'
            f'<input type="hidden" name="message" value="{message.wamid}">'
            f'<button name="button" value="{index}">{text}{hint}</button></form>'
        )
    if button.kind == "url" and button.value.startswith(("http://", "https://")):
        return (
            f'<a class="tap" href="{escape(button.value)}" target="_blank" '
            f'rel="noopener noreferrer">{text}</a>'
        )
    return f'<span class="tap">{text}</span>'


def _ticks(message: Message) -> str:
    reached = {step.status for step in message.statuses}
    name = next(
        (each for each in ("read", "delivered", "failed", "sent") if each in reached), "accepted"
    )
    sign, title = _TICKS[name]
    return f'<span class="tick {name}" title="{title}">{sign}</span>'


def _rich(text: str) -> str:
    """Escape a text, then show links and *bold* as the messenger does."""
    shown = _BOLD.sub(r"<b>\1</b>", escape(text)).replace("\n", "<br>")
    return _LINK.sub(
        lambda found: (
            f'<a href="{found[0]}" target="_blank" rel="noopener noreferrer">{found[0]}</a>'
        ),
        shown,
    )


def _short(text: str) -> str:
    one_line = " ".join(text.replace("*", "").split())
    return one_line if len(one_line) <= 70 else f"{one_line[:69]}\N{HORIZONTAL ELLIPSIS}"


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at).astimezone():%d %B %Y}"


def _moment(at: float, *, with_day: bool = False) -> str:
    local = datetime.fromtimestamp(at).astimezone()
    is_today = local.date() == datetime.now().astimezone().date()
    shown = f"{local:%d %b}" if with_day and not is_today else f"{local:%H:%M}"
    return f'<time datetime="{local.isoformat(timespec="seconds")}">{shown}</time>'
