"""Money as whole paise, so that no sum meets a binary fraction."""

from decimal import Decimal
from functools import lru_cache


def paise(text: str) -> int:
    """Read a non-negative amount with at most two decimals, as the CSV files write it."""
    whole, _, fraction = text.partition(".")
    return int(whole) * 100 + int(fraction.ljust(2, "0"))


@lru_cache(maxsize=50_000)
def rupees(amount: int) -> str:
    """Write paise with two decimals: -1250 becomes -12.50."""
    sign = "-" if amount < 0 else ""
    return f"{sign}{abs(amount) // 100}.{abs(amount) % 100:02d}"


def decimal_rupees(amount: int) -> Decimal:
    """Paise as an exact Decimal with two places."""
    return Decimal(amount).scaleb(-2)


def share(total: int, units: int, of: int) -> int:
    """The part of a line's amount that its first units stand for, half a paisa rounded up."""
    return (2 * total * units + of) // (2 * of)
