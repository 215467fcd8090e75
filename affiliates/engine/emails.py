"""E-mail addresses as people and as fraud checks compare them."""

from functools import cache
from pathlib import Path

_LISTS = Path(__file__).parent / "domains"
_IGNORES_DOTS = {"gmail.com"}
_ALIASES = {"googlemail.com": "gmail.com"}


def normal_email(text: str) -> str:
    """One form for every spelling that reaches the same mailbox; "" for no address.

    Case and what stands after a plus sign do not count, nor do the dots of Gmail.
    Source: https://support.google.com/mail/answer/7436150 (dots), RFC 5233 (plus).
    """
    local, at, domain = text.strip().casefold().rpartition("@")
    if not at or not local or not domain:
        return ""
    domain = _ALIASES.get(domain.rstrip("."), domain.rstrip("."))
    local = local.partition("+")[0] or local
    if domain in _IGNORES_DOTS:
        local = local.replace(".", "")
    return f"{local}@{domain}"


def domain_of(text: str) -> str:
    """The domain of an address in its normal form; "" for no address."""
    return normal_email(text).rpartition("@")[2]


def company_domain(text: str) -> str:
    """The domain of an address if it belongs to somebody: neither public nor throw-away mail."""
    domain = domain_of(text)
    return "" if domain in _listed("public") or is_throwaway(text) else domain


def is_throwaway(text: str) -> bool:
    """Whether an address is at a known provider of throw-away mail, or below one."""
    labels = domain_of(text).split(".")
    return any(".".join(labels[place:]) in _listed("throwaway") for place in range(len(labels) - 1))


@cache
def _listed(name: str) -> frozenset[str]:
    return frozenset((_LISTS / f"{name}.txt").read_text().split())
