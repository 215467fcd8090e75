"""Phone numbers: one written form, E.164."""

import re
from dataclasses import dataclass

import phonenumbers
from django.conf import settings

from loyalty_site.common.errors import InvalidInputError

_PLUS = re.compile(r"\+\d{7,15}")
_SEPARATORS = re.compile(r"[\s().\-/\u00a0\u2010-\u2015]+")
_TAIL_DIGITS = 7


class InvalidPhoneError(InvalidInputError):
    """The text is no phone number."""

    code = "invalid_phone"
    message = "This is not a phone number. Write it with country code, like +919876543210."


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone in E.164 (`+` and 7 to 15 digits); `possible` is libphonenumber's opinion."""

    e164: str
    possible: bool


def parse_phone(text: str, *, region: str | None = None) -> Phone:
    """Read any usual spelling; a number without country code belongs to `region`.

    Raises:
        InvalidPhoneError: the text is no phone number.
    """
    compact = _SEPARATORS.sub("", text.strip())
    if not compact.isascii() or not re.fullmatch(r"\+?\d{4,17}", compact):
        raise InvalidPhoneError(field="phone")
    if compact.startswith("00"):
        compact = f"+{compact[2:]}"
    try:
        number = phonenumbers.parse(compact, region or settings.DEFAULT_PHONE_REGION)
    except phonenumbers.NumberParseException:
        number = None
    if number is not None and phonenumbers.is_possible_number(number):
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        if _PLUS.fullmatch(e164):
            return Phone(e164=e164, possible=True)
    if _PLUS.fullmatch(compact):
        return Phone(e164=compact, possible=False)
    raise InvalidPhoneError(field="phone")


def digits_of(text: str) -> str:
    """The ASCII digits of a text."""
    return re.sub(r"[^0-9]", "", text)


def phone_tail(text: str) -> str:
    """The last seven digits, the part that every spelling of a number shares."""
    return digits_of(text)[-_TAIL_DIGITS:]


def mask_phone(e164: str) -> str:
    """A phone as lists show it: `+44…0123`."""
    return f"{e164[:3]}…{e164[-4:]}" if e164 else ""
