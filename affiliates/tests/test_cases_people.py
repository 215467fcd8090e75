"""The behaviour cases of affiliates that are about who may earn."""

from decimal import Decimal

import pytest

from affiliates.models import Affiliate, CommissionEntry, Conversion
from affiliates.services import decide_affiliates, settle_commissions
from affiliates.tests.factories import make_enrolment, make_sale
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("state", ["applied", "rejected", "suspended"])
def test_case_11_who_is_not_approved_earns_nothing(state: str) -> None:
    make_enrolment(code="ASHA10", state=state)
    settle_commissions(purchase_ids=[make_sale(codes=("ASHA10",)).pk])
    assert not CommissionEntry.objects.exists()
    assert Conversion.objects.get().candidates[0]["reason"] == "not_approved"


def test_case_11_who_is_invited_earns_before_they_answer() -> None:
    make_enrolment(code="ASHA10", state="invited")
    settle_commissions(purchase_ids=[make_sale(net="1000.00", codes=("ASHA10",)).pk])
    assert CommissionEntry.objects.get().amount == Decimal("100.00")


def test_case_11_what_was_earned_before_a_suspension_stays(owner: User) -> None:
    affiliate = make_enrolment(code="ASHA10").affiliate
    settle_commissions(purchase_ids=[make_sale(net="1000.00", codes=("ASHA10",)).pk])
    decide_affiliates(
        affiliates=[affiliate],
        state=Affiliate.State.SUSPENDED,
        reason="Sold fakes.",
        acting_user=owner,
    )
    settle_commissions(purchase_ids=[make_sale(net="1000.00", codes=("ASHA10",)).pk])
    assert CommissionEntry.objects.get().amount == Decimal("100.00")
