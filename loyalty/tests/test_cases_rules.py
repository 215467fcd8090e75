"""The shop's cases about earning, told as bills."""

from datetime import datetime, time
from decimal import Decimal
from typing import Any

import pytest

from customers.models import Customer, Purchase
from loyalty.engine import Bill, BillLine, Rule, earn, remaining_bill
from loyalty.models import Account, PointsEntry
from loyalty.services import redeem_points
from loyalty.tests.factories import make_program, make_rule
from loyalty.tests.test_settle_purchases import give_back, line, points_of, sale, settle

D = Decimal


def rule(number: int = 1, **definition: Any) -> Rule:
    usual: dict[str, Any] = {}
    if definition.get("kind", "per_amount") == "per_amount":
        usual = {"kind": "per_amount", "points": 1, "amount": "1.00"}
    return Rule.from_definition(
        {**usual, **definition}, rule_id=number, version=1, name=f"Rule {number}"
    )


def article(sku: str, net: str, **fields: Any) -> BillLine:
    values = {"key": sku, "sku": sku, "category": "", "quantity": D(1), "net": D(net), **fields}
    return BillLine(**values)


def bill(*lines: BillLine, **fields: Any) -> Bill:
    return Bill(**{"store": "1", "lines": lines, **fields})


@pytest.mark.django_db
def test_case_1_two_receipts_earn_what_they_say() -> None:
    """Case 1, its earning: 5 points for each unit of money."""
    make_program()
    make_rule(points=5)
    customer = Customer.objects.create(name="Asha Patel")
    settle(sale(customer, line("a", "115.00")), sale(customer, line("a", "161.00"), number="B2"))
    assert [entry.points for entry in PointsEntry.objects.order_by("seq")] == [575, 805]


def test_case_5_a_rule_with_a_code_needs_it_on_the_bill() -> None:
    """Case 5: worth 10 only with PROMO10."""
    promo = rule(kind="per_bill", points=10, codes=["PROMO10"])
    goods = article("a", "100.00")
    assert earn(bill(goods), [promo]).points == 0
    assert earn(bill(goods, codes=frozenset({"OTHER"})), [promo]).points == 0
    assert earn(bill(goods, codes=frozenset({"promo10"})), [promo]).points == 10


@pytest.mark.django_db
def test_case_6_the_same_receipt_twice_earns_once() -> None:
    """Case 6, its earning: one row and the same balance after the second processing."""
    make_program()
    make_rule(limit_points=1000, budget=5000)
    customer = Customer.objects.create(name="Asha Patel")
    for _ in range(2):
        settle(sale(customer, line("a", "50.00")))
    assert points_of(customer) == 50
    assert PointsEntry.objects.count() == 1


@pytest.mark.django_db
def test_case_7_earned_and_spent_stand_side_by_side() -> None:
    """Case 7: history shows 10 earned and 5 used, not 5 and 0."""
    make_program()
    make_rule()
    customer = Customer.objects.create(name="Asha Patel")
    settle(sale(customer, line("a", "5.00"), number="B0"))
    settle(sale(customer, line("a", "10.00")))
    account = Account.objects.get()
    redeem_points(account=account, points=5, reference="gift", reason="Gift")
    points = list(PointsEntry.objects.order_by("seq").values_list("points", flat=True))
    assert points == [5, 10, -5]


def test_case_8_a_discount_lowers_the_basis() -> None:
    """Case 8: 100.00 with 10 % off earns 90, unless the rule looks at the price before."""
    goods = bill(article("a", "90.00", discount=D("10.00"), tax=D("4.50")))
    assert earn(goods, [rule()]).points == 90
    assert earn(goods, [rule(basis="before_discount")]).points == 100
    assert earn(goods, [rule(basis="with_tax")]).points == 94
    assert earn(goods, [rule(basis="before_discount_with_tax")]).points == 104


def test_case_8_a_discount_counts_only_inside_the_rules_goods() -> None:
    """Case 8, as the design decides: what came off other goods does not lower the basis."""
    goods = bill(
        article("tea", "50.00", category="Food"),
        article("toy", "30.00", category="Toys", discount=D("20.00")),
    )
    assert earn(goods, [rule(categories=["Food"])]).points == 50
    assert earn(goods, [rule(categories=["Toys"])]).points == 30


def test_case_9_gift_cards_and_wallets_are_payment() -> None:
    """Case 9: 100.00 earns 100 however it was paid, unless a rule leaves a way out."""
    goods = article("a", "100.00")
    for kind, amount in (("gift_card", "50"), ("wallet", "10")):
        paid = (("cash", 100 - D(amount)), (kind, D(amount)))
        assert earn(bill(goods, tenders=paid), [rule()]).points == 100
    paid = (("cash", D(75)), ("points", D(25)))
    assert earn(bill(goods, tenders=paid), [rule(excluded_tenders=["points"])]).points == 75


RECEIPT = (
    article("A", "12", category="red"),
    article("B", "100", category="blue"),
    article("delivery", "40", category="delivery"),
)


@pytest.mark.parametrize(
    ("rules", "points"),
    [
        ([{"points": 4}], 608),
        ([{"points": 4, "excluded_products": ["B"]}], 208),
        ([{"points": 4, "excluded_categories": ["red"]}], 560),
        ([{"points": 4, "excluded_categories": ["red"], "excluded_products": ["delivery"]}], 400),
        ([{"points": 4, "minimum_bill": "300"}], 0),
        ([{"points": 10}, {"points": 4}], 2128),
        ([{"points": 4}, {"kind": "multiplier", "factor": "3", "products": ["A"]}], 704),
        ([{"points": 4}, {"kind": "per_product", "points": 100, "products": ["A"]}], 708),
    ],
)
def test_case_14_earning_arithmetic(rules: list[dict[str, Any]], points: int) -> None:
    """Case 14: A 12 (red), B 100 (blue), delivery 40."""
    parsed = [rule(number, **definition) for number, definition in enumerate(rules, start=1)]
    earning = earn(bill(*RECEIPT), parsed)
    assert earning.points == points
    assert sum(step.points for step in earning.steps) == points


# --- what the design decides beside the cases ---------------------------------------------------


def test_bonuses_are_never_multiplied_and_the_order_of_rules_does_not_matter() -> None:
    rules = [
        rule(1, kind="per_bill", points=50),
        rule(2, kind="multiplier", factor="2"),
        rule(3, kind="multiplier", factor="1.5", products=["A"]),
        rule(4, points=4),
        rule(5, points=1, amount="3.00"),
    ]
    spend = 608 + 50
    exact = D(152) * 4 + D(152) / 3
    first = (48 + D(12) / 3) * 2 * D("0.5")
    expected = spend + int(exact) + int(first) + 50
    assert earn(bill(*RECEIPT), rules).points == expected
    assert earn(bill(*RECEIPT), rules[::-1]).points == expected


def test_a_rule_that_does_not_combine_stands_alone() -> None:
    rules = [
        rule(1, points=4),
        rule(2, kind="per_bill", points=900, stackable=False, priority=1),
        rule(3, kind="per_bill", points=10, stackable=False, priority=5),
    ]
    earning = earn(bill(*RECEIPT), rules)
    assert (earning.points, earning.per_rule) == (10, {3: 10})
    assert [step.skipped for step in earning.steps[:2]] == [
        "“Rule 3” does not combine with others"
    ] * 2
    elsewhere = [*rules[:2], rule(3, kind="per_bill", points=10, stackable=False, stores=["9"])]
    assert earn(bill(*RECEIPT), elsewhere).points == 900


def test_a_multiplier_that_does_not_combine_keeps_the_points_it_multiplies() -> None:
    rules = [
        rule(1, points=4),
        rule(2, kind="multiplier", factor="2"),
        rule(3, kind="multiplier", factor="3", stackable=False, priority=1),
        rule(4, kind="per_bill", points=50),
    ]
    assert earn(bill(*RECEIPT), rules).points == 608 * 3


def test_what_a_limit_trimmed_is_not_multiplied() -> None:
    rules = [rule(1, points=4, max_per_bill=304), rule(2, kind="multiplier", factor="2")]
    earning = earn(bill(*RECEIPT), rules)
    assert (earning.points, earning.desired) == (608, 608 + 304)


@pytest.mark.parametrize(
    ("condition", "at", "points"),
    [
        ({"weekdays": [1]}, "2026-05-04T14:00", 152),
        ({"weekdays": [2]}, "2026-05-04T14:00", 0),
        ({"hours": ["18:00", "21:00"]}, "2026-05-04T18:00", 152),
        ({"hours": ["18:00", "21:00"]}, "2026-05-04T21:00", 0),
        ({"hours": ["22:00", "02:00"]}, "2026-05-04T01:59", 152),
        ({"hours": ["22:00", "02:00"]}, "2026-05-04T02:00", 0),
        ({"starts_on": "2026-05-04", "ends_on": "2026-05-04"}, "2026-05-04T23:59", 152),
        ({"starts_on": "2026-05-05"}, "2026-05-04T23:59", 0),
        ({"ends_on": "2026-05-03"}, "2026-05-04T00:00", 0),
    ],
)
def test_days_and_hours_are_those_of_the_store(
    condition: dict[str, Any], at: str, points: int
) -> None:
    when = datetime.fromisoformat(at)
    assert isinstance(when.time(), time)
    assert earn(bill(*RECEIPT, at=when), [rule(**condition)]).points == points


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("zone", "instants", "points"),
    [
        # 23:30 and 00:30 in Kolkata lie on two days, though on one in UTC.
        ("Asia/Kolkata", ("2026-05-04T18:00", "2026-05-04T19:00"), 10),
        ("Asia/Kolkata", ("2026-05-04T18:29", "2026-05-04T18:00"), 5),
        # The night of the gap: 01:30 and 03:30 are one hour apart and one day.
        ("America/New_York", ("2026-03-08T06:30", "2026-03-08T07:30"), 5),
        # The hour that comes twice is one day; 23:30 before it is another.
        ("America/New_York", ("2026-11-01T05:30", "2026-11-01T06:30"), 5),
        ("America/New_York", ("2026-11-01T03:30", "2026-11-01T04:30"), 10),
    ],
)
def test_a_limit_for_each_day_follows_the_programmes_calendar(
    zone: str, instants: tuple[str, str], points: int
) -> None:
    program = make_program()
    program.zone = zone
    program.save(update_fields=["zone"])
    make_rule(kind="per_bill", points=5, amount=None, limit_points=5, limit_period="day")
    customer = Customer.objects.create(name="Asha Patel")
    for number, at in enumerate(instants):
        settle(
            sale(customer, number=f"B{number}", occurred_at=datetime.fromisoformat(f"{at}+00:00"))
        )
    assert points_of(customer) == points


def test_articles_are_counted_in_whole_units() -> None:
    tea = rule(kind="per_product", points=5, unit="3", categories=["Tea"])
    assert earn(bill(article("a", "9", category="Tea", quantity=D(8))), [tea]).points == 10
    sold = bill(article("a", "9", category="Tea", quantity=D(8)))
    back = bill(article("r", "-3", category="Tea", quantity=D(-3), returns_key="a"))
    assert earn(remaining_bill(sold, [back]), [tea]).points == 5


@pytest.mark.django_db
def test_a_minimum_that_a_return_undercuts_takes_the_bonus_back() -> None:
    make_program()
    make_rule(kind="per_bill", points=50, amount=None, minimum_bill="100.00")
    customer = Customer.objects.create(name="Asha Patel")
    settle(sale(customer, line("a", "120.00")))
    settle(give_back(customer, line("x", "-30.00", returns_key="a")))
    assert points_of(customer) == 0
    assert Purchase.objects.count() == 2
