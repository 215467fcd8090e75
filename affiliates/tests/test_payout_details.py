"""Where the money goes: what is taken, how it is kept, who is told."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from affiliates.engine import Method
from affiliates.errors import InvalidPayoutDetailsError, PointsNeedCustomerError
from affiliates.models import Affiliate, PayoutDetails
from affiliates.selectors import current_details
from affiliates.services import give_payout_details
from affiliates.services.payouts.details import account_index
from affiliates.tests.factories import make_customer, make_enrolment
from affiliates.tests.payouts import NOW, maker, set_policy

pytestmark = pytest.mark.django_db
BANK: dict[str, Any] = {
    "method": Method.BANK,
    "holder": "Asha Rao",
    "account": "0011 2233 4455",
    "bank_code": "sbin0001234",
    "tax_id": "abcde1234f",
}


@pytest.fixture
def asha(db: None) -> Affiliate:
    return make_enrolment(code="ASHA10", customer=make_customer()).affiliate


def test_details_are_kept_tidy_sealed_and_findable(asha: Affiliate) -> None:
    details = give_payout_details(affiliate=asha, now=NOW, **BANK)
    details.refresh_from_db()
    assert (details.account, details.bank_code, details.tax_id) == (
        "001122334455",
        "SBIN0001234",
        "ABCDE1234F",
    )
    assert details.payable_from == NOW + timedelta(hours=72)
    assert (details.masked_account, details.masked_tax_id) == ("…4455", "…234F")
    found = PayoutDetails.objects.filter(account_index=account_index("00 1122 334455"))
    assert found.get() == details
    with connection.cursor() as cursor:
        cursor.execute("SELECT account, tax_id FROM affiliates_payoutdetails")
        assert all(value.startswith("v1.") for value in cursor.fetchone())


def test_a_upi_address_shows_how_it_begins_and_its_bank(asha: Affiliate) -> None:
    details = give_payout_details(
        affiliate=asha, method=Method.UPI, holder="Asha", account="Asha.Rao@OKHDFC"
    )
    assert (details.account, details.masked_account) == ("asha.rao@okhdfc", "as…@okhdfc")
    assert details.account_index == account_index("ASHA.RAO@okhdfc")


def test_each_change_is_a_row_and_saying_the_same_again_is_none(asha: Affiliate) -> None:
    first = give_payout_details(affiliate=asha, **BANK)
    assert give_payout_details(affiliate=asha, **BANK) == first
    second = give_payout_details(
        affiliate=asha, acting_user=maker(), **{**BANK, "account": "999999"}
    )
    assert current_details(asha) == second and second.given_by == maker()
    third = give_payout_details(affiliate=asha, **BANK)
    assert third != first and PayoutDetails.objects.count() == 3


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"account": "12345"}, "account"),
        ({"account": "=HYPERLINK(1)"}, "account"),
        ({"account": "1" * 35}, "account"),
        ({"bank_code": "SBIN1001234"}, "bank_code"),
        ({"bank_code": ""}, "bank_code"),
        ({"holder": " "}, "holder"),
        ({"tax_id": "ABCDE12345"}, "tax_id"),
        ({"method": Method.UPI, "account": "asha"}, "account"),
        ({"method": Method.UPI, "account": "a@b@c"}, "account"),
    ],
)
def test_refuses_what_cannot_be_right(asha: Affiliate, change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidPayoutDetailsError) as refusal:
        give_payout_details(affiliate=asha, **{**BANK, **change})
    assert refusal.value.field == field
    assert not PayoutDetails.objects.exists()


def test_other_countries_have_other_tax_ids_and_bank_codes(asha: Affiliate) -> None:
    set_policy(country="DE")
    given = {**BANK, "tax_id": "DE 123456789", "bank_code": "COBA DE FF XXX"}
    details = give_payout_details(affiliate=asha, **given)
    assert (details.tax_id, details.bank_code) == ("DE123456789", "COBADEFFXXX")
    with pytest.raises(InvalidPayoutDetailsError):
        give_payout_details(affiliate=asha, **{**given, "bank_code": "SBIN0001234"})


def test_points_need_a_customer() -> None:
    affiliate = make_enrolment(code="RAVI5").affiliate
    with pytest.raises(PointsNeedCustomerError):
        give_payout_details(affiliate=affiliate, method=Method.POINTS)
    assert not PayoutDetails.objects.exists()


def test_the_database_refuses_to_change_details(asha: Affiliate) -> None:
    give_payout_details(affiliate=asha, **BANK)
    for change in (
        lambda: PayoutDetails.objects.update(holder="Somebody else"),
        lambda: PayoutDetails.objects.all().delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert current_details(asha) is not None
