"""The demo's own baskets come back in three parts; `benchmarks.returns` takes all of them."""

import random
from itertools import islice

import pytest

from customers.models import Customer
from customers.services import LineState
from loyalty.models import Account, PointsEntry, RuleGrant
from loyalty.selectors import explain_entry, verify_ledger
from loyalty.services import settle_purchases
from loyalty.tests.baskets import RULES, Basket, baskets, fault_of, rules, three_returns
from loyalty.tests.factories import make_program, make_rule
from loyalty.tests.test_settle_purchases import give_back, line, sale


def some_baskets(count: int) -> list[Basket]:
    return list(islice(baskets(), 0, None, 14_301 // count))[:count]


def test_three_returns_of_a_real_basket_take_back_exactly_what_it_earned() -> None:
    rng = random.Random(7)
    parsed = rules()
    faults = [fault_of(basket, parsed, rng) for basket in some_baskets(400)]
    assert not any(faults), [fault for fault in faults if fault]


@pytest.mark.django_db
def test_real_baskets_sent_and_returned_in_three_parts_leave_nothing() -> None:
    make_program()
    for number, definition in enumerate(RULES, start=1):
        make_rule(name=f"Rule {number}", **{"points": None, "amount": None, **definition})
    rng = random.Random(7)
    customer = Customer.objects.create(name="Asha Patel")
    for basket in some_baskets(25):
        whole = basket.bill
        settle_purchases(states=[sale(customer, *states_of(whole.lines), number=basket.number)])
        for place, part in enumerate(three_returns(whole, rng)):
            if not part.lines:
                continue
            settle_purchases(
                states=[
                    give_back(
                        customer,
                        *states_of(part.lines),
                        number=f"{basket.number}-{place}",
                        sale_external_id=basket.number,
                    )
                ]
            )
        left = PointsEntry.objects.filter(purchase__number=basket.number)
        for entry in left.select_related("account__program"):
            explained = sum(step["points"] for step in explain_entry(entry).steps)
            assert explained == entry.details["earns_now"]
            assert explained - entry.details["earned_before"] == entry.points
        assert sum(left.values_list("points", flat=True)) == 0
    assert Account.objects.get().balance == 0
    assert sum(RuleGrant.objects.values_list("points", flat=True)) == 0
    assert not verify_ledger()


def states_of(lines: object) -> list[LineState]:
    return [
        line(
            one.key,
            str(one.net),
            sku=one.sku,
            category=one.category,
            brand=one.brand,
            quantity=one.quantity,
            gross=one.net + one.discount,
            discount=one.discount,
            returns_key=one.returns_key,
        )
        for one in lines  # type: ignore[attr-defined]
    ]
