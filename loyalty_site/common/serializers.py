"""Serializer ground: strict shapes."""

import unicodedata
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.settings import api_settings

_CONTROL = {"Cc", "Cs", "Co"}
_HIDDEN = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u2060\ufeff")


def clean_line(text: str) -> str:
    """One line of plain text: NFC, no control, bidi or invisible signs.

    Raises:
        ValidationError: the text holds such signs.
    """
    text = unicodedata.normalize("NFC", text)
    if any(unicodedata.category(sign) in _CONTROL or sign in _HIDDEN for sign in text):
        raise ValidationError("Control or invisible characters are not allowed.", code="invalid")
    return text.strip()


class LineField(serializers.CharField):
    """One line of text as people write it."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(clean_line(data))


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer; texts, floats and booleans are refused. Bounds default to 64 bits."""

    default_error_messages = {
        "not_integer": "Give a whole number without quotes.",
        "out_of_range": "This number is out of range.",
    }

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("not_integer")
        if not -(2**63) <= data < 2**63:
            self.fail("out_of_range")
        return data


class AmountField(serializers.DecimalField):
    """Money as a text like `"1234.50"`; JSON numbers are refused."""

    default_error_messages = {"not_text": 'Write the amount as a text, like "1234.50".'}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_digits": 14, "decimal_places": 2, **kwargs})

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or not data.isascii() or data != data.strip() or "_" in data:
            self.fail("not_text")
        return super().to_internal_value(data)


class StrictSerializer(serializers.Serializer[Any]):
    """Takes an object of known fields; names unknown and read-only ones that were sent."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            fault = ErrorDetail("Send a JSON object.", code="not_object")
            raise ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [fault]})
        faults = {
            key: [
                ErrorDetail("This field is read-only.", code="read_only_field")
                if key in self.fields
                else ErrorDetail("This field is not known.", code="unknown_field")
            ]
            for key in data
            if key not in self.fields or self.fields[key].read_only
        }
        if faults:
            raise ValidationError(faults)
        return super().to_internal_value(data)
