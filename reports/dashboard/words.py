"""Days and changes in the words of the page."""

from datetime import date
from decimal import Decimal

from babel.dates import format_date
from babel.numbers import format_currency
from django.utils import translation


def _locale() -> str:
    language = (translation.get_language() or "en").split("-")[0]
    return f"{language}_IN"


def short_day(day: date) -> str:
    """`5 Mar`."""
    return format_date(day, "d MMM", locale=_locale())


def long_day(day: date) -> str:
    """`5 Mar 2026`."""
    return format_date(day, "d MMM y", locale=_locale())


def whole_money(amount: Decimal, currency: str) -> str:
    """`₹12,34,568`: for figures where paise only distract."""
    return format_currency(
        round(amount), currency, "¤#,##,##0", locale=_locale(), currency_digits=False
    )
