"""Where links may lead: addresses that cannot be bent to another host.

A target is an absolute address on a named host, or a page of our own that begins with one slash.
A path below it is made of plain signs only. Whatever a browser could read differently from us
(backslashes, `//`, user info, dot segments, encoded dots and slashes, control and foreign signs) is
refused rather than repaired.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode

LONGEST_PATH = 300

_SIGN = r"[A-Za-z0-9._~!$&'()*+,;=:@-]"
_ENCODED = r"%[0-9A-Fa-f]{2}"
_PATH = rf"(?:/(?:{_SIGN}|{_ENCODED})+)*/?"
_QUERY = rf"(?:\?(?:{_SIGN}|{_ENCODED}|[/?])*)?"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label begins with a letter, so that no spelling of an IP address is a name.
_NAME = rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
_ADDRESS = re.compile(
    rf"(?P<origin>(?P<scheme>https?)://(?P<host>{_NAME}|localhost)(?::[1-9][0-9]{{0,4}})?)?"
    rf"(?P<path>{_PATH})(?P<query>{_QUERY})",
    re.ASCII,
)
_BENT_PATH = re.compile(
    r"%(?:2e|2f|5c|25|7f|[01][0-9a-f])|(?:^|/)\.+(?:[/;]|$)|(?:^|/)\.\.|//",
    re.IGNORECASE,
)
_BENT_QUERY = re.compile(r"%(?:7f|[01][0-9a-f])", re.IGNORECASE)


class BentAddressError(ValueError):
    """An address that could be read in two ways, or is none; the text says why."""


def normal_target(text: str, *, allows_http: bool) -> str:
    """A target's address as it is stored: the host in small letters, no query.

    Raises:
        BentAddressError: it is no plain address of a named host, nor a page of ours.
    """
    match = _match(text.strip(" "))
    if match["query"]:
        raise BentAddressError("Leave out what follows the question mark.")
    if match["origin"] is None:
        return match["path"]
    if match["scheme"] != "https" and not allows_http:
        raise BentAddressError("Use an address that begins with https://.")
    return match["origin"] + match["path"]


def normal_path(text: str) -> str:
    """A path below a target, without its first slash; it may end in a query.

    Raises:
        BentAddressError: it is no plain path.
    """
    text = text.strip()
    if not text:
        return ""
    if len(text) > LONGEST_PATH:
        raise BentAddressError(f"A page's address has at most {LONGEST_PATH} signs.")
    match = _match(text if text.startswith(("/", "?")) else f"/{text}")
    if match["origin"] is not None:
        raise BentAddressError("Give the part after the shop's address.")
    return match["path"].removeprefix("/") + match["query"]


def split_address(text: str, targets: Iterable[str]) -> tuple[str, str] | None:
    """The target that an absolute address is below, and the path there; the longest target wins.

    None when no target allows it.

    Raises:
        BentAddressError: it is no plain address.
    """
    match = _match(text)
    whole = (match["origin"] or "") + match["path"]
    for target in sorted(targets, key=len, reverse=True):
        base = target.rstrip("/")
        if whole in {target, base} or whole.startswith(f"{base}/"):
            return target, normal_path(whole.removeprefix(base) + match["query"])
    return None


def join_address(target: str, path: str) -> str:
    """The address of a path below a target; empty when that would leave the target.

    Stored values are checked again here, so that a row changed by hand leads nowhere.
    """
    if not path:
        whole = target
    elif path.startswith("?"):
        whole = f"{target}{path}"
    else:
        whole = f"{target.rstrip('/')}/{path}"
    try:
        inside = split_address(whole, [target])
    except BentAddressError:
        return ""
    return whole if inside is not None else ""


def with_parameters(address: str, parameters: Mapping[str, str]) -> str:
    """An address with parameters added to its query, or put in place of those of the same name."""
    if not parameters:
        return address
    base, _mark, query = address.partition("?")
    kept = [(k, v) for k, v in parse_qsl(query, keep_blank_values=True) if k not in parameters]
    return f"{base}?{urlencode([*kept, *parameters.items()])}"


def host_of(address: str) -> str:
    """The host of an address without its port; empty for a page of ours."""
    match = _ADDRESS.fullmatch(address)
    return (match["host"] or "") if match else ""


def _match(text: str) -> re.Match[str]:
    scheme, mark, rest = text.partition("://")
    if mark:
        host, slash, path = rest.partition("/")
        text = f"{scheme.lower()}://{host.lower()}{slash}{path}"
    match = _ADDRESS.fullmatch(text)
    if match is None or not text or not (match["origin"] or match["path"] or match["query"]):
        raise BentAddressError("This is not a plain web address.")
    if _BENT_PATH.search(match["path"]) or _BENT_QUERY.search(match["query"]):
        raise BentAddressError("The address holds signs that could lead elsewhere.")
    return match
