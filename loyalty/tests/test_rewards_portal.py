"""Rewards and vouchers on the customer's own pages."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from customers.tests.factories import make_customer
from loyalty.models import Redemption, Tier
from loyalty.services import redeem_reward, reserve_reward, use_voucher
from loyalty.tests.factories import make_account, make_reward, wish_for
from loyalty.tests.test_portal import sign_in

pytestmark = pytest.mark.django_db


def test_rewards_that_can_be_had_come_first_and_the_others_say_what_is_missing() -> None:
    account = make_account(balance=150)
    make_reward(name="Pan", points=400)
    make_reward(name="Mug", points=100)
    make_reward(name="Gold cup", points=10, tiers=[Tier.objects.get(name="Gold")])
    make_reward(name="Old cap", points=10, ends_at=timezone.now() - timedelta(days=1))
    make_reward(name="Secret", points=10, is_offered=False)
    page = sign_in(account.customer).get("/rewards/").content.decode()
    places = [page.index(name) for name in ("Mug", "Pan", "Gold cup")]
    assert places == sorted(places)
    assert "250 points are missing." in page and "Only for Gold." in page
    assert "Old cap" not in page and "Secret" not in page


def test_a_voucher_is_redeemed_with_one_confirmation_and_a_double_tap_counts_once() -> None:
    account = make_account(balance=150)
    reward = make_reward(kind="voucher", points=100, amount=Decimal(50))
    client = sign_in(account.customer)
    page = client.get(f"/rewards/{reward.pk}/")
    assert "You have 150 points and keep 50." in page.content.decode()
    data = {"token": page.context["token"]}
    answers = [client.post(f"/rewards/{reward.pk}/redeem/", data) for _ in range(2)]
    assert answers[0]["Location"] == answers[1]["Location"]
    code = Redemption.objects.get().vouchers.get().code
    done = client.get(answers[0]["Location"]).content.decode()
    assert code in done and done.count("data:image/svg+xml") == 2
    assert code in client.get("/vouchers/").content.decode()
    account.refresh_from_db()
    assert account.balance == 50


def test_a_product_is_reserved_shown_and_cancelled() -> None:
    account, reward = make_account(balance=150), make_reward(points=100)
    client = sign_in(account.customer)
    token = client.get(f"/rewards/{reward.pk}/").context["token"]
    made = client.post(f"/rewards/{reward.pk}/redeem/", {"token": token})["Location"]
    assert "Set aside for you until" in client.get(made).content.decode()
    assert "reserved for you until" in client.get("/rewards/").content.decode()
    account.refresh_from_db()
    assert (account.balance, account.held) == (150, 100)
    gone = client.post(f"{made}cancel/", follow=True).content.decode()
    assert "your points are free again" in gone
    account.refresh_from_db()
    assert (account.balance, account.held) == (150, 0)


def test_a_refusal_is_shown_and_writes_nothing() -> None:
    account, reward = make_account(balance=50), make_reward(points=100)
    client = sign_in(account.customer)
    url = f"/rewards/{reward.pk}/redeem/"
    assert (
        "Not enough points" in client.post(url, {"token": "a" * 32}, follow=True).content.decode()
    )
    for strange in ({}, {"token": "a" * 32, "units": "²"}, {"token": "x"}):
        assert client.post(url, strange).status_code == 302
    assert not Redemption.objects.exists()


def test_what_is_somebody_elses_does_not_exist() -> None:
    account, reward = make_account(balance=500), make_reward(kind="voucher", points=100)
    made = redeem_reward(wish=wish_for(account, reward))
    held = reserve_reward(wish=wish_for(account, reward))
    client = sign_in(make_customer())
    for path in (
        f"/redemptions/{made.public_id}/",
        f"/vouchers/{made.vouchers.get().public_id}/",
        "/rewards/999999/",
    ):
        assert client.get(path).status_code == 404
    assert client.post(f"/redemptions/{held.public_id}/cancel/").status_code == 404
    own = sign_in(account.customer)
    waiting = held.vouchers.get()
    assert own.get(f"/vouchers/{waiting.public_id}/").status_code == 404
    assert waiting.code not in own.get(f"/redemptions/{held.public_id}/").content.decode()


def test_a_used_voucher_says_when_and_shows_no_code() -> None:
    account, reward = make_account(balance=500), make_reward(kind="voucher", points=100)
    voucher = redeem_reward(wish=wish_for(account, reward)).vouchers.get()
    use_voucher(voucher=voucher)
    client = sign_in(account.customer)
    page = client.get(f"/vouchers/{voucher.public_id}/").content.decode()
    assert "Used on" in page and voucher.code not in page
    assert "used on" in client.get("/vouchers/").content.decode()


def test_pictures_are_served_as_what_they_are(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    reward = make_reward()
    client = sign_in(make_customer())
    assert client.get(f"/rewards/{reward.pk}/picture/").status_code == 404
    reward.picture.save("reward.png", ContentFile(b"\x89PNG\r\n\x1a\n"))
    answer = client.get(f"/rewards/{reward.pk}/picture/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert f"/rewards/{reward.pk}/picture/" in client.get("/rewards/").content.decode()


def test_a_customer_without_points_sees_rewards_and_empty_vouchers() -> None:
    reward = make_reward(points=100)
    client = sign_in(make_customer())
    assert "100 points are missing." in client.get("/rewards/").content.decode()
    assert client.get(f"/rewards/{reward.pk}/").status_code == 200
    assert "no vouchers" in client.get("/vouchers/").content.decode()
    assert (
        "Not enough points"
        in client.post(
            f"/rewards/{reward.pk}/redeem/", {"token": "a" * 32}, follow=True
        ).content.decode()
    )


@pytest.mark.performance
@pytest.mark.parametrize("path", ["/rewards/", "/vouchers/"])
def test_pages_take_a_constant_number_of_queries(
    path: str, django_assert_max_num_queries: Any
) -> None:
    account = make_account(balance=30_000)
    client = sign_in(account.customer)
    for count in (1, 10):
        for n in range(count):
            reward = make_reward(name=f"R{count}-{n}", kind="voucher", limit_each=9)
            redeem_reward(wish=wish_for(account, reward))
            reserve_reward(wish=wish_for(account, reward))
        with django_assert_max_num_queries(10):
            assert client.get(path).status_code == 200
