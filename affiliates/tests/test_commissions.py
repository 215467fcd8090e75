"""What bills pay: the pure engine, with properties over returns in any split and order."""

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiliates.engine import (
    Commission,
    CustomerKind,
    Known,
    Pinned,
    Progress,
    Terms,
    correction,
    decide,
    minor_unit,
    price,
)
from affiliates.errors import InvalidTermsError
from affiliates.tests.returns import any_terms, keeps_nothing_wrong, random_history
from loyalty.engine import Bill, BillLine

DAY = date(2026, 3, 10)
AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
RAVI = Known(customer_id=7, customer=CustomerKind.NEW, is_first=True, first_on=DAY)


def terms(rate: str = "10", kind: str = "percent", **written: Any) -> Terms:
    return Terms.read(kind=kind, rate=Decimal(rate), terms=written)


def line(net: str, *, category: str = "Tea", quantity: str = "1", **fields: Any) -> BillLine:
    return BillLine(
        **{
            "key": fields.pop("key", category),
            "sku": f"{category}-1",
            "category": category,
            "quantity": Decimal(quantity),
            "net": Decimal(net),
            **fields,
        }
    )


def pay(
    plan: Terms, *lines: BillLine, known: Known = RAVI, net: str | None = None, **facts: Any
) -> Commission:
    bill = Bill(store="S1", at=AT, lines=lines)
    remaining = Decimal(net) if net else sum((one.net for one in lines), Decimal(0))
    pinned = decide(plan, known=known, day=DAY, counted_net=remaining, **facts)
    return price(plan, pinned, bill, remaining, allowance=pinned.allowance)


@pytest.mark.parametrize(
    ("rate", "sale", "earns"),
    [("20", 3, 1), ("20", 2, 0), ("20", 7, 1), ("10", 15, 2), ("2.9", 500, 15), ("50", 1, 1)],
)
def test_case_1_a_percentage_rounds_half_up_on_minor_units(
    rate: str, sale: int, earns: int
) -> None:
    assert pay(terms(rate), net=str(Decimal(sale) / 100)).amount == Decimal(earns) / 100


@pytest.mark.parametrize(
    ("plan", "quantity", "earns"),
    [
        (terms("20"), "5", "200.00"),
        (terms("500", "fixed", per="piece"), "2", "1000.00"),
        (terms("500", "fixed", per="piece"), "0", "0.00"),
        (terms("500", "fixed"), "2", "500.00"),
    ],
)
def test_case_2_only_a_fixed_amount_a_piece_looks_at_the_quantity(
    plan: Terms, quantity: str, earns: str
) -> None:
    assert pay(plan, line("1000", quantity=quantity)).amount == Decimal(earns)


def test_case_3_the_first_order_pays_more_than_those_soon_after() -> None:
    plan = terms(
        rules=[
            {"name": "New sale", "kind": "fixed", "rate": "9000", "first_order": True},
            {"name": "Soon after", "kind": "fixed", "rate": "2000", "within_months": 3},
        ]
    )
    second = Known(customer_id=7, customer=CustomerKind.ACTIVE, first_on=date(2026, 1, 12))
    late = Known(customer_id=7, customer=CustomerKind.ACTIVE, first_on=date(2025, 12, 9))
    assert pay(plan, line("100000")).amount == Decimal(9000)
    assert pay(plan, line("100000"), known=second).amount == Decimal(2000)
    assert pay(plan, line("100000"), known=late).amount == Decimal(10000)


def test_case_4_what_is_not_known_of_an_article_fits_no_rule_and_pays_the_usual_rate() -> None:
    plan = terms(
        rules=[{"name": "Not tea", "kind": "percent", "rate": "50", "excluded_categories": ["Tea"]}]
    )
    assert pay(plan, line("100", category="Milk")).amount == Decimal(50)
    assert pay(plan, line("100", category="Tea")).amount == Decimal(10)
    assert pay(plan, line("100", category="")).amount == Decimal(10)


@pytest.mark.parametrize(
    "condition",
    [
        {"excluded_categories": []},
        {"brands": [""]},
        {"products": ["  "]},
        {"customers": []},
        {"stores": "S1"},
    ],
)
def test_case_4_an_empty_condition_is_refused_when_it_is_written(condition: Any) -> None:
    rule = {"name": "Odd", "kind": "percent", "rate": "50", **condition}
    with pytest.raises(InvalidTermsError) as refusal:
        terms(rules=[rule])
    assert refusal.value.field == next(iter(condition))


def test_case_10_a_limit_trims_a_commission_and_the_next_earns_nothing() -> None:
    plan = terms(cap={"amount": "5000", "period": "month"})
    cut = pay(plan, line("20000"), cap=Progress(earned=Decimal(4200)))
    assert (cut.amount, cut.desired) == (Decimal(800), Decimal(2000))
    assert pay(plan, line("20000"), cap=Progress(earned=Decimal(5000))).amount == 0


def test_case_15_existing_customers_pay_what_the_plan_says_for_them() -> None:
    plan = terms(customer_rates={"new": "15", "lapsed": "5", "active": "0"})
    since = date(2025, 2, 1)
    active = Known(customer_id=7, customer=CustomerKind.ACTIVE, since=since)
    lapsed = Known(customer_id=7, customer=CustomerKind.LAPSED, since=since)
    assert pay(plan, line("100")).amount == 15
    assert pay(plan, line("100"), known=lapsed).amount == 5
    refused = pay(plan, line("100"), known=active)
    assert (refused.amount, refused.refusal) == (Decimal(0), "customer_active")
    assert pay(plan, line("100"), known=Known()).amount == 10


def test_each_article_goes_by_the_best_rule_and_shipping_never_counts() -> None:
    plan = terms(
        rules=[
            {"name": "Tea", "kind": "percent", "rate": "20", "categories": ["Tea"]},
            {"name": "Green", "kind": "fixed", "per": "piece", "rate": "30", "brands": ["Green"]},
            {"name": "Gifts", "kind": "percent", "rate": "0", "categories": ["Gift cards"]},
        ],
        excluded_products=["Milk-1"],
    )
    paid = pay(
        plan,
        line("100"),
        line("100", brand="Green", key="g"),
        line("100", category="Gift cards"),
        line("100", category="Milk"),
        line("100", category="Shipping/Express"),
        line("50", category="Bread"),
    )
    assert [(step.rule, step.exact) for step in paid.steps] == [
        ("Tea", Decimal(20)),
        ("Green", Decimal(30)),
        ("Gifts", Decimal(0)),
        ("", Decimal(5)),
    ]
    assert (paid.amount, paid.counted_net) == (Decimal(55), Decimal(350))


def test_a_fixed_amount_for_a_bill_wins_where_it_is_more() -> None:
    plan = terms(
        rules=[
            {"name": "Tea", "kind": "percent", "rate": "20", "categories": ["Tea"]},
            {"name": "Big", "kind": "fixed", "rate": "150", "minimum_bill": "500"},
        ]
    )
    assert pay(plan, line("600")).amount == 150
    assert pay(plan, line("1000")).amount == 200
    assert pay(plan, line("400")).amount == 80
    assert pay(plan, line("5000", category="Milk")).amount == 150


@pytest.mark.parametrize(
    ("mode", "before", "net", "earns"),
    [
        ("next_order", "900", "200", "10.00"),
        ("next_order", "1000", "200", "14.00"),
        ("marginal", "900", "200", "12.00"),
        ("marginal", "900", "10000", "875.00"),
        ("retroactive", "900", "200", "14.00"),
        ("retroactive", "700", "200", "10.00"),
    ],
)
def test_a_step_changes_the_next_bill_the_part_above_or_the_whole_period(
    mode: str, before: str, net: str, earns: str
) -> None:
    steps = [{"from": "1000", "rate": "7"}, {"from": "5000", "rate": "10"}]
    plan = terms("5", tiers={"mode": mode, "by": "net", "period": "month", "steps": steps})
    paid = pay(plan, line(net), tier=Progress(net=Decimal(before)))
    assert paid.amount == Decimal(earns)


def test_first_orders_and_months_need_a_customer_that_is_known() -> None:
    first = terms(first_order_only=True)
    months = terms(recurring_months=2)
    later = Known(customer_id=7, customer=CustomerKind.ACTIVE, first_on=date(2026, 1, 10))
    too_late = Known(customer_id=7, customer=CustomerKind.ACTIVE, first_on=date(2026, 1, 9))
    assert pay(first, line("100")).amount == 10
    assert pay(first, line("100"), known=later).refusal == "not_first"
    assert pay(first, line("100"), known=Known()).refusal == "customer_unknown"
    assert pay(months, line("100"), known=later).amount == 10
    assert pay(months, line("100"), known=too_late).refusal == "too_late"


def test_what_was_promised_to_one_affiliate_stands_in_the_plans_place() -> None:
    written = {
        "customer_rates": {"new": "15", "active": "0"},
        "cap": {"amount": "50", "period": "month"},
    }
    own = Terms.read(
        kind="percent",
        rate=Decimal(10),
        terms=written,
        overrides={"rate": "25", "cap": None},
    )
    active = Known(customer_id=7, customer=CustomerKind.ACTIVE)
    assert pay(own, line("1000"), cap=Progress()).amount == 250
    assert pay(own, line("1000"), known=active).refusal == "customer_active"


@pytest.mark.parametrize(
    "written",
    [
        {"colour": "red"},
        {"rules": []},
        {"rules": [{"name": "x", "kind": "percent", "rate": 5}]},
        {"rules": [{"name": "x", "kind": "percent", "rate": "101"}]},
        {"rules": [{"name": "x", "kind": "percent", "rate": "5", "per": "piece"}]},
        {"per": "piece"},
        {"first_order_only": True, "recurring_months": 3},
        {"cap": {"amount": "5"}},
        {"cap": {"amount": "NaN", "period": "month"}},
        {"customer_rates": {"strange": "5"}},
        {"parent_percent": "101"},
        {"goals": [{"by": "orders", "threshold": "0", "period": "month", "bonus": "5"}]},
        {
            "tiers": {
                "mode": "marginal",
                "by": "orders",
                "period": "month",
                "steps": [{"from": "5", "rate": "7"}],
            }
        },
        {
            "tiers": {
                "mode": "next_order",
                "by": "net",
                "period": "month",
                "steps": [{"from": "9", "rate": "7"}, {"from": "5", "rate": "8"}],
            }
        },
    ],
)
def test_terms_that_make_no_sense_are_refused(written: dict[str, Any]) -> None:
    with pytest.raises(InvalidTermsError):
        terms(**written)


def test_money_is_rounded_on_the_coins_of_its_currency() -> None:
    paid = price(
        terms("10"),
        decide(terms("10"), known=RAVI, day=DAY),
        Bill(store="S1", at=AT, lines=()),
        Decimal(1015),
        unit=minor_unit("JPY"),
    )
    assert (paid.amount, paid.exact) == (Decimal("102.00"), Decimal("101.5"))
    assert minor_unit("INR") == Decimal("0.01")


def test_what_was_pinned_reads_as_it_was_written() -> None:
    pinned = Pinned(
        known=Known(customer_id=3, customer=CustomerKind.LAPSED, since=DAY, first_on=DAY),
        base=Decimal(5),
        rate=Decimal("7.5"),
        threshold=Decimal(1000),
        before=Decimal("12.34"),
        allowance=Decimal("800.00"),
        refusal="too_late",
    )
    assert Pinned.from_json(pinned.to_json()) == pinned


@given(
    rate=st.decimals("0.01", "100", places=2),
    paise=st.integers(1, 10_000_000),
    shares=st.lists(st.integers(0, 100), max_size=8),
)
def test_any_split_of_returns_ends_at_the_commission_on_what_is_kept(
    rate: Decimal, paise: int, shares: list[int]
) -> None:
    plan = Terms.read(kind="percent", rate=rate, terms={})
    kept = paise
    credited = Decimal(0)
    for share in [0, *shares]:
        kept -= kept * share // 100
        earned = pay(plan, net=str(Decimal(kept) / 100)).amount if kept else Decimal(0)
        credited += correction(credited=credited, earned=earned)
    exact = Decimal(kept) / 100 * rate / 100
    assert credited == exact.quantize(Decimal("0.01"), ROUND_HALF_UP)


@pytest.mark.parametrize("seed", range(5))
def test_credits_and_reversals_sum_to_the_commission_on_what_remains(seed: int) -> None:
    """Acceptance 2, a part of it: `python -m benchmarks.commission_returns` runs 10,000."""
    for number in range(40):
        history = random_history(f"{seed}/{number}")
        assert keeps_nothing_wrong(any_terms(f"{seed}/{number}"), history) is None
