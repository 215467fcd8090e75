"""Codes from names, websites as people type them, and what may follow what."""

import unicodedata
from collections.abc import Mapping
from urllib.parse import urlsplit

_LONGEST_STEM = 12
_SHORTEST_STEM = 3
_NAMELESS = "FRIEND"
_LONGEST_WEBSITE = 200

FOLLOWS: Mapping[str, frozenset[str]] = {
    "approved": frozenset({"applied", "invited", "rejected", "suspended"}),
    "rejected": frozenset({"applied", "invited"}),
    "suspended": frozenset({"approved", "invited"}),
}
"""From which states staff may take an affiliate to which."""


def code_stem(name: str) -> str:
    """The beginning of a code for somebody: `Asha Kulkarni` gives `ASHA`.

    Short first names take what follows along; names without Latin letters get a common word.
    """
    stem = ""
    for word in name.split():
        decomposed = unicodedata.normalize("NFKD", word).upper()
        stem += "".join(sign for sign in decomposed if sign.isascii() and sign.isalnum())
        if len(stem) >= _SHORTEST_STEM:
            return stem[:_LONGEST_STEM]
    return _NAMELESS


def normal_website(text: str) -> str | None:
    """An address as it can be opened; None if it is none. Empty stays empty."""
    text = text.strip()
    if not text:
        return ""
    address = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    is_plain = not any(sign.isspace() or unicodedata.category(sign) == "Cc" for sign in address)
    is_host = "." in (parts.hostname or "") and not parts.username
    if parts.scheme not in ("http", "https") or not is_plain or not is_host:
        return None
    return address if len(address) <= _LONGEST_WEBSITE else None
