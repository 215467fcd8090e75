"""The named behaviour cases of expiry and tiers, on the pure engine."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from loyalty.engine import MeasuredPoint, TierStep, TierWindow, WindowKind, upgrades
from loyalty.engine.tiers import Demotion, after_period, with_floor

D = Decimal


@pytest.mark.parametrize(
    ("spent", "receipt", "moves"),
    [
        (0, 6000, []),
        (0, 15_000, [(2, D(15_000))]),
        (8000, 3000, [(2, D(11_000))]),
        (4000, 500, []),
        (18_000, 3000, [(3, D(21_000))]),
    ],
)
def test_the_current_receipt_counts_for_the_tier(
    spent: int, receipt: int, moves: list[tuple[int, Decimal]]
) -> None:
    """Case 18: whoever had 18,000 before is already in the second tier."""
    ladder = [
        TierStep(tier_id=1, threshold=D(0)),
        TierStep(tier_id=2, threshold=D(10_000)),
        TierStep(tier_id=3, threshold=D(20_000)),
    ]
    points = [
        MeasuredPoint(
            at=datetime(2026, 1, day, tzinfo=UTC),
            day=date(2026, 1, day),
            amount=D(amount),
            is_new=is_new,
        )
        for day, amount, is_new in ((1, spent, False), (2, receipt, True))
    ]
    found = upgrades(
        points,
        ladder=ladder,
        tier_id=2 if spent >= 10_000 else 1,
        window=TierWindow(kind=WindowKind.ROLLING, days=365),
        joined_on=date(2026, 1, 1),
    )
    assert [(move.tier_id, move.measured) for move in found] == moves


@pytest.mark.parametrize(
    ("now", "manual", "value", "stands"),
    [(20, 20, 40, 30), (30, 20, 0, 20), (20, 20, 21, 20), (30, 0, 21, 20)],
)
def test_a_manual_tier_is_a_floor(now: int, manual: int, value: int, stands: int) -> None:
    """Case 15: tiers at 0, 20, 30, named here by their thresholds."""
    ladder = [TierStep(tier_id=need, threshold=D(need)) for need in (0, 20, 30)]
    earned = after_period(
        ladder=ladder,
        tier_id=now,
        measured=D(value),
        demotion=Demotion.TO_EARNED,
        window=TierWindow(kind=WindowKind.YEAR),
        ends_on=date(2026, 12, 31),
        grace_days=0,
        joined_on=date(2026, 1, 1),
    )
    assert with_floor(ladder, earned.tier_id, manual) == stands
