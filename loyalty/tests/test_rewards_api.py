"""Rewards, redemptions, vouchers and payments as a till or shop calls them."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from customers.tests.factories import make_customer, make_store
from loyalty.models import Account, Redemption, Reward, Voucher
from loyalty.tests.factories import make_account, make_program, make_reward
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_client, make_user

pytestmark = pytest.mark.django_db

API = "/api/v1"


@pytest.fixture
def till() -> APIClient:
    return make_client(user=make_user(roles=[Role.INTEGRATOR]))


def post(client: APIClient, path: str, **body: Any) -> Any:
    return client.post(f"{API}/{path}", body, format="json")


def reserve(client: APIClient, account: Account, reward: Reward, **body: Any) -> Any:
    body = {"customer_id": account.customer_id, "reward_id": reward.pk, **body}
    return post(client, "redemptions/", **body)


def test_lists_rewards_with_what_a_customer_can_have_and_why_not(till: APIClient) -> None:
    account = make_account(balance=150)
    make_reward(name="Mug", points=100)
    make_reward(name="Pan", points=400)
    plain = till.get(f"{API}/rewards/").json()["results"]
    assert [row["availability"] for row in plain] == [None, None]
    rows = till.get(f"{API}/rewards?customer_id={account.customer_id}").json()["results"]
    assert [row["name"] for row in rows] == ["Pan", "Mug"]
    assert rows[0]["availability"] == {
        "is_available": False,
        "cost": 400,
        "missing_points": 250,
        "reasons": [{"code": "shortfall", "detail": "250 points are missing."}],
    }
    assert rows[1]["availability"]["is_available"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("customer_id=999999", 404),
        ("customer_id=1.5", 400),
        ("customer_id=x", 400),
        ("kind=car", 400),
        ("surprise=1", 400),
        ("kind=product&category=Things&limit=5", 200),
    ],
)
def test_strange_questions_are_answered_plainly(till: APIClient, query: str, status: int) -> None:
    make_program()
    assert till.get(f"{API}/rewards/?{query}").status_code == status


def test_an_unknown_store_is_named(till: APIClient) -> None:
    account = make_account(balance=150)
    make_reward()
    answer = till.get(f"{API}/rewards/?customer_id={account.customer_id}&store=nowhere")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "store"


def test_a_customer_without_an_account_sees_rewards_too(till: APIClient) -> None:
    make_reward(points=100)
    customer = make_customer()
    (row,) = till.get(f"{API}/rewards/?customer_id={customer.pk}").json()["results"]
    assert row["availability"]["missing_points"] == 100


def test_reserves_commits_and_repeats(till: APIClient) -> None:
    account, reward = make_account(balance=300), make_reward(points=100, stock=2)
    key = {"Idempotency-Key": "till-1"}
    body = {"customer_id": account.customer_id, "reward_id": reward.pk}
    first = till.post(f"{API}/redemptions/", body, format="json", headers=key)
    again = till.post(f"{API}/redemptions/", body, format="json", headers=key)
    assert (first.status_code, first.json()) == (201, again.json())
    made = first.json()
    assert (made["state"], made["points"], made["entry_id"]) == ("reserved", 100, None)
    path = f"redemptions/{made['id']}"
    done = post(till, f"{path}/commit", bill="B-1").json()
    assert (done["state"], done["bill"], done["vouchers"]) == ("committed", "B-1", [])
    assert post(till, f"{path}/release").json()["code"] == "redemption_closed"
    undone = post(till, f"{path}/cancel", reason="broken")
    assert (undone.status_code, undone.json()["state"]) == (200, "cancelled")
    account.refresh_from_db()
    reward.refresh_from_db()
    assert (account.balance, account.held, reward.stock) == (300, 0, 2)
    assert till.get(f"{API}/{path}/").json()["state"] == "cancelled"
    assert till.get(f"{API}/redemptions/?state=cancelled").json()["results"][0]["id"] == made["id"]


def test_releases_a_reservation(till: APIClient) -> None:
    account, reward = make_account(balance=300), make_reward(points=100)
    made = reserve(till, account, reward).json()
    assert post(till, f"redemptions/{made['id']}/release").json()["state"] == "cancelled"
    assert post(till, f"redemptions/{made['id']}/commit").status_code == 409


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"points": 1}, 400, "points"),
        ({"units": 0}, 400, "units"),
        ({"units": "1"}, 400, "units"),
        ({"store": "nowhere"}, 400, "store"),
        ({"reward_id": 999_999}, 404, None),
        ({"customer_id": 999_999}, 404, None),
        ({"units": 3}, 400, "units"),
    ],
)
def test_the_till_is_not_trusted_for_costs_and_refusals_write_nothing(
    till: APIClient, body: dict[str, Any], status: int, field: str | None
) -> None:
    account, reward = make_account(balance=300), make_reward(points=100)
    answer = reserve(till, account, reward, **body)
    assert answer.status_code == status, answer.json()
    if field:
        assert answer.json()["errors"][0]["field"] == field
    account.refresh_from_db()
    assert (account.balance, account.held) == (300, 0)
    assert not Redemption.objects.exists()


def test_redeems_a_voucher_validates_and_consumes_it_once(
    till: APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    account, store = make_account(balance=300), make_store(code="S9", name="Camp")
    reward = make_reward(kind="voucher", points=100, amount=Decimal(50), stores=[store])
    body = {"customer_id": account.customer_id, "reward_id": reward.pk}
    made = post(till, "rewards/redeem", **body)
    assert made.status_code == 201, made.json()
    (issued,) = made.json()["vouchers"]
    seen = post(till, "vouchers/validate", code=issued["code"].lower(), store="S9").json()
    assert (seen["is_usable"], seen["refusal"], seen["amount"]) == (True, None, "50.00")
    make_store(code="S8")
    wrong = post(till, "vouchers/validate", code=issued["code"], store="S8").json()
    assert (wrong["is_usable"], "it is for Camp" in wrong["refusal"]) == (False, True)
    assert post(till, "vouchers/consume", code=issued["code"], store="S9", bill="B1").json()[
        "state"
    ] == ("used")
    again = post(till, "vouchers/consume", code=issued["code"], store="S9", bill="B2")
    assert (again.status_code, again.json()["code"]) == (409, "voucher_used")
    assert "Camp, bill B1" in again.json()["detail"]
    assert post(till, "vouchers/consume", code="NO-SUCH").status_code == 404
    assert issued["code"] not in caplog.text


def test_quotes_and_takes_a_payment_with_points(till: APIClient) -> None:
    account = make_account(balance=1000)
    reward = make_reward(
        kind="amount_off", points=4, amount=Decimal("1.00"), share_percent=Decimal(50)
    )
    ask = {"customer_id": account.customer_id, "amount": "150.55"}
    quote = post(till, "loyalty/pay/quote", **ask).json()
    assert quote == {
        "reward_id": reward.pk,
        "points": 300,
        "amount": "75.00",
        "payable": "75.27",
        "available": 1000,
        "limited_by": "share",
        "explanation": "Points may pay 50 % of a bill, here ₹75.27.",
    }
    assert not Redemption.objects.exists()
    made = post(till, "loyalty/pay", **ask).json()
    assert (made["points"], made["amount"], made["state"]) == (300, "75.00", "reserved")
    done = post(till, f"redemptions/{made['id']}/commit", bill="B-9").json()
    assert (done["state"], done["bill"]) == ("committed", "B-9")
    account.refresh_from_db()
    assert account.balance == 700
    fewer = post(till, "loyalty/pay/quote", **ask, points=10).json()
    assert (fewer["points"], fewer["amount"], fewer["limited_by"]) == (8, "2.00", "wish")


def test_says_that_no_payment_is_offered(till: APIClient) -> None:
    account = make_account(balance=1000)
    ask = {"customer_id": account.customer_id, "amount": "150.00"}
    answer = post(till, "loyalty/pay/quote", **ask)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_payment_with_points")
    mug = make_reward()
    assert post(till, "loyalty/pay", **ask, reward_id=mug.pk).status_code == 404
    assert post(till, "loyalty/pay", **{**ask, "amount": "0.00"}).status_code == 400
    assert not Redemption.objects.exists()


def test_who_only_looks_sees_the_end_of_a_code_only(till: APIClient) -> None:
    account, reward = make_account(balance=300), make_reward(kind="voucher", points=100)
    body = {"customer_id": account.customer_id, "reward_id": reward.pk}
    made = post(till, "rewards/redeem", **body).json()
    code = Voucher.objects.get(state="issued").code
    assert made["vouchers"][0]["code"] == code
    analyst = make_client(user=make_user(roles=[Role.ANALYST]))
    shown = analyst.get(f"{API}/redemptions/{made['id']}/").json()
    assert shown["vouchers"][0]["code"] == f"••••{code[-4:]}"


@pytest.mark.performance
def test_the_list_takes_the_same_queries_for_one_reward_and_twenty(
    till: APIClient, django_assert_max_num_queries: Any
) -> None:
    account = make_account(balance=100)
    for count in (1, 19):
        for n in range(count):
            make_reward(name=f"R{count}-{n}", kind="voucher", limit_each=1)
        with django_assert_max_num_queries(11):
            till.get(f"{API}/rewards/?customer_id={account.customer_id}")
