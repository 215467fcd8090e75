"""Bills as the engine sees them, and which of their articles a rule looks at."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One article: `net` is its money in the bill's currency, after discounts, without tax."""

    key: str
    sku: str
    category: str
    quantity: Decimal
    net: Decimal
    returns_key: str = ""
    brand: str = ""
    discount: Decimal = ZERO
    tax: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A bill as the engine sees it; `at` is the local time of its store.

    `tenders` are the ways in which it was paid, with their amounts.
    """

    store: str
    lines: tuple[BillLine, ...]
    at: datetime | None = None
    channel: str = ""
    codes: frozenset[str] = frozenset()
    tenders: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Goods:
    """A set of articles; empty sets mean "all". Exclusion is stronger.

    Categories match whole steps of a category path, from the left.
    """

    products: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()
    excluded_products: frozenset[str] = frozenset()
    excluded_categories: frozenset[str] = frozenset()
    excluded_brands: frozenset[str] = frozenset()

    def of(self, bill: Bill) -> list[BillLine]:
        """The lines of a bill that belong to the set."""
        if self == _EVERYTHING:
            return list(bill.lines)
        return [line for line in bill.lines if self.has(line)]

    def has(self, line: BillLine) -> bool:
        """Whether a line's article belongs to the set."""
        if self.products or self.categories or self.brands:
            named = (
                line.sku in self.products
                or line.brand in self.brands
                or _within(line.category, self.categories)
            )
            if not named:
                return False
        return not (
            line.sku in self.excluded_products
            or line.brand in self.excluded_brands
            or _within(line.category, self.excluded_categories)
        )


_EVERYTHING = Goods()


def _within(category: str, wanted: frozenset[str]) -> bool:
    if not wanted:
        return False
    if category in wanted:
        return True
    steps = category.split("/")
    return any("/".join(steps[:depth]) in wanted for depth in range(1, len(steps)))


def remaining_bill(sale: Bill, returns: Iterable[Bill]) -> Bill:
    """What the customer keeps: returned lines lower the sold lines that they name.

    A returned line that names no sold line counts as a line of its own, with its minus.
    """
    returned = [line for bill in returns for line in bill.lines]
    if not returned:
        return sale
    kept = {line.key: line for line in sale.lines}
    loose: list[BillLine] = []
    for line in returned:
        sold = kept.get(line.returns_key)
        if sold is None:
            loose.append(line)
        else:
            kept[sold.key] = replace(
                sold,
                quantity=sold.quantity + line.quantity,
                net=sold.net + line.net,
                discount=sold.discount + line.discount,
                tax=sold.tax + line.tax,
            )
    return replace(sale, lines=(*kept.values(), *loose))
