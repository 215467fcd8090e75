"""What segments can ask about points."""

from datetime import timedelta
from typing import Any

import pytest

from customers.selectors import segment_members
from loyalty.models import Tier
from loyalty.tests.factories import NOW, TODAY, award, make_account

pytestmark = pytest.mark.django_db


def members(field: str, operator: str, value: Any, **more: Any) -> set[int]:
    definition = {"field": field, "operator": operator, "value": value, **more}
    return set(segment_members(definition, now=NOW).values_list("pk", flat=True))


def test_balances_tiers_and_expiry_can_be_asked() -> None:
    rich, poor = make_account(balance=500), make_account()
    award(poor, 40, reference="soon", expires_on=TODAY + timedelta(days=10))
    assert members("balance", "at_least", 100) == {rich.customer_id}
    assert members("available_points", "at_most", 40) == {poor.customer_id}
    assert members("pending_points", "is", 0) == {rich.customer_id, poor.customer_id}
    assert members("expiring_points", "at_least", 40) == {poor.customer_id}
    assert members("expiring_points", "at_least", 40, days=9) == set()
    bronze, silver = Tier.objects.get(name="Bronze"), Tier.objects.get(name="Silver")
    assert members("tier", "any_of", [str(bronze.pk)]) == {rich.customer_id, poor.customer_id}
    assert members("tier", "none_of", [str(silver.pk)]) == {rich.customer_id, poor.customer_id}
