"""A JSON parser that accepts only what both databases and every client read alike."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from django.http.request import MediaType
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 16
MAX_NUMBER_LENGTH = 40
MAX_KEYS = 1000
_SURROGATE = re.compile("[\ud800-\udfff]")
_TOO_DEEP = f"The JSON is nested deeper than {MAX_DEPTH} levels."


class TooLarge(APIException):
    """The body exceeds what the API reads."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = "The request body is too large."


class UnsupportedCharset(APIException):
    """The body says that it is not UTF-8."""

    status_code = status.HTTP_415_UNSUPPORTED_MEDIA_TYPE
    default_code = "unsupported_charset"
    default_detail = "Send JSON in UTF-8."


def _refuse(detail: str, code: str = "invalid_json") -> ParseError:
    return ParseError(detail, code=code)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_KEYS:
        raise _refuse(f"An object has more than {MAX_KEYS} keys.", "too_many_keys")
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _refuse("A key appears twice in one object.", "duplicate_key")
    return result


def _constant(name: str) -> Any:
    raise _refuse(f"{name} is not a JSON number.", "not_finite")


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER_LENGTH:
        raise _refuse("A number is too long.", "number_too_long")
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER_LENGTH:
        raise _refuse("A number is too long.", "number_too_long")
    try:
        number = Decimal(text)
    except ArithmeticError as error:
        raise _refuse("A number is out of range.", "not_finite") from error
    if abs(number.adjusted()) > MAX_NUMBER_LENGTH:
        raise _refuse("A number is out of range.", "not_finite")
    return number


def _check(value: Any, depth: int = 0) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise _refuse("Texts may not hold NUL.", "control_character")
        if _SURROGATE.search(value):
            raise _refuse("Texts may not hold lone surrogates.", "invalid_unicode")
    elif isinstance(value, dict | list):
        if depth == MAX_DEPTH:
            raise _refuse(_TOO_DEEP, "too_deep")
        for item in value:
            _check(item, depth + 1)
        if isinstance(value, dict):
            for item in value.values():
                _check(item, depth + 1)


def loads_strict(raw: bytes) -> Any:
    """Parse JSON; numbers with a point or exponent come back as Decimal.

    Raises:
        ParseError: not UTF-8 JSON, too deep, doubled keys, NaN, NUL or lone surrogates.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refuse("The body is not UTF-8 text.", "invalid_encoding") from error
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_decimal,
        )
    except RecursionError as error:
        raise _refuse(_TOO_DEEP, "too_deep") from error
    except ValueError as error:
        raise _refuse("The body is not valid JSON.") from error
    _check(value)
    return value


class StrictJSONParser(JSONParser):
    """DRF's JSON parser with the strict reader."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        charset = MediaType(media_type or "").params.get("charset", "utf-8")
        if charset.lower() not in {"utf-8", "utf8"}:
            raise UnsupportedCharset()
        raw = stream.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise TooLarge()
        value = loads_strict(raw)
        if not isinstance(value, dict | list):
            raise _refuse("Send a JSON object.", "not_object")
        return value
