import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from affiliates.models import Affiliate, Code, Enrolment, Plan
from affiliates.selectors import find_affiliate
from customers.selectors import find_customer_by_contact
from loyalty_site.demo.affiliates import ASHA, RAVI
from loyalty_site.demo.services import seed_demo

pytestmark = pytest.mark.django_db


def test_the_demo_has_affiliates_in_every_state_but_one_and_is_made_once() -> None:
    seed_demo()
    states = set(Affiliate.objects.values_list("state", flat=True))
    assert states == {"approved", "applied", "rejected", "invited"}
    assert all(one.customer_id for one in Affiliate.objects.all())
    customer = find_customer_by_contact(ASHA.phone)
    assert customer is not None
    asha = find_affiliate(customer)
    assert asha is not None
    assert set(Code.objects.filter(enrolment__affiliate=asha).values_list("text", flat=True)) == {
        "ASHA10",
        "ASHATEA",
    }
    assert Affiliate.objects.get(name=RAVI.name).parent == asha

    def counts() -> list[int]:
        return [model._default_manager.count() for model in (Affiliate, Plan, Enrolment, Code)]

    made = counts()
    with CaptureQueriesContext(connection) as again:
        seed_demo()
    assert counts() == made
    assert not [one for one in again if one["sql"].startswith('INSERT INTO "affiliates')]
