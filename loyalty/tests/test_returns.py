"""Goods that come back, with what was earned and what was spent on them."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from customers.models import Purchase
from customers.tests.factories import make_customer
from loyalty.engine import points_back
from loyalty.errors import InvalidReturnError, PurchaseNotFoundError
from loyalty.ledger import Shortfall
from loyalty.models import Account, PointsEntry, Program, Reward
from loyalty.selectors import explain_entry, verify_ledger
from loyalty.services import (
    BillNamed,
    commit_redemption,
    open_accounts,
    preview_return,
    reserve_payment,
    settle_purchases,
)
from loyalty.tests.factories import award, make_program, make_reward, make_rule, wish_for
from loyalty.tests.test_settle_purchases import give_back, line, sale
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_client, make_user

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture(autouse=True)
def _programme() -> None:
    make_program()
    make_rule()


def member(balance: int = 0) -> Account:
    customer = make_customer()
    account = open_accounts(program=make_program(), customer_ids=[customer.pk])[customer.pk]
    if balance:
        award(account, balance, reference="preloaded", now=timezone.now())
    return account


def settle(*states: Any) -> None:
    settle_purchases(states=states)
    assert not verify_ledger()


def pay_with_points(account: Account, points: int, bill: Purchase) -> None:
    """Points pay a part of a bill, one for one."""
    reward = make_reward(kind=Reward.Kind.AMOUNT_OFF, points=1, amount=D(1))
    reserved = reserve_payment(wish=wish_for(account, reward), bill=bill.net, wanted=points)
    commit_redemption(redemption=reserved, bill=BillNamed(purchase=bill))


def balance(account: Account) -> int:
    return Account.objects.get(pk=account.pk).balance


def bought_with_150_points() -> tuple[Account, Purchase]:
    """200 points, of which 150 pay a part of a bill of 70 articles' worth that earns 70."""
    account = member(200)
    settle(sale(account.customer, line("a", "40"), line("b", "30")))
    bill = Purchase.objects.get()
    reward = make_reward(kind=Reward.Kind.AMOUNT_OFF, points=10, amount=D(1))
    reserved = reserve_payment(wish=wish_for(account, reward), bill=bill.net, wanted=150)
    commit_redemption(redemption=reserved, bill=BillNamed(purchase=bill))
    assert balance(account) == 120
    return account, bill


def test_case_4_a_full_refund_undoes_what_was_earned_and_what_was_spent() -> None:
    """Case 4."""
    account, _ = bought_with_150_points()
    settle(
        give_back(
            account.customer,
            line("x", "-40", returns_key="a"),
            line("y", "-30", returns_key="b"),
        )
    )
    assert balance(account) == 200


def test_a_cancelled_bill_undoes_both_too() -> None:
    account, _ = bought_with_150_points()
    settle(sale(account.customer, line("a", "40"), line("b", "30"), status="cancelled"))
    assert balance(account) == 200


def test_parts_of_a_return_give_spent_points_back_in_proportion_and_add_up() -> None:
    account, _ = bought_with_150_points()
    settle(give_back(account.customer, line("x", "-40", returns_key="a"), number="R1"))
    given = PointsEntry.objects.get(kind=PointsEntry.Kind.GIVE_BACK)
    assert (given.points, balance(account)) == (85, 120 - 40 + 85)
    assert "of which goods came back" in explain_entry(given).sentences[0]
    settle(give_back(account.customer, line("y", "-30", returns_key="b"), number="R2"))
    assert balance(account) == 200


def test_a_return_sent_twice_gives_back_once() -> None:
    account, _ = bought_with_150_points()
    back = give_back(account.customer, line("x", "-40", returns_key="a"))
    settle(back)
    after = balance(account)
    settle(back)
    assert balance(account) == after


@given(
    spent=st.integers(1, 10_000),
    parts=st.lists(st.integers(1, 50_000), min_size=1, max_size=6),
)
def test_what_comes_back_never_falls_and_ends_with_the_whole(spent: int, parts: list[int]) -> None:
    sold = D(sum(parts)) / 100
    kept, before = sold, 0
    for part in parts:
        kept -= D(part) / 100
        back = points_back(spent, sold=sold, kept=kept)
        assert before <= back <= spent
        before = back
    assert before == spent


@pytest.mark.parametrize(
    ("policy", "after"),
    [
        (Program.Shortfall.DEBT, -100),
        (Program.Shortfall.ZERO, 0),
        (Program.Shortfall.PENDING, 20),
    ],
)
def test_the_programme_says_what_happens_to_points_that_are_spent(policy: str, after: int) -> None:
    Program.objects.update(shortfall=policy)
    account = member()
    settle(sale(account.customer, line("a", "120")))
    other = Purchase.objects.create(
        **{
            field: getattr(Purchase.objects.get(), field)
            for field in ("source", "store", "customer", "occurred_at", "currency")
        },
        external_id="other",
        number="other",
        gross=100,
        net=100,
    )
    pay_with_points(account, 100, other)
    settle(give_back(account.customer, line("x", "-120", returns_key="a")))
    assert balance(account) == after
    settle(give_back(account.customer, line("x", "-120", returns_key="a")))
    assert balance(account) == after


def test_every_policy_of_the_programme_is_one_of_the_ledger() -> None:
    assert {choice.value for choice in Program.Shortfall} == {one.value for one in Shortfall}


def checksums() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        rows = []
        for table in ("loyalty_pointsentry", "loyalty_lot", "loyalty_salefacts", "loyalty_account"):
            cursor.execute(f"SELECT COUNT(*), SUM(id) FROM {table}")
            rows.append(cursor.fetchone())
        return rows


def test_a_preview_says_what_then_happens_and_writes_nothing() -> None:
    account, bill = bought_with_150_points()
    before = checksums()
    preview = preview_return(
        program=make_program(), purchase_id=bill.pk, quantities={"a": D("0.5")}
    )
    assert checksums() == before
    settle(give_back(account.customer, line("x", "-20", quantity=D("-0.5"), returns_key="a")))
    moved = PointsEntry.objects.order_by("-pk")[:2]
    assert {entry.kind: entry.points for entry in moved} == {
        "claw_back": -preview.taken,
        "give_back": preview.given,
    }
    assert balance(account) == preview.balance_after


@pytest.mark.parametrize("quantities", [{"z": D(1)}, {"a": D(2)}, {"a": D(0)}, {"a": D(-1)}])
def test_a_preview_refuses_what_cannot_come_back(quantities: dict[str, Decimal]) -> None:
    _, bill = bought_with_150_points()
    with pytest.raises(InvalidReturnError):
        preview_return(program=make_program(), purchase_id=bill.pk, quantities=quantities)
    with pytest.raises(PurchaseNotFoundError):
        preview_return(program=make_program(), purchase_id=0, quantities={"a": D(1)})


def test_tills_ask_for_a_preview_through_the_api() -> None:
    _, bill = bought_with_150_points()
    client = make_client(user=make_user(roles=[Role.INTEGRATOR]))
    lines = [{"key": "a", "quantity": "1"}]
    body = {"purchase_id": bill.pk, "lines": lines}
    answer = client.post("/api/v1/loyalty/returns/preview/", body)
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert (told["earned"], told["taken"], told["given"], told["balance_after"]) == (
        70,
        40,
        85,
        165,
    )
    twice = {**body, "lines": lines * 2}
    refused = client.post("/api/v1/loyalty/returns/preview/", twice)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_return")


@pytest.mark.performance
def test_returns_of_bills_paid_with_points_take_the_same_queries_for_one_and_many(
    django_assert_max_num_queries: Any,
) -> None:
    account = member(2000)
    bills = [sale(account.customer, line("a", "10"), number=f"B{n}") for n in range(12)]
    settle(*bills)
    for bill in Purchase.objects.all():
        pay_with_points(account, 5, bill)
    backs = [
        give_back(
            account.customer,
            line("x", "-5", returns_key="a", quantity=D("-0.5")),
            number=f"R{n}",
            sale_external_id=f"B{n}",
        )
        for n in range(12)
    ]
    with django_assert_max_num_queries(60) as first:
        settle_purchases(states=backs[:1])
    with django_assert_max_num_queries(len(first)):
        settle_purchases(states=backs[1:])
    assert PointsEntry.objects.filter(kind=PointsEntry.Kind.GIVE_BACK).count() == 12
