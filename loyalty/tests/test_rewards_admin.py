"""The back office of rewards, and the counter screen."""

import html
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from customers.models import Customer
from customers.tests.factories import (
    make_customer,
    make_purchase,
    make_purchase_state,
    make_segment,
    make_store,
)
from loyalty.errors import RewardGateError
from loyalty.models import (
    Account,
    Redemption,
    Reward,
    Voucher,
    VoucherImport,
    VoucherPool,
)
from loyalty.services import redeem_reward, reserve_reward, settle_purchases
from loyalty.tests.factories import (
    make_account,
    make_pool,
    make_program,
    make_reward,
    make_rule,
    wish_for,
)
from loyalty.tests.test_admin import sign_in
from loyalty_site.staff.roles import Role

pytestmark = pytest.mark.django_db
COUNTER = reverse("admin:loyalty_counter")
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64


def form(**fields: Any) -> dict[str, Any]:
    return {
        "program": make_program().pk,
        "name": "Mug",
        "kind": "product",
        "order": 10,
        "points": 300,
        "bundle": 1,
        "most_units": 1,
        "least_points": 0,
        "share_percent": "100",
        "is_offered": "on",
        **fields,
    }


# --- catalogue ----------------------------------------------------------------------------------


@pytest.mark.performance
@pytest.mark.parametrize("model", ["reward", "voucherpool", "voucher", "redemption"])
def test_lists_take_the_same_queries_for_one_row_and_twelve(
    model: str, django_assert_max_num_queries: Any
) -> None:
    client = sign_in(Role.OWNER)
    url = reverse(f"admin:loyalty_{model}_changelist")
    for rows in (1, 11):
        for n in range(rows):
            pool = make_pool(name=f"P{rows}-{n}", codes=2)
            reward = make_reward(name=f"R{rows}-{n}", kind="voucher", points=1, pool=pool)
            redeem_reward(wish=wish_for(make_account(balance=5), reward))
        with django_assert_max_num_queries(16):
            assert client.get(url).status_code == 200


def test_a_reward_is_written_in_the_editor_and_read_as_a_sentence() -> None:
    client = sign_in(Role.MARKETER)
    add = reverse("admin:loyalty_reward_add")
    data = form(stock=5, limit_each=2, picture=SimpleUploadedFile("evil.html", PNG))
    answer = client.post(add, data)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    reward = Reward.objects.get()
    assert (reward.stock, reward.points) == (5, 300)
    assert str(reward.picture.name).endswith(".png")
    page = client.get(reverse("admin:loyalty_reward_changelist")).content.decode()
    assert "300 points; at most 2 for one customer." in page
    reward.picture.delete()


def test_the_stock_in_an_open_form_does_not_undo_redemptions() -> None:
    client = sign_in(Role.OWNER)
    reward = make_reward(stock=10, points=1)
    url = reverse("admin:loyalty_reward_change", args=[reward.pk])
    page = client.get(url).content.decode()
    assert 'name="initial-stock" value="10"' in page
    redeem_reward(wish=wish_for(make_account(balance=5), reward))
    kept = {"name": "Large mug", "points": 1, "initial-stock": 10}
    assert client.post(url, form(**kept, stock=10)).status_code == 302
    reward.refresh_from_db()
    assert (reward.name, reward.stock, reward.taken) == ("Large mug", 9, 1)
    assert client.post(url, form(**kept, stock=15)).status_code == 302
    reward.refresh_from_db()
    assert reward.stock == 14
    client.post(url, form(**kept, stock=""))
    reward.refresh_from_db()
    assert reward.stock is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "voucher"}, "pool"),
        ({"kind": "amount_off"}, "amount"),
        ({"points": 0}, "points"),
        ({"picture": SimpleUploadedFile("a.png", b"<svg onload=alert(1)>")}, "picture"),
        ({"picture": SimpleUploadedFile("a.png", PNG + b"0" * 300_000)}, "picture"),
        (
            {
                "starts_at_0": "2026-06-02",
                "starts_at_1": "10:00",
                "ends_at_0": "2026-06-01",
                "ends_at_1": "10:00",
            },
            "ends_at",
        ),
    ],
)
def test_an_incomplete_reward_is_refused_at_its_field(fields: dict[str, Any], field: str) -> None:
    client = sign_in(Role.OWNER)
    answer = client.post(reverse("admin:loyalty_reward_add"), form(**fields))
    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors
    assert not Reward.objects.exists()


def test_a_reward_for_a_segment_is_for_its_members_only() -> None:
    client = sign_in(Role.OWNER)
    pune = {"field": "city", "operator": "any_of", "value": ["Pune"]}
    segment = make_segment(definition=pune)
    data = form(points=1, segments=[segment.pk])
    assert client.post(reverse("admin:loyalty_reward_add"), data).status_code == 302
    reward = Reward.objects.get()
    assert reward.segment_ids == [segment.pk]
    stranger, member = make_account(balance=5), make_account(balance=5)
    Customer.objects.filter(pk=member.customer_id).update(city="Pune")
    with pytest.raises(RewardGateError):
        redeem_reward(wish=wish_for(stranger, reward))
    redeem_reward(wish=wish_for(member, reward))
    assert Redemption.objects.get().account == member


def test_withdrawing_keeps_reservations_and_stops_new_ones() -> None:
    client, reward = sign_in(Role.OWNER), make_reward()
    data = {"action": "withdraw", "_selected_action": [reward.pk]}
    url = reverse("admin:loyalty_reward_changelist")
    assert "1 rewards are withdrawn" in client.post(url, data, follow=True).content.decode()
    reward.refresh_from_db()
    assert not reward.is_offered


# --- codes --------------------------------------------------------------------------------------


def test_a_pool_is_made_filled_and_a_file_is_looked_at_before_it_is_taken_over() -> None:
    client = sign_in(Role.MARKETER)
    data = {"program": make_program().pk, "name": "Tea", "source": "generated", "prefix": "tea"}
    answer = client.post(
        reverse("admin:loyalty_voucherpool_add"), {**data, "length": 11, "refills": "on"}
    )
    assert answer.status_code == 302
    pool = VoucherPool.objects.get()
    url = reverse("admin:loyalty_voucherpool_generate", args=[pool.pk])
    assert client.get(url).status_code == 200
    assert "Ensure this value" in client.post(url, {"count": 0}).content.decode()
    assert client.post(url, {"count": 30}).status_code == 302
    assert Voucher.objects.count() == 30
    files = make_pool(name="Cinema", source="imported")
    bring = reverse("admin:loyalty_voucherpool_import_codes", args=[files.pk])
    answer = client.post(bring, {"file": SimpleUploadedFile("c.csv", b"AB-1\nAB-1\n=x\nAB-2\n")})
    found = VoucherImport.objects.get()
    assert answer["Location"] == f"{bring}?import={found.pk}"
    page = client.get(answer["Location"]).content.decode()
    assert "Take 2 new codes over" in page and "=x" in page
    assert Voucher.objects.count() == 30
    done = client.post(bring, {"import": found.pk, "apply": "1"}, follow=True).content.decode()
    assert "2 new codes are in the pool" in done
    again = client.post(bring, {"import": found.pk, "apply": "1"}, follow=True).content.decode()
    assert "already" in again
    assert Voucher.objects.count() == 32


def test_codes_are_masked_and_found_only_by_the_whole_code() -> None:
    client = sign_in(Role.OWNER)
    make_pool(codes=3)
    voucher = Voucher.objects.order_by("pk")[0]
    url = reverse("admin:loyalty_voucher_changelist")
    page = client.get(url).content.decode()
    assert voucher.code not in page and voucher.masked in page
    found = client.get(url, {"q": voucher.code.lower()}).context["cl"].result_count
    assert (found, client.get(url, {"q": voucher.code[:4]}).context["cl"].result_count) == (1, 0)
    detail = client.get(reverse("admin:loyalty_voucher_change", args=[voucher.pk]))
    assert voucher.code not in detail.content.decode()


# --- redemptions --------------------------------------------------------------------------------


def test_cancelling_asks_why_and_tells_what_became_of_each() -> None:
    client = sign_in(Role.SUPPORT)
    account, reward = make_account(balance=300), make_reward(points=100)
    done = redeem_reward(wish=wish_for(account, reward))
    held = reserve_reward(wish=wish_for(account, reward))
    data = {"action": "cancel_chosen", "_selected_action": [done.pk, held.pk]}
    url = reverse("admin:loyalty_redemption_changelist")
    asked = client.post(url, data)
    assert asked.status_code == 302
    assert "Asha Patel: Mug" in client.get(asked["Location"]).content.decode()
    assert client.post(asked["Location"], {"reason": ""}).status_code == 200
    account.refresh_from_db()
    assert (account.balance, account.held) == (200, 100)
    page = client.post(asked["Location"], {"reason": "broken"}, follow=True).content.decode()
    assert "2 redemptions are cancelled" in page
    account.refresh_from_db()
    assert (account.balance, account.held) == (300, 0)
    assert done.steps.latest("pk").reason == "broken"


def test_a_cashier_neither_cancels_nor_edits_rewards() -> None:
    client = sign_in(Role.CASHIER)
    made = redeem_reward(wish=wish_for(make_account(balance=300), make_reward()))
    url = f"{reverse('admin:loyalty_redemption_cancel')}?ids={made.pk}"
    assert client.post(url, {"reason": "x"}).status_code == 403
    change = reverse("admin:loyalty_reward_change", args=[made.reward_id])
    assert client.post(change, form(name="Mine")).status_code == 403
    made.refresh_from_db()
    assert (made.state, made.reward.name) == (Redemption.State.COMMITTED, "Mug")


# --- the counter --------------------------------------------------------------------------------


def page_of(account: Account) -> str:
    return reverse("admin:loyalty_counter_customer", args=[account.customer.public_id])


@pytest.fixture
def cashier() -> Client:
    return sign_in(Role.CASHIER)


def find(client: Client, wanted: str) -> Any:
    return client.post(COUNTER, {"wanted": wanted})


def test_one_field_finds_customers_cards_reservations_and_vouchers(cashier: Client) -> None:
    customer = make_customer(name="Asha Rao", phone="+447700900117")
    card = f"member:{customer.public_id}"
    for wanted in ("07700 900117", "Asha Rao", card, f"  {card}\n"):
        assert str(customer.public_id) in find(cashier, wanted)["Location"], wanted
    make_customer(name="Asha Iyer")
    assert find(cashier, "Asha").content.decode().count("counter-tile") == 2
    assert "Nobody found" in find(cashier, "zzzz").content.decode()
    account, reward = make_account(balance=300), make_reward(kind="voucher", points=100)
    held = reserve_reward(wish=wish_for(account, reward))
    scanned = find(cashier, f"redemption:{held.public_id}")
    assert scanned["Location"] == page_of(account)
    used = redeem_reward(wish=wish_for(account, reward)).vouchers.get()
    answer = find(cashier, used.code.lower())
    assert answer["Location"].endswith(f"/voucher/{used.public_id}/")
    assert used.code not in answer["Location"]


def test_three_taps_redeem_a_reward_and_a_double_tap_redeems_it_once(cashier: Client) -> None:
    account, reward = make_account(balance=300), make_reward(kind="voucher", points=100)
    assert "Mug" in cashier.get(page_of(account)).content.decode()
    ask = reverse("admin:loyalty_counter_reward", args=[account.customer.public_id, reward.pk])
    page = cashier.get(ask)
    token = page.context["token"]
    assert "keeps <b>200</b>" in page.content.decode()
    answers = [cashier.post(ask, {"token": token}) for _ in range(2)]
    assert answers[0]["Location"] == answers[1]["Location"]
    done = cashier.get(answers[0]["Location"]).content.decode()
    made = Redemption.objects.get()
    assert made.vouchers.get().code in done
    assert (made.channel, made.created_by and made.created_by.email) == (
        "counter",
        "cashier@example.com",
    )
    account.refresh_from_db()
    assert account.balance == 200


def test_a_refusal_at_the_counter_says_why(cashier: Client) -> None:
    account, reward = make_account(balance=30), make_reward(points=100)
    ask = reverse("admin:loyalty_counter_reward", args=[account.customer.public_id, reward.pk])
    assert "70 points are missing." in cashier.get(ask).content.decode()
    assert "Not enough points" in cashier.post(ask, {"token": "a"}).content.decode()
    assert "70 points are missing." in cashier.get(page_of(account)).content.decode()
    assert not Redemption.objects.exists()


def test_points_pay_a_bill_at_the_counter(cashier: Client) -> None:
    account = make_account(balance=1000)
    reward = make_reward(
        name="Pay", kind="amount_off", points=4, amount=Decimal(1), share_percent=Decimal(50)
    )
    bill = make_purchase(customer=account.customer, net="200.00", number="B-5")
    ask = reverse("admin:loyalty_counter_reward", args=[account.customer.public_id, reward.pk])
    assert "Write what the bill comes to" in cashier.post(ask, {"amount": "x"}).content.decode()
    data = {"amount": "200", "number": "B-5", "token": "0" * 32}
    assert "400 points take ₹100.00 off" in cashier.post(ask, data).content.decode()
    assert not Redemption.objects.exists()
    for _ in range(2):
        assert cashier.post(ask, {**data, "confirm": "1"}).status_code == 302
    made = Redemption.objects.get()
    assert (made.state, made.amount, made.purchase) == ("committed", Decimal("100.00"), bill)


def test_a_reserved_reward_is_handed_over_or_let_go(cashier: Client) -> None:
    account, reward = make_account(balance=300), make_reward(points=100)
    one = reserve_reward(wish=wish_for(account, reward))
    two = reserve_reward(wish=wish_for(account, reward))
    assert cashier.get(page_of(account)).content.decode().count("Hand over") == 2
    cashier.post(reverse("admin:loyalty_counter_settle", args=[one.public_id]))
    cashier.post(reverse("admin:loyalty_counter_settle", args=[two.public_id]), {"let_go": "1"})
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.state, two.state) == ("committed", "cancelled")


def test_a_voucher_is_used_at_the_counter_once(cashier: Client) -> None:
    store = make_store(code="S9", name="Camp")
    cashier.post(reverse("admin:loyalty_counter_store"), {"store": "S9"})
    account, reward = make_account(balance=300), make_reward(kind="voucher", points=100)
    voucher = redeem_reward(wish=wish_for(account, reward)).vouchers.get()
    url = find(cashier, voucher.code)["Location"]
    assert "Can be used" in cashier.get(url).content.decode()
    assert "✓ Used" in cashier.post(url, {"number": "B-1"}).content.decode()
    assert "Do not take it" in cashier.post(url, {"number": "B-2"}).content.decode()
    assert "Camp, bill B-1" in cashier.get(url).content.decode()
    voucher.refresh_from_db()
    assert (voucher.used_store, voucher.used_bill) == (store, "B-1")


def test_bills_are_entered_by_those_who_may_and_only_once() -> None:
    make_rule()
    manager, account = sign_in(Role.MANAGER), make_account()
    make_store(code="S9", name="Camp")
    url = reverse("admin:loyalty_counter_bill", args=[account.customer.public_id])
    assert "Choose your store" in post_bill(manager, url, number="B-1", amount="120.50")
    manager.post(reverse("admin:loyalty_counter_store"), {"store": "S9"})
    assert "Bill B-1: +120 points" in post_bill(manager, url, number="B-1", amount="120.50")
    assert "entered before: 120 points" in post_bill(manager, url, number="B-1", amount="120.50")
    account.refresh_from_db()
    assert account.balance == 120
    cashier = sign_in(Role.CASHIER)
    assert "not arrived yet" in post_bill(cashier, url, number="B-2", amount="99")
    account.refresh_from_db()
    assert account.balance == 120


def post_bill(client: Client, url: str, **data: str) -> str:
    return client.post(url, data, follow=True).content.decode()


def test_a_bill_of_the_till_is_looked_up_and_never_awarded_again(cashier: Client) -> None:
    make_rule()
    account = make_account()
    make_purchase(customer=account.customer, number="B-7")
    make_purchase(customer=make_customer(), number="B-8")
    url = reverse("admin:loyalty_counter_bill", args=[account.customer.public_id])
    assert "0 points" in post_bill(cashier, url, number="B-7", amount="100")
    assert "another customer" in post_bill(cashier, url, number="B-8")
    account.refresh_from_db()
    assert account.balance == 0


def test_a_bill_that_waits_for_its_customer_is_given_to_who_brings_it(cashier: Client) -> None:
    make_rule()
    account = make_account()
    settle_purchases(states=[make_purchase_state(number="B-9")])
    url = reverse("admin:loyalty_counter_bill", args=[account.customer.public_id])
    assert "Bill B-9 is Asha's now: +100." in html.unescape(post_bill(cashier, url, number="B-9"))
    post_bill(cashier, url, number="B-9")
    account.refresh_from_db()
    assert account.balance == 100


def test_the_counter_is_closed_to_those_who_do_not_redeem() -> None:
    client = sign_in(Role.ANALYST)
    account = make_account(balance=300)
    assert client.get(COUNTER).status_code == 403
    assert client.get(page_of(account)).status_code == 403


@pytest.mark.performance
def test_the_customers_counter_page_takes_few_queries(
    cashier: Client, django_assert_max_num_queries: Any
) -> None:
    account = make_account(balance=30_000)
    for count in (1, 10):
        for n in range(count):
            reward = make_reward(name=f"R{count}-{n}", kind="voucher", limit_each=9)
            redeem_reward(wish=wish_for(account, reward))
            reserve_reward(wish=wish_for(account, reward))
        with django_assert_max_num_queries(26):
            cashier.get(page_of(account))
