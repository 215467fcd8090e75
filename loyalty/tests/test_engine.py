"""What bills earn: the pure engine."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty.engine import (
    Bill,
    BillLine,
    Rule,
    earn,
    remaining_bill,
)
from loyalty.errors import InvalidRuleError

D = Decimal


def rule(**definition: Any) -> Rule:
    written = {"kind": "per_amount", "points": 1, "amount": "1.00", **definition}
    return Rule.from_definition(written, rule_id=1, version=1, name="Rule")


def line(
    key: str, net: str, *, category: str = "", returns: str = "", quantity: str = "1"
) -> BillLine:
    return BillLine(
        key=key, sku=key, category=category, quantity=D(quantity), net=D(net), returns_key=returns
    )


def bill(*lines: BillLine, store: str = "1") -> Bill:
    return Bill(store=store, lines=lines)


@pytest.mark.parametrize(
    ("definition", "net", "points"),
    [
        ({}, "99.99", 99),
        ({"rounding": "half_up"}, "99.50", 100),
        ({"rounding": "ceiling"}, "99.01", 100),
        ({"points": 5, "amount": "100.00"}, "1999.00", 99),
        ({"points": 4}, "152.00", 608),
        ({"amount": "100.00"}, "99.99", 0),
    ],
)
def test_a_rule_gives_points_for_money_and_rounds_once(
    definition: dict[str, Any], net: str, points: int
) -> None:
    assert earn(bill(line("a", net)), [rule(**definition)]).points == points


def test_lines_are_added_before_rounding() -> None:
    cents = bill(*(line(str(n), "0.35") for n in range(10)))
    assert earn(cents, [rule()]).points == 3


def test_each_rule_adds_and_explains_its_part() -> None:
    earning = earn(bill(line("a", "152.00")), [rule(points=10), rule(points=4)])
    assert earning.points == 2128
    assert [step.points for step in earning.steps] == [1520, 608]
    assert earning.per_line == {"a": D(2128)}


def test_categories_match_whole_steps_of_their_path() -> None:
    goods = bill(
        line("a", "10", category="Food/Tea"),
        line("b", "20", category="Food"),
        line("c", "40", category="Foodware"),
        line("d", "80"),
    )
    assert earn(goods, [rule(categories=["Food"])]).points == 30
    assert earn(goods, [rule(categories=["Food/Tea"])]).points == 10
    assert earn(goods, [rule(excluded_categories=["Food"])]).points == 120
    assert earn(goods, [rule(categories=["Food"], excluded_categories=["Food/Tea"])]).points == 20


def test_a_rule_that_gives_nothing_says_why() -> None:
    goods = bill(line("a", "10", category="Food"), store="7")
    reasons = [
        earn(goods, [rule(stores=["1"])]).steps[0].skipped,
        earn(goods, [rule(categories=["Toys"])]).steps[0].skipped,
        earn(bill(line("a", "0")), [rule()]).steps[0].skipped,
    ]
    assert reasons == [
        "not at this store",
        "no article of this rule on the bill",
        "nothing of it was kept",
    ]
    assert earn(goods, [rule(stores=["7"])]).points == 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "magic"},
        {"points": 0},
        {"points": "5"},
        {"points": True},
        {"amount": "0"},
        {"amount": 1.5},
        {"amount": "NaN"},
        {"amount": "-1"},
        {"rounding": "sideways"},
        {"stores": "7"},
        {"stores": [""]},
        {"stores": ["7", "7"]},
        {"categories": [7]},
        {"surprise": 1},
    ],
)
def test_refuses_a_rule_that_is_not_complete(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRuleError):
        rule(**wrong)


def test_a_rule_survives_being_written_down() -> None:
    full = rule(stores=["7"], categories=["Food"], excluded_categories=["Food/Tea"])
    written = full.to_definition()
    assert Rule.from_definition(written, rule_id=1, version=1, name="Rule") == full


def test_what_was_returned_no_longer_counts() -> None:
    sale = bill(line("a", "10.50", quantity="3"), line("b", "20.00"))
    back = bill(line("r1", "-3.50", returns="a", quantity="-1"))
    loose = bill(line("r2", "-5.00", category=""))
    kept = remaining_bill(sale, [back])
    assert [(kept_line.key, kept_line.net, kept_line.quantity) for kept_line in kept.lines] == [
        ("a", D("7.00"), D(2)),
        ("b", D("20.00"), D(1)),
    ]
    assert earn(remaining_bill(sale, [back, loose]), [rule()]).points == 22


cents = st.integers(min_value=1, max_value=10_000).map(lambda number: D(number) / 100)


@given(
    nets=st.lists(cents, min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 7), max_size=8),
    rate=st.integers(1, 7),
)
def test_partial_returns_in_any_split_sum_exactly_to_the_whole(
    nets: list[Decimal], cuts: list[int], rate: int
) -> None:
    rules = [rule(points=rate, amount="3.00")]
    sale = bill(*(line(str(place), str(net)) for place, net in enumerate(nets)))
    left = set(range(len(nets)))
    returns: list[Bill] = []
    posted = earn(sale, rules).points
    whole = posted
    taken = 0
    for cut in [*cuts, *range(len(nets))]:
        if cut in left:
            left.discard(cut)
            returns.append(bill(line(f"r{cut}", str(-nets[cut]), returns=str(cut))))
            now = earn(remaining_bill(sale, returns), rules).points
            taken += posted - now
            posted = now
    assert (posted, taken) == (0, whole)
