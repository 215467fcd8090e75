"""From bills to points: whatever is sent, however often, points follow once."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.errors import InvalidPurchaseError
from customers.models import Customer, Purchase
from customers.services import LineState, PurchaseState
from loyalty.models import Account, EarningRuleVersion, PointsEntry, TierChange
from loyalty.selectors import explain_entry, verify_ledger
from loyalty.services import (
    Settlement,
    publish_rule_version,
    redeem_points,
    reverse_entry,
    settle_purchases,
)
from loyalty.tests.factories import make_account, make_program, make_rule
from loyalty_site.outbox.models import Delivery

pytestmark = pytest.mark.django_db
D = Decimal
AT = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _programme() -> None:
    make_program()
    make_rule()


def line(key: str, net: str, **fields: Any) -> LineState:
    amount = D(net)
    return LineState(
        **{
            "key": key,
            "sku": f"sku-{key}",
            "product_name": f"Article {key}",
            "category": "Food",
            "brand": "",
            "quantity": D(1) if amount >= 0 else D(-1),
            "gross": amount,
            "discount": D(0),
            "tax": D(0),
            "net": amount,
            **fields,
        }
    )


def sale(customer: Customer | None, *lines: LineState, number: str = "B1", **fields: Any) -> Any:
    return PurchaseState(
        **{
            "source": "test",
            "external_id": number,
            "number": number,
            "kind": "sale",
            "status": "active",
            "store_code": "1",
            "store_name": "Pune Camp",
            "customer_id": customer.pk if customer else None,
            "occurred_at": AT,
            "currency": "INR",
            "lines": lines or (line("a", "120.50"),),
            **fields,
        }
    )


def give_back(customer: Customer, *lines: LineState, number: str = "R1", **fields: Any) -> Any:
    return sale(
        customer,
        *lines,
        number=number,
        **{
            "kind": "return",
            "sale_external_id": "B1",
            "occurred_at": AT + timedelta(days=1),
            **fields,
        },
    )


def settle(*states: PurchaseState) -> list[Settlement]:
    settlements = settle_purchases(states=states)
    assert not verify_ledger()
    return settlements


def make_customer() -> Customer:
    return Customer.objects.create(name="Asha Patel")


def points_of(customer: Customer) -> int:
    return Account.objects.get(customer=customer).balance


def test_a_bill_is_answered_with_points_balance_and_tier() -> None:
    customer = make_customer()
    (answer,) = settle(sale(customer, line("a", "1500.75")))
    assert (answer.points_moved, answer.points_of_bill) == (1500, 1500)
    assert answer.account and answer.account.balance == 1500
    assert answer.tier and answer.tier.name == "Silver"
    change = TierChange.objects.get()
    assert (change.spend, change.occurred_at) == (D("1500.75"), AT)


def test_sending_a_bill_again_moves_nothing_and_answers_the_same() -> None:
    customer = make_customer()
    settle(sale(customer))
    before = PointsEntry.objects.count(), Delivery.objects.count()
    (answer,) = settle(sale(customer))
    assert (answer.is_changed, answer.points_moved, answer.points_of_bill) == (False, 0, 120)
    assert answer.account and answer.account.balance == 120
    assert (PointsEntry.objects.count(), Delivery.objects.count()) == before


def test_a_changed_bill_moves_only_the_difference() -> None:
    customer = make_customer()
    settle(sale(customer, line("a", "100")))
    settle(sale(customer, line("a", "130")))
    settle(sale(customer, line("a", "90")))
    settle(sale(customer, line("a", "90"), status="cancelled"))
    settle(sale(customer, line("a", "90")))
    assert list(PointsEntry.objects.order_by("seq").values_list("points", flat=True)) == [
        100,
        30,
        -40,
        -90,
        90,
    ]
    assert points_of(customer) == 90


def test_a_bill_moved_to_another_customer_takes_its_points_along() -> None:
    first, second = make_customer(), make_customer()
    settle(sale(first))
    settle(sale(second))
    assert (points_of(first), points_of(second)) == (0, 120)
    settle(sale(None))
    assert (points_of(first), points_of(second)) == (0, 0)


def test_partial_returns_take_back_exactly_what_the_whole_earned() -> None:
    customer = make_customer()
    settle(sale(customer, line("a", "33.33"), line("b", "33.33"), line("c", "33.34")))
    assert points_of(customer) == 100
    for number, key, net in (("R1", "a", "-33.33"), ("R2", "b", "-33.33"), ("R3", "c", "-33.34")):
        settle(give_back(customer, line("x", net, returns_key=key), number=number))
    points = list(PointsEntry.objects.order_by("seq").values_list("points", flat=True))
    assert points == [100, -34, -33, -33]
    assert points_of(customer) == 0


def test_a_return_before_its_sale_waits_and_applies_with_it() -> None:
    customer = make_customer()
    (early,) = settle(give_back(customer, line("x", "-20", returns_key="a")))
    assert early.purchase.standing == Purchase.Standing.NO_SALE
    assert not PointsEntry.objects.exists()
    settle(sale(customer, line("a", "100")))
    assert points_of(customer) == 80
    assert [entry.points for entry in PointsEntry.objects.order_by("seq")] == [100, -20]


def test_sale_and_return_in_one_batch_tell_two_stories() -> None:
    customer = make_customer()
    settle(
        sale(customer, line("a", "100")),
        give_back(customer, line("x", "-20", returns_key="a")),
    )
    entries = PointsEntry.objects.order_by("seq")
    assert [(entry.points, entry.reason) for entry in entries] == [
        (100, "Bill B1"),
        (-20, "Return R1 of bill B1"),
    ]


def test_a_return_that_is_cancelled_gives_its_points_back() -> None:
    customer = make_customer()
    back = line("x", "-20", returns_key="a")
    settle(sale(customer, line("a", "100")), give_back(customer, back))
    settle(give_back(customer, back, status="cancelled"))
    assert points_of(customer) == 100


def test_a_return_after_the_points_were_spent_leaves_a_visible_debt() -> None:
    customer = make_customer()
    settle(sale(customer, line("a", "100")))
    account = Account.objects.get(customer=customer)
    redeem_points(account=account, points=100, reference="gift", reason="Gift")
    settle(give_back(customer, line("x", "-100", returns_key="a")))
    account.refresh_from_db()
    assert (account.balance, account.debt) == (-100, 100)


def test_a_bill_keeps_the_rule_of_its_day() -> None:
    customer = make_customer()
    rule = EarningRuleVersion.objects.get().rule
    publish_rule_version(rule=rule, definition={"kind": "per_amount", "points": 2, "amount": "1"})
    today = datetime.now(UTC) + timedelta(minutes=1)
    settle(sale(customer, line("a", "10")))
    settle(sale(customer, line("a", "10"), number="B2", occurred_at=today))
    settle(give_back(customer, line("x", "-5", returns_key="a"), occurred_at=today))
    entries = PointsEntry.objects.order_by("seq")
    assert [entry.points for entry in entries] == [10, 20, -5]
    assert [entry.details["steps"][0]["version"] for entry in entries] == [1, 2, 1]


def test_a_bill_without_customer_waits_and_earns_when_it_gets_one() -> None:
    (answer,) = settle(sale(None))
    assert answer.account is None
    assert not Account.objects.exists()
    customer = make_customer()
    settle(sale(customer))
    assert points_of(customer) == 120


def test_a_return_moved_to_another_sale_gives_back_and_takes_there() -> None:
    customer = make_customer()
    settle(
        sale(customer, line("a", "100")),
        sale(customer, line("a", "100"), number="B2"),
        give_back(customer, line("x", "-20", returns_key="a")),
    )
    moved = give_back(customer, line("x", "-20", returns_key="a"), sale_external_id="B2")
    settle(moved)
    points = PointsEntry.objects.order_by("seq").values_list("purchase__number", "points")
    assert list(points) == [("B1", 100), ("B1", -20), ("B2", 100), ("B1", 20), ("B2", -20)]


def test_a_sale_is_answered_alone_though_a_waiting_return_came_along() -> None:
    customer = make_customer()
    settle(give_back(customer, line("x", "-20", returns_key="a")))
    (answer,) = settle(sale(customer, line("a", "100")))
    assert (answer.purchase.number, answer.points_moved, answer.points_of_bill) == ("B1", 100, 80)
    assert answer.account and answer.account.balance == 80


def test_an_award_reversed_by_hand_is_not_given_again() -> None:
    customer = make_customer()
    settle(sale(customer, line("a", "100")))
    reverse_entry(entry=PointsEntry.objects.get(), reason="Fraud")
    settle(sale(customer, line("a", "150")))
    settle(give_back(customer, line("x", "-50", returns_key="a")))
    assert points_of(customer) == 0


def test_a_closed_account_takes_no_points_but_the_bill_is_recorded() -> None:
    account = make_account()
    Account.objects.filter(pk=account.pk).update(closed_at=AT)
    (answer,) = settle(sale(account.customer))
    assert answer.refusal and answer.refusal.code == "account_closed"
    assert Purchase.objects.count() == 1
    assert not PointsEntry.objects.exists()


def test_old_bills_earn_points_that_have_already_expired() -> None:
    customer = make_customer()
    settle(sale(customer, occurred_at=datetime(2024, 1, 5, tzinfo=UTC)))
    entries = PointsEntry.objects.order_by("seq")
    assert [(entry.kind, entry.points) for entry in entries] == [("award", 120), ("expire", -120)]


def test_one_bad_bill_refuses_the_batch_and_writes_nothing() -> None:
    customer = make_customer()
    bad = sale(customer, line("a", "1"), line("a", "2"), number="B2")
    with pytest.raises(InvalidPurchaseError):
        settle_purchases(states=[sale(customer), bad])
    assert not Purchase.objects.exists()
    assert not PointsEntry.objects.exists()


def test_the_explanation_adds_up_to_the_entry() -> None:
    customer = make_customer()
    settle(sale(customer, line("a", "120.50")))
    settle(give_back(customer, line("x", "-20.50", returns_key="a")))
    award, taken = PointsEntry.objects.select_related("account__program").order_by("seq")
    assert explain_entry(award).sentences == [
        "One point a rupee: 1 point for each ₹1.00 on ₹120.50 = 120 points (120.5, rounded down)."
    ]
    assert explain_entry(taken).sentences == [
        "One point a rupee: 1 point for each ₹1.00 on ₹100.00 = 100 points.",
        "The bill earns 100 now and had earned 120, so -20.",
    ]
    for entry in (award, taken):
        earned = sum(step["points"] for step in explain_entry(entry).steps)
        assert earned - entry.details["earned_before"] == entry.points


@pytest.mark.performance
def test_ten_bills_and_a_hundred_take_the_same_queries() -> None:
    customers = [make_customer() for _ in range(20)]

    def batch(size: int, name: str) -> list[PurchaseState]:
        return [
            sale(customers[n % 20], line("a", "10"), line("b", "5"), number=f"{name}{n}")
            for n in range(size)
        ]

    settle_purchases(states=batch(20, "warm-up"))
    counts = []
    for size in (10, 100):
        with CaptureQueriesContext(connection) as queries:
            settle_purchases(states=batch(size, f"batch{size}-"))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_any_order_and_batching_of_the_same_bills_gives_the_same_points() -> None:
    rng = random.Random(5)
    customers = [make_customer() for _ in range(3)]
    states: list[PurchaseState] = []
    for n in range(24):
        owner, net = rng.choice(customers), rng.randint(100, 20_000)
        states.append(sale(owner, line("a", str(D(net) / 100)), number=f"B{n}"))
        if rng.random() < 0.4:
            part = D(rng.randint(1, net)) / 100
            states.append(
                give_back(
                    owner,
                    line("x", str(-part), returns_key="a"),
                    number=f"R{n}",
                    sale_external_id=f"B{n}",
                )
            )
    totals = []
    for run in range(3):
        shuffled = [
            PurchaseState(
                **{
                    **{name: getattr(state, name) for name in state.__slots__},
                    "source": f"run{run}",
                }
            )
            for state in rng.sample(states, len(states))
        ]
        while shuffled:
            size = rng.randint(1, 9)
            settle(*shuffled[:size])
            del shuffled[:size]
        totals.append([points_of(customer) for customer in customers])
    assert totals[1] == [2 * points for points in totals[0]]
    assert totals[2] == [3 * points for points in totals[0]]
