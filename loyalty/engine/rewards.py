"""Pure decisions about rewards: what they cost, who can have them, how points pay a bill."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Any

# --- costs --------------------------------------------------------------------------------------


def reward_cost(*, points: int, bundle: int, units: int) -> int:
    """What `units` cost at `points` for each `bundle` of them; a begun bundle counts whole."""
    return -(-units // bundle) * points


# --- can this customer have it? -----------------------------------------------------------------


class Obstacle(StrEnum):
    """Why a reward cannot be had; the order is the one in which people are told."""

    WITHDRAWN = "withdrawn"
    NOT_YET = "not_yet"
    OVER = "over"
    WRONG_TIER = "wrong_tier"
    WRONG_SEGMENT = "wrong_segment"
    WRONG_STORE = "wrong_store"
    SOLD_OUT = "sold_out"
    TOTAL_LIMIT = "total_limit"
    CUSTOMER_LIMIT = "customer_limit"
    SHORTFALL = "shortfall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a reward asks for. Points are whole; None and empty sets mean no limit."""

    points: int
    bundle: int = 1
    is_offered: bool = True
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    stock: int | None = None
    limit_total: int | None = None
    limit_each: int | None = None
    tiers: Collection[int] = frozenset()
    segments: Collection[int] = frozenset()
    stores: Collection[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who wants how much of it, where and when.

    `taken` is how often it was taken by anybody, `taken_by_customer` by this one. Without a
    store the question is whether there is any store.
    """

    at: datetime
    units: int = 1
    available: int = 0
    taken: int = 0
    taken_by_customer: int = 0
    tier: int | None = None
    segments: Collection[int] = frozenset()
    store: int | None = None
    codes_left: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One reason against; `missing` says how many points or pieces are wanting."""

    obstacle: Obstacle
    missing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Whether the wish can be met, its cost in points, and every reason why not."""

    cost: int
    findings: tuple[Finding, ...]

    @property
    def is_available(self) -> bool:
        """Nothing stands against it."""
        return not self.findings


def availability(terms: Terms, wish: Wish) -> Availability:
    """Every obstacle between a customer and a reward, most lasting first."""
    cost = reward_cost(points=terms.points, bundle=terms.bundle, units=wish.units)
    found: list[Finding] = []

    def note(obstacle: Obstacle, missing: int = 0) -> None:
        found.append(Finding(obstacle=obstacle, missing=missing))

    if not terms.is_offered:
        note(Obstacle.WITHDRAWN)
    if terms.starts_at is not None and wish.at < terms.starts_at:
        note(Obstacle.NOT_YET)
    if terms.ends_at is not None and wish.at >= terms.ends_at:
        note(Obstacle.OVER)
    if terms.tiers and wish.tier not in terms.tiers:
        note(Obstacle.WRONG_TIER)
    if terms.segments and not set(terms.segments) & set(wish.segments):
        note(Obstacle.WRONG_SEGMENT)
    if terms.stores and wish.store is not None and wish.store not in terms.stores:
        note(Obstacle.WRONG_STORE)
    left = [count for count in (terms.stock, wish.codes_left) if count is not None]
    if left and min(left) < wish.units:
        note(Obstacle.SOLD_OUT, wish.units - min(left))
    for limit, taken, obstacle in (
        (terms.limit_total, wish.taken, Obstacle.TOTAL_LIMIT),
        (terms.limit_each, wish.taken_by_customer, Obstacle.CUSTOMER_LIMIT),
    ):
        if limit is not None and taken + wish.units > limit:
            note(obstacle, taken + wish.units - limit)
    if cost > wish.available:
        note(Obstacle.SHORTFALL, cost - wish.available)
    return Availability(cost=cost, findings=tuple(found))


# --- paying with points -------------------------------------------------------------------------


class PaymentLimit(StrEnum):
    """What kept points from paying more of a bill."""

    NONE = "none"
    BILL = "bill"
    SHARE = "share"
    BALANCE = "balance"
    MOST = "most"
    WISH = "wish"
    LEAST = "least"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentTerms:
    """`points` are worth `amount`; only whole multiples of them are taken.

    `share` is the largest part of a bill, in percent, that points may pay; `minor` the smallest
    coin. A payment below `least` points is not taken.
    """

    points: int
    amount: Decimal
    least: int = 0
    most: int | None = None
    share: Decimal = Decimal(100)
    minor: Decimal = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentQuote:
    """How many points pay how much of a bill, and what kept it from being more."""

    points: int
    amount: Decimal
    limited_by: PaymentLimit
    bill: Decimal
    payable: Decimal

    def to_json(self) -> dict[str, Any]:
        """The arithmetic, as it is kept with the redemption."""
        return {
            "bill": str(self.bill),
            "payable": str(self.payable),
            "points": self.points,
            "amount": str(self.amount),
            "limited_by": self.limited_by.value,
        }


def money_for_points(points: int, terms: PaymentTerms) -> Decimal:
    """What points pay: whole multiples, rounded down to the smallest coin."""
    return _down(points // terms.points * terms.amount, terms.minor)


def points_for_money(amount: Decimal, terms: PaymentTerms) -> int:
    """The fewest points that pay at least this much."""
    if amount <= 0:
        return 0
    steps = int((amount / terms.amount).to_integral_value(ROUND_FLOOR))
    while _down(steps * terms.amount, terms.minor) < amount:
        steps += 1
    return steps * terms.points


def quote_payment(
    *, bill: Decimal, available: int, terms: PaymentTerms, wanted: int | None = None
) -> PaymentQuote:
    """How much of a bill points can pay, and with how many; `wanted` points at most.

    The amount never exceeds the bill's share, and the points never exceed what is available.
    """
    payable = max(_down(bill * terms.share / 100, terms.minor), Decimal(0))
    bounds = [
        (
            int((payable / terms.amount).to_integral_value(ROUND_FLOOR)),
            PaymentLimit.SHARE if terms.share < 100 else PaymentLimit.BILL,
        ),
        (max(available, 0) // terms.points, PaymentLimit.BALANCE),
    ]
    if terms.most is not None:
        bounds.append((terms.most // terms.points, PaymentLimit.MOST))
    if wanted is not None:
        bounds.append((max(wanted, 0) // terms.points, PaymentLimit.WISH))
    steps, limit = min(bounds, key=lambda bound: bound[0])
    points = steps * terms.points
    amount = money_for_points(points, terms)
    # Points whose worth rounds away would be given for nothing.
    points = points_for_money(amount, terms)
    if points < terms.least or amount <= 0:
        reason = PaymentLimit.LEAST if points < terms.least else limit
        return PaymentQuote(
            points=0, amount=Decimal(0), limited_by=reason, bill=bill, payable=payable
        )
    return PaymentQuote(points=points, amount=amount, limited_by=limit, bill=bill, payable=payable)


def _down(amount: Decimal, minor: Decimal) -> Decimal:
    return amount.quantize(minor, ROUND_FLOOR)


# --- milestones ---------------------------------------------------------------------------------


def milestone_crossed(*, before: int, after: int, milestones: Collection[int]) -> int | None:
    """The highest milestone that a rise of the balance reached; None if it reached none."""
    return max((mark for mark in milestones if before < mark <= after), default=None)
