"""Figures as people of the shop's country write them."""

from decimal import Decimal

from babel.numbers import format_currency, format_decimal
from django.utils import translation

_LOCALES = {"en": "en_IN", "hi": "hi_IN"}


def _locale() -> str:
    language = (translation.get_language() or "en").split("-")[0]
    return _LOCALES.get(language, "en_IN")


def format_money(amount: Decimal, currency: str) -> str:
    """`₹12,34,567.50`: grouped in lakhs, in the current language."""
    return str(format_currency(amount, currency, locale=_locale()))


def format_number(number: int | Decimal) -> str:
    """`12,34,567`: grouped in lakhs, in the current language."""
    return str(format_decimal(number, locale=_locale()))
