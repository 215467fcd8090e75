"""The main job: a year of bills from the stand-in ERP, checked against an independent sum."""

import random
from datetime import date
from decimal import ROUND_FLOOR, Decimal

import pytest
from django.core.management import call_command
from django.db.models import Sum

from customers.models import Purchase
from erp.models import Quarantine
from loyalty.models import Account, PointsEntry
from loyalty.selectors import explain_entry, verify_ledger
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_client, make_user
from tests.journeys.expected_points import expected_figures
from tests.support.stand_ins import logic_erp

pytestmark = [pytest.mark.django_db, pytest.mark.integration]
NEWEST_ON = date.today()


def test_a_year_of_bills_gives_exactly_the_points_that_the_files_say(
    tmp_path_factory: pytest.TempPathFactory, settings: object
) -> None:
    expected = expected_figures(NEWEST_ON)
    with logic_erp(tmp_path_factory.mktemp("erp"), newest_on=NEWEST_ON) as address:
        settings.ERP_HOST = address  # type: ignore[attr-defined]
        settings.ERP_API_KEY = "loyalty:sandbox-erp"  # type: ignore[attr-defined]
        settings.WHATSAPP_PHONE_NUMBER_ID = ""  # type: ignore[attr-defined]
        call_command("seed_demo", verbosity=0)
        call_command("sync_erp", verbosity=0)
        first = figures()
        call_command("sync_erp", verbosity=0)
    assert figures() == first, "a second sync changed something"
    assert not verify_ledger()
    assert not Quarantine.objects.exists()
    assert (first["sales"], first["returns"]) == (expected.sales, expected.returns)
    assert first["net"] == expected.net
    accounts = Account.objects.exclude(balance=0).select_related("customer")
    assert {account.customer.phone[-10:]: account.balance for account in accounts} == {
        phone: points for phone, points in expected.points.items() if points
    }
    assert_explanations_re_add()


def assert_explanations_re_add() -> None:
    """200 entries: what their steps say adds up to their points, and everybody reads the same."""
    entries = list(
        PointsEntry.objects.filter(purchase__isnull=False).select_related("account__program")
    )
    client = make_client(user=make_user(roles=[Role.INTEGRATOR]))
    for entry in random.Random(7).sample(entries, 200):
        explanation = explain_entry(entry)
        steps = explanation.steps
        for step in steps:
            if "exact" in step:
                exact = Decimal(step["basis"]) * step["points_each"] / Decimal(step["amount_each"])
                assert abs(exact - Decimal(step["exact"])) <= Decimal("0.0001"), step
                assert step["points"] == int(exact.to_integral_value(ROUND_FLOOR)), step
        earns = sum(step["points"] for step in steps)
        assert earns == entry.details["earns_now"]
        assert entry.points == earns - entry.details["earned_before"]
        customer_id = entry.account.customer_id
        told = client.get(
            f"/api/v1/loyalty/accounts/{customer_id}/entries/{entry.pk}/explain/"
        ).json()
        assert told["sentences"] == list(explanation.sentences)


def figures() -> dict[str, object]:
    """Counts and sums that a repeated sync must leave alone."""
    purchases = Purchase.objects.order_by()
    # Added up here, because SQLite adds decimals as binary fractions.
    return {
        "sales": purchases.filter(kind=Purchase.Kind.SALE).count(),
        "returns": purchases.filter(kind=Purchase.Kind.RETURN).count(),
        "net": sum(purchases.values_list("net", flat=True)),
        "versions": purchases.aggregate(Sum("version"))["version__sum"],
        "entries": PointsEntry.objects.count(),
        "points": PointsEntry.objects.aggregate(Sum("points"))["points__sum"],
    }
