"""The behaviour cases that are about people: merging and segments."""

from datetime import timedelta
from typing import Any

import pytest

from customers.selectors import segment_members
from customers.tests.factories import make_customer, make_purchase
from loyalty.models import Lot, PointsEntry
from loyalty.selectors import verify_ledger
from loyalty.services import merge_customers
from loyalty.tests.factories import NOW, make_account

pytestmark = pytest.mark.django_db


def test_merging_200_into_100_makes_300_on_one_card_and_archives_the_other() -> None:
    """Case 12."""
    asha, twin = make_account(balance=100), make_account(balance=200)
    merge_customers(kept=asha.customer, merged=twin.customer, reason="Two cards", now=NOW)
    asha.refresh_from_db()
    twin.refresh_from_db()
    assert (asha.balance, twin.balance) == (300, 0)
    assert twin.closed_at is not None
    assert not Lot.objects.filter(account=twin, remaining__gt=0).exists()
    moved = PointsEntry.objects.filter(reference__startswith="merge:").order_by("points")
    assert [(entry.account_id, entry.points) for entry in moved] == [
        (twin.pk, -200),
        (asha.pk, 200),
    ]
    assert not verify_ledger()


def test_within_a_part_one_is_enough_and_between_parts_all_are_needed() -> None:
    """Case 17."""
    one, two, three, four = (make_customer() for _ in range(4))
    for customer, nets in (
        (one, ("100.00", "120.00")),
        (two, ("50.00",)),
        (three, ("500.00",)),
        (four, ("500.00", "600.00")),
    ):
        for net in nets:
            make_purchase(customer=customer, net=net, occurred_at=NOW - timedelta(days=10))
    average = {"field": "average_bill", "operator": "between", "value": ["40.00", "200.00"]}
    once = {"field": "bills", "operator": "is", "value": 1}

    def members(definition: dict[str, Any]) -> set[int]:
        return set(segment_members(definition, now=NOW).values_list("pk", flat=True))

    assert members({"all": [{"any": [average, once]}]}) == {one.pk, two.pk, three.pk}
    assert members({"all": [{"any": [average]}, {"any": [once]}]}) == {two.pk}
