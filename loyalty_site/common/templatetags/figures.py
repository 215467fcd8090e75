"""Figures in templates, grouped as the shop's country writes them."""

from decimal import Decimal

from django import template

from loyalty_site.common.money import format_money, format_number

register = template.Library()
_MINUS = "\N{MINUS SIGN}"
register.filter("number", format_number)


@register.filter
def money(amount: Decimal, currency: str) -> str:
    """`{{ amount|money:"INR" }}`."""
    return format_money(amount, currency)


@register.filter
def signed(points: int) -> str:
    """`+1,20,000`, or with a true minus sign."""
    sign = "+" if points > 0 else _MINUS if points < 0 else ""
    return sign + format_number(abs(points))
