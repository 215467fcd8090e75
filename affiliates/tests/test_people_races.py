"""Many at once who want to be affiliates; real connections, PostgreSQL."""

from collections.abc import Callable
from functools import partial

import pytest

from affiliates.models import Affiliate, AffiliateStep, ApplicationPolicy, Code, Enrolment
from affiliates.services import (
    apply_as_affiliate,
    decide_affiliates,
    register_affiliate,
    set_recruiter,
)
from affiliates.tests.factories import make_customer, make_enrolment, make_plan
from customers.models import Customer
from customers.services import register_customer
from loyalty_site.staff.models import User
from tests.support.threads import run_together

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.integration,
    pytest.mark.needs_postgresql,
]


@pytest.fixture
def owner() -> User:
    return User.objects.create_superuser("owner@example.com", "a long password", name="Owner")


def test_ten_applications_of_one_customer_are_one() -> None:
    customer = make_customer()
    job = partial(apply_as_affiliate, customer=customer, agreed_to="The terms.")
    answers = run_together([job] * 10)
    assert not [one for one in answers if isinstance(one, BaseException)]
    assert Affiliate.objects.count() == AffiliateStep.objects.count() == 1


def test_ten_approvals_are_one_with_one_code(owner: User) -> None:
    ApplicationPolicy.objects.create(plan=make_plan())
    people = [
        apply_as_affiliate(customer=make_customer(name="Asha Rao"), agreed_to="The terms.")
        for _ in range(4)
    ]
    jobs: list[Callable[[], object]] = [
        partial(
            decide_affiliates,
            affiliates=people[:: 1 if turn % 2 else -1],
            state=Affiliate.State.APPROVED,
            acting_user=owner,
        )
        for turn in range(10)
    ]
    answers = run_together(jobs)
    assert not [one for one in answers if isinstance(one, BaseException)]
    assert Enrolment.objects.count() == Code.objects.count() == 4
    assert AffiliateStep.objects.filter(state="approved").count() == 4


def test_approvals_of_people_with_one_name_all_get_a_code(owner: User) -> None:
    ApplicationPolicy.objects.create(plan=make_plan())
    people = [
        apply_as_affiliate(customer=make_customer(name="Asha Rao"), agreed_to="The terms.")
        for _ in range(8)
    ]
    answers = run_together(
        [
            partial(
                decide_affiliates,
                affiliates=[person],
                state=Affiliate.State.APPROVED,
                acting_user=owner,
            )
            for person in people
        ]
    )
    assert not [one for one in answers if isinstance(one, BaseException)]
    assert Code.objects.values("enrolment").distinct().count() == 8


@pytest.mark.parametrize("is_known", [True, False])
def test_one_phone_taken_up_by_ten_is_one_customer_and_one_affiliate(
    owner: User, is_known: bool
) -> None:
    if is_known:
        register_customer(name="Asha Rao", phone="+447700900123", source="test")
    job = partial(register_affiliate, name="Asha Rao", phone="+447700900123", acting_user=owner)
    answers = run_together([job] * 10)
    assert sum(isinstance(one, Affiliate) for one in answers) == 1
    assert {getattr(one, "code", "") for one in answers if isinstance(one, BaseException)} == {
        "already_affiliate"
    }
    assert Customer.objects.count() == Affiliate.objects.count() == 1


def test_two_who_name_each_other_as_recruiter_make_no_circle() -> None:
    for turn in range(5):
        asha, ravi, meera = (
            make_enrolment(code=f"{name}{turn}").affiliate for name in ("ASHA", "RAVI", "MEERA")
        )
        run_together(
            [
                partial(set_recruiter, affiliate=asha, recruiter=ravi),
                partial(set_recruiter, affiliate=ravi, recruiter=meera),
                partial(set_recruiter, affiliate=meera, recruiter=asha),
            ]
        )
        tied = Affiliate.objects.filter(pk__in=[asha.pk, ravi.pk, meera.pk], parent__isnull=False)
        assert tied.count() == 2


def test_two_chains_that_are_tied_at_once_make_no_circle() -> None:
    for turn in range(5):
        asha, ravi, kavita, meera = (
            make_enrolment(code=f"{name}{turn}").affiliate
            for name in ("ASHA", "RAVI", "KAVITA", "MEERA")
        )
        set_recruiter(affiliate=ravi, recruiter=asha)
        set_recruiter(affiliate=meera, recruiter=kavita)
        run_together(
            [
                partial(set_recruiter, affiliate=asha, recruiter=meera),
                partial(set_recruiter, affiliate=kavita, recruiter=ravi),
            ]
        )
        tied = Affiliate.objects.filter(pk__in=[asha.pk, kavita.pk], parent__isnull=False)
        assert tied.count() == 1
