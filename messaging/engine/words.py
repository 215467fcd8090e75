"""Words by which customers stop and start messages, in the languages that customers write."""

import unicodedata
from enum import StrEnum

_STOP = frozenset(
    {
        *("stop", "stop all", "stopall", "unsubscribe", "opt out", "optout", "stop messages"),
        *("बंद", "बंद करो", "बंद करें", "बन्द", "रोको", "रोकें", "स्टॉप", "band karo", "band"),
    }
)
_START = frozenset(
    {
        *("start", "subscribe", "unstop", "opt in", "optin"),
        *("शुरू", "शुरू करो", "शुरू करें", "चालू", "चालू करो", "चालू करें", "स्टार्ट", "shuru", "chalu"),
    }
)
_MARKETING_STOP_PAYLOADS = frozenset({"OPTOUT:MARKETING"})
_MARKETING_STOP_LABELS = frozenset({"stop promotions", "प्रमोशन बंद करें"})


class Wish(StrEnum):
    """What a customer asks for about messages."""

    STOP = "stop"
    START = "start"
    STOP_MARKETING = "stop_marketing"


def read_wish(text: str) -> Wish | None:
    """The wish in a written text; the whole text must be the word, punctuation aside."""
    normal = _normal(text)
    if normal in _STOP:
        return Wish.STOP
    return Wish.START if normal in _START else None


def read_button_wish(*, payload: str, label: str) -> Wish | None:
    """The wish in a tapped button of a template."""
    if payload in _MARKETING_STOP_PAYLOADS or _normal(label) in _MARKETING_STOP_LABELS:
        return Wish.STOP_MARKETING
    return None


def _normal(text: str) -> str:
    letters = "".join(
        " " if unicodedata.category(sign)[0] in "PSZC" else sign
        for sign in unicodedata.normalize("NFC", text.casefold())
    )
    return " ".join(letters.split())
