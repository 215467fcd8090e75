"""Named operations of mappings.

Each takes one value and returns one, or a Fault that says why it cannot; none raises. Null
passes through untouched, except by operations that fill it. `example` is documentation and test.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from erp.engine.faults import Fault
from loyalty_site.common.phones import InvalidPhoneError, parse_phone

Step = Callable[[Any], Any]
Factory = Callable[..., Step]


class Kind(StrEnum):
    """What a value is after a step; `ANY` is whatever the source sent."""

    ANY = "any"
    TEXT = "text"
    DECIMAL = "decimal"
    DATE = "date"
    DATETIME = "datetime"
    BOOL = "bool"
    PHONE = "phone"
    EMAIL = "email"
    CODES = "codes"


@dataclass(frozen=True, slots=True)
class Example:
    """A given value and what becomes of it."""

    given: Any
    result: Any
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """A named operation: `build` takes its options and returns the step."""

    name: str
    help: str
    build: Factory
    takes: Kind
    gives: Kind
    fills_null: bool
    example: Example


OPERATIONS: dict[str, Operation] = {}


def _operation(
    name: str,
    *,
    gives: Kind,
    given: Any,
    result: Any,
    takes: Kind = Kind.TEXT,
    fills_null: bool = False,
    **options: Any,
) -> Callable[[Factory], Factory]:
    def register(build: Factory) -> Factory:
        text = (build.__doc__ or "").strip()
        example = Example(given, result, options)
        OPERATIONS[name] = Operation(name, text, build, takes, gives, fills_null, example)
        return build

    return register


_NOT_TEXT = Fault("not_text", "This is not a text.")


def _text_step(change: Callable[[str], Any]) -> Step:
    def step(value: Any) -> Any:
        if value.__class__ is str:
            return change(value)
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            try:
                return change(str(value))
            except ValueError:
                return _NOT_TEXT  # an integer with more digits than Python writes
        return _NOT_TEXT

    return step


@_operation("strip", gives=Kind.TEXT, given="  Pune \r\n", result="Pune")
def _strip() -> Step:
    """Remove blanks and line ends around a text."""
    return _text_step(str.strip)


@_operation("upper", gives=Kind.TEXT, given="asha10", result="ASHA10")
def _upper() -> Step:
    """Capital letters."""
    return _text_step(str.upper)


@_operation("lower", gives=Kind.TEXT, given="Asha@Example.com", result="asha@example.com")
def _lower() -> Step:
    """Small letters."""
    return _text_step(str.lower)


@_operation("nil_to_null", gives=Kind.TEXT, given="(NIL)", result=None)
def _nil_to_null(*, words: tuple[str, ...] = ("", "NIL", "(NIL)", "NIL NIL NIL")) -> Step:
    """Nothing instead of the words by which a source writes nothing."""
    empty = frozenset(word.upper() for word in words)
    return _text_step(lambda text: None if text.strip().upper() in empty else text)


_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?")
_PLAIN = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)")


@_operation("decimal", gives=Kind.DECIMAL, given="(1,177.64)", result=Decimal("-1177.64"))
def _decimal(*, comma: str = "groups") -> Step:
    """A number written with a point; brackets mean below zero.

    `comma` is "groups" (1,177.64) or "decimals" (1.177,64).
    """
    swap = str.maketrans(".,", ",.") if comma == "decimals" else None

    def read(text: str) -> Any:
        text = text.strip()
        if swap:
            text = text.translate(swap)
        negative = text.startswith("(") and text.endswith(")")
        if negative:
            text = text[1:-1].strip()
        if not text.isascii() or len(text) > 40:
            return _NOT_A_NUMBER
        if not _PLAIN.fullmatch(text):
            if not _GROUPED.fullmatch(text):
                return _NOT_A_NUMBER
            text = text.replace(",", "")
        number = Decimal(text)
        return -number if negative else number

    def step(value: Any) -> Any:
        if value.__class__ is Decimal:
            return value if value.is_finite() else _NOT_A_NUMBER
        if value.__class__ is int:
            try:
                return Decimal(value)
            except InvalidOperation:
                return _NOT_A_NUMBER
        return read(value) if value.__class__ is str else _NOT_A_NUMBER

    return step


_NOT_A_NUMBER = Fault("not_a_number", "This is not a number.")


def _parsed(text: str, formats: tuple[str, ...]) -> datetime | None:
    if not formats:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None
    for pattern in formats:
        try:
            return datetime.strptime(text, pattern)
        except ValueError:
            continue
    return None


def _plausible(moment: datetime | date | None) -> bool:
    return moment is not None and 1900 <= moment.year <= 2100


@_operation(
    "date", gives=Kind.DATE, given="01/04/2024", result=date(2024, 4, 1), formats=["%d/%m/%Y"]
)
def _date(*, formats: tuple[str, ...] = ()) -> Step:
    """A day, written by ISO 8601 or in the first of `formats` that fits."""

    def read(text: str) -> Any:
        moment = _parsed(text.strip(), formats)
        if moment is None or not _plausible(moment):
            return Fault("not_a_date", "This is not a date that can be meant.")
        return moment.date()

    return _text_step(read)


@_operation(
    "datetime",
    gives=Kind.DATETIME,
    given="01/04/2024 06:15 PM",
    result=datetime(2024, 4, 1, 18, 15, tzinfo=ZoneInfo("Asia/Kolkata")),
    formats=["%d/%m/%Y %I:%M %p"],
    zone="Asia/Kolkata",
)
def _datetime(*, formats: tuple[str, ...] = (), zone: str = "UTC") -> Step:
    """A moment, by ISO 8601 or `formats`; without a zone of its own it is local to `zone`."""
    local = ZoneInfo(zone)

    def read(text: str) -> Any:
        moment = _parsed(text.strip(), formats)
        if moment is None or not _plausible(moment):
            return Fault("not_a_date", "This is not a date and time that can be meant.")
        return moment if moment.tzinfo else moment.replace(tzinfo=local)

    return _text_step(read)


# What a spreadsheet makes of a phone number.
_FLOATED = re.compile(r"\d{8,}\.0")


@_operation("phone_e164", gives=Kind.PHONE, given="0091 98765-43210", result="+919876543210")
def _phone(*, region: str = "IN") -> Step:
    """A phone in its one written form; without country code it belongs to `region`."""

    @lru_cache(maxsize=4096)
    def read(text: str) -> Any:
        if not text.strip("0 "):
            return None
        if _FLOATED.fullmatch(text):
            text = text[:-2]
        try:
            return parse_phone(text, region=region).e164
        except InvalidPhoneError:
            return Fault("not_a_phone", "This is not a phone number.")

    return _text_step(read)


_EMAIL = re.compile(r"[^@\s,;<>\x00-\x20]{1,64}@[a-z0-9-]+(?:\.[a-z0-9-]+)+")


@_operation("email", gives=Kind.EMAIL, given=" Asha@Example.com", result="asha@example.com")
def _email() -> Step:
    """An e-mail address in small letters."""

    def read(text: str) -> Any:
        text = text.strip().lower()
        if not _EMAIL.fullmatch(text) or len(text) > 254:
            return Fault("not_an_email", "This is not an e-mail address.")
        return text

    return _text_step(read)


@_operation("bool", takes=Kind.ANY, gives=Kind.BOOL, given="Y", result=True)
def _bool() -> Step:
    """Yes or no: true/false, 1/0, yes/no, Y/N."""
    words: dict[str, bool] = {"1": True, "true": True, "yes": True, "y": True}
    words |= {"0": False, "false": False, "no": False, "n": False}

    def read(text: str) -> Any:
        found = words.get(text.strip().lower())
        return Fault("not_yes_or_no", "This is neither yes nor no.") if found is None else found

    from_text = _text_step(read)
    return lambda value: value if isinstance(value, bool) else from_text(value)


@_operation(
    "default",
    takes=Kind.ANY,
    gives=Kind.ANY,
    given=None,
    result="INR",
    fills_null=True,
    value="INR",
)
def _default(*, value: str) -> Step:
    """A text where the source has nothing."""
    return lambda given: value if given is None else given


@_operation("map", gives=Kind.TEXT, given="N", result="active", map={"N": "active"})
def _map(*, map: dict[str, str]) -> Step:
    """One text for another; a text that the table lacks is refused."""
    table = dict(map)
    return _text_step(
        lambda text: table.get(text, Fault("not_in_table", "The table lacks this value."))
    )


_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{1,39}")


@_operation("split_codes", gives=Kind.CODES, given=" asha10, x ", result=("ASHA10",))
def _split_codes() -> Step:
    """Coupon and affiliate codes from a free text, in capitals; other words are left out."""

    def read(text: str) -> tuple[str, ...]:
        words = re.split(r"[\s,;|/]+", text.upper())
        return tuple(dict.fromkeys(word for word in words if _CODE.fullmatch(word)))

    return _text_step(read)
