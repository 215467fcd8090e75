"""How much of what was spent on a bill comes back with its goods."""

from decimal import Decimal


def points_back(spent: int, *, sold: Decimal, kept: Decimal) -> int:
    """Of points spent on a bill, how many are back in all when only `kept` of `sold` is left.

    Cumulative, so that parts in any order add up to the whole; rounded down until all came back.
    """
    if kept <= 0 or sold <= 0:
        return spent
    return max(0, int(spent * (sold - kept) / sold))
