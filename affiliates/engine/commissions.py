"""What a bill pays: pure arithmetic that says how."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

MINOR_UNIT = Decimal("0.01")


class Kind(StrEnum):
    """How a plan counts."""

    PERCENT = "percent"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a plan version pays: a percentage, or an amount a bill."""

    kind: Kind
    rate: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """What a bill pays, and the figures that led there; `exact` is the amount unrounded."""

    amount: Decimal
    exact: Decimal
    remaining_net: Decimal


def commission(terms: Terms, remaining_net: Decimal) -> Commission:
    """What is due on the goods that were kept, half-up on minor units.

    A fixed amount is earned as long as anything is kept; nothing kept earns nothing.
    """
    if remaining_net <= 0:
        exact = Decimal(0)
    elif terms.kind == Kind.FIXED:
        exact = terms.rate
    else:
        exact = remaining_net * terms.rate / 100
    return Commission(
        amount=exact.quantize(MINOR_UNIT, ROUND_HALF_UP), exact=exact, remaining_net=remaining_net
    )


def correction(*, credited: Decimal, earned: Decimal) -> Decimal:
    """The signed entry that takes what was credited so far to what is earned now.

    Its negative is `already credited - round(rate * remaining net)`. Because each correction
    starts from the sum of all earlier ones, any order and split of returns ends at the same sum.
    """
    return earned - credited
