"""The words of rules: kinds, roundings, measures of money."""

from decimal import Decimal
from enum import StrEnum

from loyalty.engine.goods import BillLine


class Rounding(StrEnum):
    """How a bill's exact points become whole ones."""

    FLOOR = "floor"
    HALF_UP = "half_up"
    CEILING = "ceiling"


class Kind(StrEnum):
    """What a rule gives points for."""

    PER_AMOUNT = "per_amount"
    PER_BILL = "per_bill"
    PER_PRODUCT = "per_product"
    PER_VISIT = "per_visit"
    FIRST_PURCHASE = "first_purchase"
    STREAK = "streak"
    MULTIPLIER = "multiplier"
    EVENT = "event"


class Basis(StrEnum):
    """Which money of a line counts."""

    NET = "net"
    WITH_TAX = "with_tax"
    BEFORE_DISCOUNT = "before_discount"
    BEFORE_DISCOUNT_WITH_TAX = "before_discount_with_tax"

    def of(self, line: BillLine) -> Decimal:
        """A line's money by this measure."""
        if self is Basis.NET:
            return line.net
        if self is Basis.WITH_TAX:
            return line.net + line.tax
        if self is Basis.BEFORE_DISCOUNT:
            return line.net + line.discount
        return line.net + line.discount + line.tax
