"""What an affiliate's period comes to: the higher rate for all of it, and bonuses for goals."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from affiliates.engine.commissions import MINOR_UNIT, ZERO, Progress, round_money
from affiliates.engine.plans import Goal, Tiers


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedBill:
    """Bills of a period that were paid alike: by the same base, at the same rate.

    `units` is what the rate was multiplied with, `desired` what they pay before limits.
    """

    base: Decimal
    rate: Decimal
    units: Decimal
    amount: Decimal
    desired: Decimal


def rate_difference(
    tiers: Tiers,
    counted: Iterable[CountedBill],
    total: Decimal,
    *,
    left: Decimal | None = None,
    unit: Decimal = MINOR_UNIT,
) -> Decimal:
    """What a retroactive tier adds to, or takes from, a period's bills as they were paid.

    `total` decides the step; `left` is what the plan's limit still allows. Where a limit trimmed
    the bills, a lower rate first takes what was trimmed.
    """
    step = tiers.step(total)
    exact = trimmed = ZERO
    for one in counted:
        rate = one.base if step is None else max(one.base, step.rate)
        exact += (rate - one.rate) * one.units
        trimmed += one.desired - one.amount
    difference = round_money(exact, unit)
    if difference < 0:
        return min(ZERO, difference + trimmed)
    return difference if left is None else min(difference, max(ZERO, left))


def goal_bonus(
    goal: Goal, period: Progress, *, credited: Decimal, left: Decimal | None = None
) -> Decimal:
    """What a goal has to come to: once reached, the bonus as far as the limit allows."""
    if period.total(goal.by) < goal.threshold:
        return ZERO
    if credited > 0:
        return credited
    return goal.bonus.quantize(MINOR_UNIT) if left is None else min(goal.bonus, max(ZERO, left))
