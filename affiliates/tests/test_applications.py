"""How one becomes an affiliate, and what is decided about it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from affiliates.errors import (
    AlreadyAffiliateError,
    ApplicationsClosedError,
    ApplicationTooSoonError,
    CodeTakenError,
    DecisionRefusedError,
    InvalidApplicationError,
    NotInvitedError,
    PlanNeededError,
    ReasonNeededError,
    RecruiterRefusedError,
    TooManyApplicationsError,
)
from affiliates.events import AffiliateApplied, AffiliateDecided
from affiliates.models import Affiliate, AffiliateStep, ApplicationPolicy, Code, Enrolment
from affiliates.selectors import find_recruiter
from affiliates.services import (
    add_code,
    answer_affiliate_invitation,
    apply_as_affiliate,
    change_profile,
    decide_affiliates,
    default_target,
    end_enrolment,
    enrol_affiliate,
    register_affiliate,
    set_recruiter,
    settle_commissions,
)
from affiliates.tests.factories import make_customer, make_enrolment, make_plan, make_sale
from customers.models import Customer
from customers.selectors import find_customer_by_contact
from customers.services import register_customer
from loyalty_site.outbox.models import Delivery
from loyalty_site.outbox.services import subscribe
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
APPROVED, REJECTED = Affiliate.State.APPROVED, Affiliate.State.REJECTED
SUSPENDED, INVITED = Affiliate.State.SUSPENDED, Affiliate.State.INVITED


def apply(customer: Customer | None = None, **fields: Any) -> Affiliate:
    return apply_as_affiliate(
        **{
            "customer": customer or make_customer(),
            "agreed_to": "The terms.",
            "about": "On my page.",
            "now": NOW,
            **fields,
        }
    )


def decide(owner: User, *affiliates: Affiliate, **fields: Any) -> list[str]:
    """What became of each: its state, or the code of the refusal."""
    decisions = decide_affiliates(
        **{"affiliates": affiliates, "acting_user": owner, "reason": "Because.", **fields}
    )
    return [
        decision.refusal.code if decision.refusal else decision.affiliate.state
        for decision in decisions
    ]


def published(kind: type[Any], act: Any) -> list[Any]:
    subscribe(lambda events: None, kind, name="tests.people")
    Delivery.objects.filter(handler="tests.people").delete()
    act()
    rows = Delivery.objects.filter(handler="tests.people").order_by("pk")
    return [kind.from_payload(row.payload) for row in rows]


# --- applying -----------------------------------------------------------------------------------


def test_an_application_keeps_what_was_said_and_agreed_to() -> None:
    customer = make_customer(name="Asha Rao")
    affiliate = apply(customer, website="asha.example", about="  On my page. ")
    affiliate.refresh_from_db()
    assert (affiliate.state, affiliate.customer) == ("applied", customer)
    assert (affiliate.name, affiliate.about) == ("Asha Rao", "On my page.")
    assert affiliate.website == "https://asha.example"
    assert (affiliate.agreed_at, affiliate.agreed_to) == (NOW, "The terms.")
    assert not affiliate.may_earn


def test_an_application_is_told_once_and_a_second_one_brings_it_up_to_date() -> None:
    customer = make_customer()
    events = published(
        AffiliateApplied, lambda: [apply(customer, about=text) for text in ("One", "Two")]
    )
    affiliate = Affiliate.objects.get()
    assert [(one.affiliate_id, one.customer_id) for one in events] == [(affiliate.pk, customer.pk)]
    assert affiliate.about == "Two"
    assert affiliate.steps.count() == 1


@pytest.mark.parametrize("website", ["javascript:alert(1)", "no address", "http://", "a b.c"])
def test_a_website_must_be_one(website: str) -> None:
    with pytest.raises(InvalidApplicationError):
        apply(website=website)
    assert not Affiliate.objects.exists()


def test_who_is_an_affiliate_does_not_apply(owner: User) -> None:
    customer = make_customer()
    make_enrolment(customer=customer)
    with pytest.raises(AlreadyAffiliateError):
        apply(customer)
    assert not AffiliateStep.objects.exists()


def test_the_shop_may_take_no_applications() -> None:
    ApplicationPolicy.objects.create(is_open=False)
    with pytest.raises(ApplicationsClosedError):
        apply()
    assert not Affiliate.objects.exists()


def test_who_was_rejected_may_apply_again_after_a_while_and_not_for_ever(owner: User) -> None:
    ApplicationPolicy.objects.create(again_after_days=30, most_applications=2)
    customer = make_customer()
    affiliate = apply(customer)
    decide(owner, affiliate, state=REJECTED, now=NOW)
    with pytest.raises(ApplicationTooSoonError, match="9 April 2026"):
        apply(customer, now=NOW + timedelta(days=29))
    affiliate.refresh_from_db()
    assert affiliate.state == REJECTED
    assert apply(customer, now=NOW + timedelta(days=30)).pk == affiliate.pk
    decide(owner, affiliate, state=REJECTED, now=NOW + timedelta(days=31))
    with pytest.raises(TooManyApplicationsError):
        apply(customer, now=NOW + timedelta(days=300))
    assert [step.state for step in affiliate.steps.order_by("pk")] == [
        "applied",
        "rejected",
        "applied",
        "rejected",
    ]


# --- decisions ----------------------------------------------------------------------------------


def test_approval_puts_on_the_usual_plan_with_a_code_of_the_name(owner: User) -> None:
    plan = make_plan(hold_days=14)
    ApplicationPolicy.objects.create(plan=plan)
    affiliate = apply(make_customer(name="Asha Rao"))
    [event] = published(AffiliateDecided, lambda: decide(owner, affiliate, state=APPROVED))
    enrolment = affiliate.enrolments.get()
    assert (enrolment.plan, enrolment.hold_days) == (plan, 14)
    assert [code.text for code in enrolment.codes.all()] == ["ASHA"]
    assert (event.state, event.code, event.customer_id) == (
        "approved",
        "ASHA",
        affiliate.customer_id,
    )
    settle_commissions(purchase_ids=[make_sale(codes=("ASHA",), occurred_at=FUTURE).pk])
    assert affiliate.entries.get().amount == 100


FUTURE = datetime(2030, 1, 1, tzinfo=UTC)


def test_a_chosen_plan_goes_before_the_usual_one(owner: User) -> None:
    ApplicationPolicy.objects.create(plan=make_plan())
    other = make_plan(name="Schools")
    affiliate = apply()
    assert decide(owner, affiliate, state=APPROVED, plan=other) == ["approved"]
    assert affiliate.enrolments.get().plan == other


def test_each_of_several_gets_an_answer_of_its_own(owner: User) -> None:
    plan = make_plan()
    ApplicationPolicy.objects.create(plan=plan)
    waiting = [apply(make_customer(name="Asha Rao")) for _ in range(3)]
    done = make_enrolment(code="RAVI5").affiliate
    assert decide(owner, *waiting, done, state=APPROVED) == [
        "approved",
        "approved",
        "approved",
        "decision_refused",
    ]
    codes = set(
        Code.objects.filter(enrolment__affiliate__in=waiting).values_list("text", flat=True)
    )
    assert len(codes) == 3 and all(code.startswith("ASHA") for code in codes)
    assert done.steps.count() == 0


def test_without_any_plan_nobody_is_approved(owner: User) -> None:
    affiliate = apply()
    assert decide(owner, affiliate, state=APPROVED) == [PlanNeededError.code]
    affiliate.refresh_from_db()
    assert affiliate.state == "applied" and affiliate.steps.count() == 1


def test_saying_no_needs_a_reason(owner: User) -> None:
    affiliate = apply()
    for state in (REJECTED, SUSPENDED):
        with pytest.raises(ReasonNeededError):
            decide(owner, affiliate, state=state, reason="  ")
    affiliate.refresh_from_db()
    assert affiliate.state == "applied"


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("approved", APPROVED),
        ("approved", REJECTED),
        ("suspended", REJECTED),
        ("applied", SUSPENDED),
        ("rejected", SUSPENDED),
    ],
)
def test_not_everything_follows_everything(
    owner: User, state: str, wanted: Affiliate.State
) -> None:
    affiliate = make_enrolment(state=state).affiliate
    assert decide(owner, affiliate, state=wanted) == [DecisionRefusedError.code]
    affiliate.refresh_from_db()
    assert affiliate.state == state and not affiliate.steps.exists()


def test_a_suspended_affiliate_comes_back_to_plan_and_codes(owner: User) -> None:
    affiliate = make_enrolment(code="ASHA10").affiliate
    decide(owner, affiliate, state=SUSPENDED, reason="Sold fakes.")
    affiliate.refresh_from_db()
    assert affiliate.decision_reason == "Sold fakes."
    assert decide(owner, affiliate, state=APPROVED) == ["approved"]
    assert [code.text for code in Code.objects.all()] == ["ASHA10"]


def test_what_was_decided_cannot_be_rewritten(owner: User) -> None:
    decide(owner, apply(), state=REJECTED)
    step = AffiliateStep.objects.first()
    assert step is not None and step.taken_by == owner
    with pytest.raises(DatabaseError), transaction.atomic():
        AffiliateStep.objects.update(reason="Something else.")
    with pytest.raises(DatabaseError), transaction.atomic():
        step.delete()


@pytest.mark.performance
def test_deciding_takes_the_same_number_of_queries_for_few_and_many(
    owner: User, django_assert_num_queries: Any
) -> None:
    ApplicationPolicy.objects.create(plan=make_plan())
    default_target()
    few = [apply(make_customer(name=f"Few{index}")) for index in range(2)]
    many = [apply(make_customer(name=f"Many{index}")) for index in range(20)]
    with CaptureQueriesContext(connection) as for_few:
        decide(owner, *few, state=APPROVED)
    with django_assert_num_queries(len(for_few)):
        decide(owner, *many, state=APPROVED)


# --- invitations and staff ----------------------------------------------------------------------


def test_who_is_invited_earns_before_they_answer_and_accepts_the_terms(owner: User) -> None:
    plan = make_plan()
    affiliate = register_affiliate(
        name="Asha Rao", phone="+447700900123", plan=plan, acting_user=owner, state=INVITED
    )
    settle_commissions(purchase_ids=[make_sale(codes=("ASHA",), occurred_at=FUTURE).pk])
    assert affiliate.entries.get().amount == 100
    answer_affiliate_invitation(affiliate=affiliate, accepts=True, agreed_to="The terms.")
    affiliate.refresh_from_db()
    assert (affiliate.state, affiliate.agreed_to) == ("approved", "The terms.")
    with pytest.raises(NotInvitedError):
        answer_affiliate_invitation(affiliate=affiliate, accepts=False)
    affiliate.refresh_from_db()
    assert affiliate.state == "approved"


def test_who_declines_earns_no_more(owner: User) -> None:
    affiliate = register_affiliate(
        name="Asha", phone="+447700900123", plan=make_plan(), acting_user=owner, state=INVITED
    )
    answer_affiliate_invitation(affiliate=affiliate, accepts=False)
    settle_commissions(purchase_ids=[make_sale(codes=("ASHA",), occurred_at=FUTURE).pk])
    assert not affiliate.entries.exists()


def test_staff_make_the_customer_who_signs_in(owner: User) -> None:
    affiliate = register_affiliate(name="Asha", phone="+44 7700 900123", acting_user=owner)
    assert affiliate.customer is not None
    assert find_customer_by_contact("+447700900123") == affiliate.customer
    assert (affiliate.state, affiliate.decided_by) == ("approved", owner)


def test_staff_find_the_customer_by_phone_or_else_by_address(owner: User) -> None:
    by_phone = register_customer(name="Asha", phone="+447700900123", source="test")
    by_mail = register_customer(name="Ravi", email="ravi@example.com", source="test")
    first = register_affiliate(
        name="Asha", phone="+447700900123", email="other@example.com", acting_user=owner
    )
    second = register_affiliate(
        name="Ravi", phone="+447700900124", email="Ravi@Example.com", acting_user=owner
    )
    assert (first.customer, second.customer) == (by_phone, by_mail)
    assert Customer.objects.count() == 2
    with pytest.raises(AlreadyAffiliateError):
        register_affiliate(name="Again", phone="+447700900123", acting_user=owner)
    assert Affiliate.objects.count() == 2


def test_a_taken_code_takes_nobody_up(owner: User) -> None:
    make_enrolment(code="TAKEN1")
    with pytest.raises(CodeTakenError):
        register_affiliate(
            name="Ravi",
            phone="+447700900125",
            plan=make_plan(),
            code="taken1",
            acting_user=owner,
        )
    assert not Affiliate.objects.filter(name="Ravi").exists()
    assert not Customer.objects.exists()


# --- plans and codes ----------------------------------------------------------------------------


def test_an_ended_enrolment_earns_nothing_takes_no_code_and_can_come_back() -> None:
    enrolment = make_enrolment(code="ASHA10")
    end_enrolment(enrolment=enrolment)
    settle_commissions(purchase_ids=[make_sale(codes=("ASHA10",)).pk])
    assert not enrolment.entries.exists()
    with pytest.raises(Exception, match="no longer on the plan"):
        add_code(enrolment=enrolment, text="ASHA20")
    assert Code.objects.count() == 1
    again = enrol_affiliate(affiliate=enrolment.affiliate, plan=enrolment.plan)
    assert (again.pk, again.state) == (enrolment.pk, Enrolment.State.ACTIVE)
    settle_commissions(purchase_ids=[make_sale(codes=("ASHA10",)).pk])
    assert enrolment.entries.count() == 1


def test_names_without_latin_letters_get_a_code_as_well() -> None:
    affiliate = make_enrolment(code="X99", name="आशा").affiliate
    enrolment = enrol_affiliate(affiliate=affiliate, plan=make_plan(name="Other"))
    assert enrolment.codes.get().text == "FRIEND"


def test_a_profile_changes_and_a_bad_one_does_not() -> None:
    affiliate = make_enrolment().affiliate
    change_profile(affiliate=affiliate, name=" Asha  R. ", website="asha.example", about="Hi")
    affiliate.refresh_from_db()
    assert (affiliate.name, affiliate.website) == ("Asha R.", "https://asha.example")
    with pytest.raises(InvalidApplicationError):
        change_profile(affiliate=affiliate, name=" ", website="", about="")
    affiliate.refresh_from_db()
    assert affiliate.name == "Asha R."


# --- recruiting ---------------------------------------------------------------------------------


def test_who_comes_by_a_code_belongs_to_its_affiliate() -> None:
    recruiter = make_enrolment(code="ASHA10").affiliate
    assert find_recruiter("asha10") == recruiter
    assert apply(recruiter=recruiter).parent == recruiter


@pytest.mark.parametrize("state", ["applied", "rejected", "suspended"])
def test_only_who_earns_recruits(state: str) -> None:
    make_enrolment(code="ASHA10", state=state)
    assert find_recruiter("ASHA10") is None
    assert find_recruiter("NOBODY") is None


def test_a_recruiter_is_set_once_and_never_in_a_circle(owner: User) -> None:
    asha, ravi, meera = (
        make_enrolment(code=code).affiliate for code in ("ASHA10", "RAVI5", "MEERA1")
    )
    set_recruiter(affiliate=ravi, recruiter=asha)
    set_recruiter(affiliate=ravi, recruiter=asha)
    set_recruiter(affiliate=meera, recruiter=ravi)
    for affiliate, recruiter, reason in (
        (ravi, meera, "by somebody else already"),
        (asha, meera, "it would be a circle"),
        (asha, asha, "Nobody recruits themselves"),
    ):
        with pytest.raises(RecruiterRefusedError, match=reason):
            set_recruiter(affiliate=affiliate, recruiter=recruiter)
    asha.refresh_from_db()
    assert asha.parent is None
    assert list(Affiliate.objects.filter(parent=asha)) == [ravi]


def test_an_application_by_a_link_that_would_be_a_circle_goes_on_without(owner: User) -> None:
    customer = make_customer()
    affiliate = apply(customer)
    decide(owner, affiliate, state=REJECTED, now=NOW)
    child = make_enrolment(code="RAVI5", parent=affiliate).affiliate
    again = apply(customer, recruiter=child, now=NOW + timedelta(days=60))
    assert (again.state, again.parent) == ("applied", None)
