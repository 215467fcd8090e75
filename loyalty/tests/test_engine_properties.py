"""What must hold for any bill and any rules."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loyalty.engine import Bill, BillLine, Facts, Kind, Period, Rule, earn, remaining_bill

D = Decimal
MONDAY_EVENING = datetime(2026, 5, 4, 18, 30)
FACTS = Facts(tier_id=1, segments=frozenset({1}), nth=1, streaks={Period.WEEK: 5})
CATEGORIES = ("Food", "Food/Tea", "Toys", "")

money = st.integers(1, 50_000).map(lambda cents: D(cents) / 100)
amounts = st.sampled_from(["1.00", "3.00", "7.00", "100.00", "0.30"])


@st.composite
def definitions(draw: st.DrawFn, *, growing: bool = False) -> dict[str, Any]:
    """A written rule of any kind for bills; a `growing` one never gives less for more goods."""
    kind = draw(st.sampled_from([kind for kind in Kind if kind is not Kind.EVENT]))
    written: dict[str, Any] = {"kind": kind.value}
    if kind is Kind.MULTIPLIER:
        written["factor"] = draw(st.sampled_from(["1.5", "2", "3", "1.33"]))
    else:
        written["points"] = draw(st.integers(1, 40))
    if kind is Kind.PER_AMOUNT:
        written["amount"] = draw(amounts)
        written["basis"] = draw(
            st.sampled_from(["net", "with_tax", "before_discount", "before_discount_with_tax"])
        )
        if draw(st.booleans()):
            written["excluded_tenders"] = ["points"]
    if kind in (Kind.PER_AMOUNT, Kind.MULTIPLIER):
        written["rounding"] = draw(st.sampled_from(["floor", "half_up", "ceiling"]))
    if kind is Kind.PER_PRODUCT:
        written["unit"] = draw(st.sampled_from(["1", "2", "0.5"]))
    if kind is Kind.STREAK:
        written["streak"] = draw(st.integers(2, 8))
    for key in ("categories", "excluded_categories"):
        if draw(st.booleans()):
            written[key] = [draw(st.sampled_from(CATEGORIES[:3]))]
    if draw(st.booleans()):
        written["minimum_amount"] = str(draw(money))
    if draw(st.booleans()):
        written["weekdays"] = draw(st.lists(st.integers(1, 7), min_size=1, unique=True))
    if draw(st.booleans()):
        written["max_per_bill"] = draw(st.integers(1, 500))
    if draw(st.booleans()):
        written["budget"] = draw(st.integers(1, 500))
    if not growing and draw(st.booleans()):
        written["stackable"] = False
        written["priority"] = draw(st.integers(0, 3))
    return written


@st.composite
def lines(draw: st.DrawFn, place: int) -> BillLine:
    return BillLine(
        key=str(place),
        sku=f"s{draw(st.integers(1, 4))}",
        category=draw(st.sampled_from(CATEGORIES)),
        quantity=D(draw(st.integers(1, 9))),
        net=draw(money),
        discount=draw(st.sampled_from([D(0), D("1.25")])),
        tax=draw(st.sampled_from([D(0), D("0.90")])),
    )


@st.composite
def bills(draw: st.DrawFn) -> Bill:
    count = draw(st.integers(1, 6))
    return Bill(
        store="1",
        at=MONDAY_EVENING,
        tenders=draw(st.sampled_from([(), (("cash", D(70)), ("points", D(30)))])),
        lines=tuple(draw(lines(place)) for place in range(count)),
    )


def parse(written: Sequence[dict[str, Any]]) -> list[Rule]:
    return [
        Rule.from_definition(definition, rule_id=number, version=1, name=f"Rule {number}")
        for number, definition in enumerate(written, start=1)
    ]


many = st.lists(definitions(), max_size=5).map(parse)
growing = st.lists(definitions(growing=True), max_size=5).map(parse)


@given(bill=bills(), rules=many, data=st.data())
def test_the_order_of_lines_and_rules_does_not_matter(
    bill: Bill, rules: list[Rule], data: st.DataObject
) -> None:
    mixed = replace(bill, lines=tuple(data.draw(st.permutations(bill.lines))))
    whole = earn(bill, rules, FACTS)
    assert earn(mixed, rules, FACTS).per_rule == whole.per_rule
    turned = earn(bill, data.draw(st.permutations(rules)), FACTS)
    assert turned.per_rule == whole.per_rule


@given(bill=bills(), rules=many)
def test_steps_add_up_to_the_points(bill: Bill, rules: list[Rule]) -> None:
    earning = earn(bill, rules, FACTS)
    written = [step.to_json() for step in earning.steps]
    assert sum(step["points"] for step in written) == earning.points
    assert sum(earning.per_rule.values()) == earning.points == earning.qualifying
    assert len(written) == len(rules)
    for step in earning.steps:
        assert 0 <= step.points <= step.desired
        assert bool(step.limit) == (step.points < step.desired)


@given(bill=bills(), rules=many, used=st.integers(0, 600), left=st.integers(0, 600))
def test_limits_are_never_exceeded(bill: Bill, rules: list[Rule], used: int, left: int) -> None:
    facts = replace(
        FACTS,
        used={rule.rule_id: used for rule in rules},
        budget_left={rule.rule_id: left for rule in rules},
    )
    given_points = earn(bill, rules, facts).per_rule
    for rule in rules:
        points = given_points.get(rule.rule_id, 0)
        if rule.limits.per_bill is not None:
            assert points <= rule.limits.per_bill
        if rule.limits.budget is not None:
            assert points <= left
        if rule.limits.points is not None:
            assert points <= max(0, rule.limits.points - used)


@given(bill=bills(), rules=growing, place=st.integers(0, 5), more=st.integers(1, 5))
def test_more_of_an_article_never_earns_less(
    bill: Bill, rules: list[Rule], place: int, more: int
) -> None:
    line = bill.lines[place % len(bill.lines)]
    grown = replace(
        line,
        quantity=line.quantity + more,
        net=line.net + line.net * more / line.quantity,
    )
    bigger = replace(bill, lines=tuple(grown if one is line else one for one in bill.lines))
    assert earn(bigger, rules, FACTS).points >= earn(bill, rules, FACTS).points


@given(bill=bills(), rules=many, data=st.data())
def test_returns_in_any_split_and_order_take_back_the_whole(
    bill: Bill, rules: list[Rule], data: st.DataObject
) -> None:
    """Each line comes back in up to three parts, in any order; what is taken adds up exactly."""
    parts: list[BillLine] = []
    for line in bill.lines:
        cut = data.draw(st.integers(1, 3))
        rest = line
        for number in range(1, cut + 1):
            share = rest
            if number < cut:
                share = replace(
                    line,
                    quantity=(line.quantity / cut).quantize(D("0.001")),
                    net=(line.net / cut).quantize(D("0.01")),
                    discount=(line.discount / cut).quantize(D("0.01")),
                    tax=(line.tax / cut).quantize(D("0.01")),
                )
                rest = _less(rest, share)
            parts.append(
                replace(_negated(share), key=f"r{line.key}-{number}", returns_key=line.key)
            )
    whole = posted = earn(bill, rules, FACTS).points
    taken, returns = 0, []
    for part in data.draw(st.permutations(parts)):
        returns.append(replace(bill, lines=(part,)))
        now = earn(remaining_bill(bill, returns), rules, FACTS).points
        taken += posted - now
        posted = now
    assert (posted, taken) == (0, whole)


def _negated(line: BillLine) -> BillLine:
    return replace(
        line,
        quantity=-line.quantity,
        net=-line.net,
        discount=-line.discount,
        tax=-line.tax,
    )


def _less(line: BillLine, share: BillLine) -> BillLine:
    return replace(
        line,
        quantity=line.quantity - share.quantity,
        net=line.net - share.net,
        discount=line.discount - share.discount,
        tax=line.tax - share.tax,
    )


@given(written=definitions())
def test_a_written_rule_reads_back_as_itself(written: dict[str, Any]) -> None:
    (rule,) = parse([written])
    (again,) = parse([rule.to_definition()])
    assert again == rule
    assert again.to_definition() == rule.to_definition()
