"""The back office of points: what staff see, and what they may do."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from customers.tests.factories import make_customer
from loyalty.models import PointsEntry
from loyalty.panels import points_context
from loyalty.tests.factories import award, make_account, make_rule
from loyalty_site.staff.models import User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.services import save_user

pytestmark = pytest.mark.django_db


def sign_in(role: Role) -> Client:
    user = User(email=f"{role}@example.com", name=role.title())
    save_user(user=user, roles=[role], password="a-long-password-1")
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.performance
@pytest.mark.parametrize(
    "model",
    [
        "account",
        "pointsentry",
        "adjustment",
        "tierchange",
        "earningrule",
        "replayjob",
        "tier",
        "program",
    ],
)
def test_lists_take_the_same_queries_for_one_row_and_twenty(
    model: str, django_assert_max_num_queries: Any
) -> None:
    client = sign_in(Role.OWNER)
    make_rule()
    url = reverse(f"admin:loyalty_{model}_changelist")
    for rows in (1, 19):
        for n in range(rows):
            account = make_account(balance=10)
            account.tier_changes.create(
                tier_id=account.tier_id or 0, spend=0, reason="t", occurred_at=account.opened_at
            )
            make_rule(name=f"Rule {rows}-{n}")
        with django_assert_max_num_queries(14):
            assert client.get(url).status_code == 200


def test_an_entry_shows_its_reason() -> None:
    client = sign_in(Role.SUPPORT)
    entry = award(make_account(), 5, reference="a")
    page = client.get(reverse("admin:loyalty_pointsentry_change", args=[entry.id]))
    assert page.status_code == 200
    assert "<p>test</p>" in page.content.decode()


def test_the_ledger_cannot_be_written_by_hand() -> None:
    client = sign_in(Role.OWNER)
    entry = award(make_account(), 5, reference="a")
    change = reverse("admin:loyalty_pointsentry_change", args=[entry.id])
    assert client.post(change, {"points": 500}).status_code == 403
    assert client.get(reverse("admin:loyalty_pointsentry_add")).status_code == 403
    delete = reverse("admin:loyalty_pointsentry_delete", args=[entry.id])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    assert PointsEntry.objects.get().points == 5


def test_reversing_entries_tells_what_happened_to_each() -> None:
    client = sign_in(Role.OWNER)
    account = make_account(balance=10)
    url = reverse("admin:loyalty_pointsentry_changelist")
    data = {"action": "reverse_entries", "_selected_action": [account.entries.get().pk]}
    assert "1 entries are reversed" in client.post(url, data, follow=True).content.decode()
    assert "already reversed" in client.post(url, data, follow=True).content.decode()
    account.refresh_from_db()
    assert account.balance == 0


def test_adjusting_asks_for_a_reason_and_counts_a_double_click_once() -> None:
    client = sign_in(Role.OWNER)
    account = make_account(balance=10)
    url = reverse("admin:loyalty_account_adjust", args=[account.pk])
    assert client.get(url).status_code == 200
    assert client.post(url, {"points": 5, "token": "t"}).status_code == 200
    assert account.entries.count() == 1
    data = {
        "points": -4,
        "cause": "mistake",
        "note": "Typed twice",
        "document": "Bill 12",
        "token": "t",
    }
    for _ in range(2):
        assert client.post(url, data).status_code == 302
    refused = client.post(url, {**data, "points": -7, "token": "u"})
    assert "Not enough points" in refused.content.decode()
    entry = account.entries.order_by("seq").last()
    assert entry
    assert (entry.points, entry.reason) == (-4, "Typed twice")
    assert entry.actor and entry.actor.email == "owner@example.com"


def test_a_cashier_neither_adjusts_nor_publishes() -> None:
    client = sign_in(Role.CASHIER)
    account = make_account(balance=10)
    rule = make_rule()
    assert (
        client.post(reverse("admin:loyalty_account_adjust", args=[account.pk])).status_code == 403
    )
    url = reverse("admin:loyalty_earningrule_change", args=[rule.pk])
    assert client.post(url, {"name": "Mine"}).status_code in {302, 403}
    rule.refresh_from_db()
    assert rule.name == "One point a rupee"
    account.refresh_from_db()
    assert account.balance == 10


def test_the_customer_page_has_a_points_tab() -> None:
    customer = make_customer()
    assert points_context(customer) == {"overview": None}
    account = make_account(balance=7)
    context = points_context(account.customer)
    assert context["overview"].account.balance == 7
    assert len(context["explanations"]) == 1
