"""Costs, gates, payments, codes and milestones, as arithmetic."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.engine.codes import (
    READABLE,
    code_128_bars,
    code_128_svg,
    code_128_symbols,
    code_128_width,
    code_key,
    is_well_typed,
    masked_code,
    random_code,
)
from loyalty.engine.rewards import (
    Obstacle,
    PaymentLimit,
    PaymentTerms,
    Terms,
    Wish,
    availability,
    milestone_crossed,
    money_for_points,
    points_for_money,
    quote_payment,
    reward_cost,
)

NOW = datetime(2026, 6, 15, 6, 30, tzinfo=UTC)


def obstacles(terms: Terms, **wish: Any) -> list[Obstacle]:
    fields = {"at": NOW, "available": 1000, **wish}
    return [found.obstacle for found in availability(terms, Wish(**fields)).findings]


@given(points=st.integers(1, 10_000), bundle=st.integers(1, 50), units=st.integers(1, 500))
def test_a_begun_bundle_counts_whole(points: int, bundle: int, units: int) -> None:
    cost = reward_cost(points=points, bundle=bundle, units=units)
    assert cost % points == 0
    assert (cost // points - 1) * bundle < units <= cost // points * bundle


@pytest.mark.parametrize(
    ("terms", "wish", "expected"),
    [
        ({}, {}, []),
        ({"is_offered": False}, {}, [Obstacle.WITHDRAWN]),
        ({"starts_at": NOW + timedelta(seconds=1)}, {}, [Obstacle.NOT_YET]),
        ({"starts_at": NOW}, {}, []),
        ({"ends_at": NOW}, {}, [Obstacle.OVER]),
        ({"ends_at": NOW + timedelta(seconds=1)}, {}, []),
        ({"tiers": {1, 2}}, {"tier": 3}, [Obstacle.WRONG_TIER]),
        ({"tiers": {1, 2}}, {"tier": None}, [Obstacle.WRONG_TIER]),
        ({"tiers": {1, 2}}, {"tier": 2}, []),
        ({"segments": {7}}, {"segments": {8}}, [Obstacle.WRONG_SEGMENT]),
        ({"segments": {7, 9}}, {"segments": {9}}, []),
        ({"stores": {4}}, {"store": 5}, [Obstacle.WRONG_STORE]),
        ({"stores": {4}}, {"store": None}, []),
        ({"stock": 2}, {"units": 3}, [Obstacle.SOLD_OUT]),
        ({"stock": 3}, {"units": 3}, []),
        ({}, {"codes_left": 0}, [Obstacle.SOLD_OUT]),
        ({"limit_total": 5}, {"taken": 5}, [Obstacle.TOTAL_LIMIT]),
        ({"limit_total": 5}, {"taken": 4}, []),
        ({"limit_each": 1}, {"taken_by_customer": 1, "taken": 1}, [Obstacle.CUSTOMER_LIMIT]),
        ({"limit_each": 0}, {}, [Obstacle.CUSTOMER_LIMIT]),
        ({}, {"available": 9}, [Obstacle.SHORTFALL]),
        ({"stock": 0}, {"available": 9}, [Obstacle.SOLD_OUT, Obstacle.SHORTFALL]),
    ],
)
def test_every_obstacle_is_named(
    terms: dict[str, Any], wish: dict[str, Any], expected: list[Obstacle]
) -> None:
    assert obstacles(Terms(points=10, **terms), **wish) == expected


def test_a_shortfall_says_how_many_points_are_missing() -> None:
    found = availability(Terms(points=500), Wish(at=NOW, available=320))
    assert (found.cost, found.findings[0].missing) == (500, 180)


# --- paying with points -------------------------------------------------------------------------

AMOUNTS = st.decimals(Decimal("0.01"), Decimal(100_000), places=2)
TERMS = st.builds(
    PaymentTerms,
    points=st.integers(1, 500),
    amount=st.decimals(Decimal("0.0001"), Decimal(50), places=4),
    least=st.integers(0, 1000),
    most=st.none() | st.integers(1, 100_000),
    share=st.decimals(Decimal(1), Decimal(100), places=2),
)


@given(
    terms=TERMS,
    bill=AMOUNTS,
    available=st.integers(-50, 200_000),
    wanted=st.none() | st.integers(0, 200_000),
)
def test_a_quote_never_exceeds_share_balance_or_limits(
    terms: PaymentTerms, bill: Decimal, available: int, wanted: int | None
) -> None:
    quote = quote_payment(bill=bill, available=available, terms=terms, wanted=wanted)
    assert 0 <= quote.points <= max(available, 0)
    assert 0 <= quote.amount <= bill * terms.share / 100
    assert quote.points <= (quote.points if terms.most is None else terms.most)
    assert quote.points <= (quote.points if wanted is None else wanted)
    assert quote.points % terms.points == 0
    assert (quote.points == 0) is (quote.amount == 0)
    assert quote.points == 0 or quote.points >= terms.least


@given(terms=TERMS, points=st.integers(0, 1_000_000))
def test_points_are_never_worth_a_coin_too_much(terms: PaymentTerms, points: int) -> None:
    money = money_for_points(points, terms)
    assert money * terms.points <= points * terms.amount
    assert money == money.quantize(Decimal("0.01"))


@given(terms=TERMS, amount=AMOUNTS)
def test_the_points_for_an_amount_pay_it_and_no_multiple_fewer_does(
    terms: PaymentTerms, amount: Decimal
) -> None:
    points = points_for_money(amount, terms)
    assert money_for_points(points, terms) >= amount
    assert money_for_points(points - terms.points, terms) < amount


@pytest.mark.parametrize(
    ("fields", "available", "wanted", "expected"),
    [
        ({}, 1000, None, (400, "100.00", PaymentLimit.BILL)),
        ({"share": Decimal(50)}, 1000, None, (200, "50.00", PaymentLimit.SHARE)),
        ({}, 103, None, (100, "25.00", PaymentLimit.BALANCE)),
        ({"most": 120}, 1000, None, (120, "30.00", PaymentLimit.MOST)),
        ({}, 1000, 42, (40, "10.00", PaymentLimit.WISH)),
        ({"least": 100}, 99, None, (0, "0", PaymentLimit.LEAST)),
        ({}, 3, None, (0, "0", PaymentLimit.BALANCE)),
    ],
)
def test_what_limits_a_payment_is_said(
    fields: dict[str, Any], available: int, wanted: int | None, expected: tuple[Any, ...]
) -> None:
    terms = PaymentTerms(points=4, amount=Decimal("1.00"), **fields)
    quote = quote_payment(bill=Decimal(100), available=available, terms=terms, wanted=wanted)
    assert (quote.points, quote.amount, quote.limited_by) == (
        expected[0],
        Decimal(expected[1]),
        expected[2],
    )


# --- codes --------------------------------------------------------------------------------------

ALL_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
PREFIXES = st.text(ALL_SIGNS, max_size=8)
LENGTHS = st.integers(8, 24)


@given(prefix=PREFIXES, length=LENGTHS)
def test_a_new_code_is_readable_and_well_typed(prefix: str, length: int) -> None:
    code = random_code(prefix=prefix, length=length)
    key = code_key(code)
    assert is_well_typed(code) and is_well_typed(f" {code.lower()} ")
    assert key.startswith(prefix) and len(key) == len(prefix) + length + 1
    assert set(key[len(prefix) :]) <= set(READABLE)


@given(prefix=PREFIXES, length=LENGTHS)
def test_every_single_wrong_sign_is_noticed(prefix: str, length: int) -> None:
    key = code_key(random_code(prefix=prefix, length=length))
    for place, right in enumerate(key):
        for wrong in ALL_SIGNS:
            if wrong != right:
                assert not is_well_typed(key[:place] + wrong + key[place + 1 :])


@given(prefix=PREFIXES, length=LENGTHS)
def test_every_swap_of_neighbours_is_noticed(prefix: str, length: int) -> None:
    key = code_key(random_code(prefix=prefix, length=length))
    for place in range(len(key) - 1):
        one, two = key[place], key[place + 1]
        if one != two:
            assert not is_well_typed(key[:place] + two + one + key[place + 2 :])


def test_codes_do_not_repeat_and_are_masked_for_others() -> None:
    codes = {random_code(length=8) for _ in range(5000)}
    assert len(codes) == 5000
    code = random_code(prefix="TEA", length=11)
    assert masked_code(code) == f"••••{code_key(code)[-4:]}"


def test_a_bar_code_carries_its_check_and_its_quiet_zones() -> None:
    assert code_128_symbols("Wikipedia")[-2:] == [88, 106]
    bars = list(code_128_bars("AB-12"))
    assert bars[0] == (10, 2)
    end, width = bars[-1]
    assert end + width + 10 == code_128_width("AB-12") == 2 * 10 + 11 * 7 + 13
    assert code_128_svg("AB-12").startswith("<svg ")
    with pytest.raises(ValueError, match="printable"):
        code_128_svg("tea ☕")


# --- milestones ---------------------------------------------------------------------------------


def test_case_11_milestones_are_told_once_when_reached_from_below() -> None:
    """Case 11."""
    marks = [50, 100]
    steps = [(0, 50, 50), (50, 99, None), (99, 100, 100), (100, 0, None), (0, 100, 100)]
    for before, after, expected in steps:
        assert milestone_crossed(before=before, after=after, milestones=marks) == expected
