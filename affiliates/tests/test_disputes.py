from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from affiliates.errors import (
    AlreadyDisputedError,
    DisputeAnsweredError,
    DisputeEmptyError,
    DisputeNotFoundError,
    OwnCommissionError,
    ReasonMissingError,
    TooManyDisputesError,
)
from affiliates.events import DisputeAnswered, DisputeOpened
from affiliates.models import Affiliate, AffiliateDevice, CommissionEntry, Dispute
from affiliates.services import answer_dispute, open_dispute, settle_commissions
from affiliates.tests.factories import lenient, make_enrolment, make_sale
from customers import portal
from customers.models import Customer
from customers.services import register_customer
from loyalty_site.outbox.models import Delivery
from loyalty_site.outbox.services import subscribe
from loyalty_site.staff.models import User
from tests.support.threads import run_together

PAGE = "/affiliate/disputes/"


def make_affiliate(code: str = "ASHA10", **fields: Any) -> Affiliate:
    customer = register_customer(name="Asha Rao", source="test")
    return make_enrolment(code=code, customer=customer, **fields).affiliate


def earn(code: str = "ASHA10") -> CommissionEntry:
    [entry] = settle_commissions(purchase_ids=[make_sale(codes=(code,)).pk])
    return entry


@pytest.fixture
def asha(db: None) -> Affiliate:
    return make_affiliate()


@pytest.fixture
def staff(owner: User, client: Client) -> Client:
    client.force_login(owner)
    return client


def sign_in(client: Client, customer: Customer | None) -> Client:
    assert customer is not None
    session = client.session
    session["portal_customer"] = str(customer.public_id)
    session["portal_stamp"] = portal._stamp(customer)
    session.save()
    return client


def test_a_question_names_a_commission_and_is_told(asha: Affiliate) -> None:
    subscribe(lambda events: None, DisputeOpened, name="tests.opened")
    entry = earn()
    dispute = open_dispute(affiliate=asha, text=" It is too little. ", entry_id=entry.pk)
    assert entry.conversion is not None
    assert (dispute.text, dispute.state) == ("It is too little.", Dispute.State.OPEN)
    assert dispute.bill_number == entry.conversion.purchase.number
    [delivery] = Delivery.objects.filter(handler="tests.opened")
    event = DisputeOpened.from_payload(delivery.payload)
    assert (event.dispute_id, event.affiliate_id) == (dispute.pk, asha.pk)


def test_questions_that_make_no_sense_are_refused(asha: Affiliate) -> None:
    wrongs: list[dict[str, Any]] = [
        {"text": "", "bill_number": "INV-1"},
        {"text": "Where is it?", "bill_number": " "},
        {"text": "x" * 1001, "bill_number": "INV-1"},
        {"text": "Where is it?", "bill_number": "x" * 61},
    ]
    for wrong in wrongs:
        with pytest.raises(DisputeEmptyError):
            open_dispute(affiliate=asha, **wrong)
    assert not Dispute.objects.exists()


@pytest.mark.security
def test_nobody_asks_about_somebody_elses_commission(asha: Affiliate) -> None:
    make_affiliate(code="RAVI5")
    entry = earn("RAVI5")
    with pytest.raises(DisputeNotFoundError):
        open_dispute(affiliate=asha, text="Mine!", entry_id=entry.pk)
    assert not Dispute.objects.exists()


def test_the_same_is_asked_once_at_a_time(asha: Affiliate, owner: User) -> None:
    first = open_dispute(affiliate=asha, text="Where is it?", bill_number="INV-1")
    with pytest.raises(AlreadyDisputedError):
        open_dispute(affiliate=asha, text="Well?", bill_number="INV-1")
    answer_dispute(
        dispute=first, state=Dispute.State.DECLINED, answer="No code on it.", acting_user=owner
    )
    open_dispute(affiliate=asha, text="But!", bill_number="INV-1")
    assert Dispute.objects.count() == 2


@pytest.mark.security
def test_so_many_questions_wait_and_no_more(asha: Affiliate) -> None:
    lenient(open_disputes=2)
    for number in range(2):
        open_dispute(affiliate=asha, text="Where is it?", bill_number=f"INV-{number}")
    with pytest.raises(TooManyDisputesError):
        open_dispute(affiliate=asha, text="Where is it?", bill_number="INV-9")
    assert Dispute.objects.count() == 2


def test_an_answer_is_given_once_with_words_and_is_told(asha: Affiliate, owner: User) -> None:
    subscribe(lambda events: None, DisputeAnswered, name="tests.answered")
    dispute = open_dispute(affiliate=asha, text="Where is it?", bill_number="INV-1")
    accept: dict[str, Any] = {
        "dispute": dispute,
        "state": Dispute.State.ACCEPTED,
        "acting_user": owner,
    }
    with pytest.raises(ReasonMissingError):
        answer_dispute(answer=" ", **accept)
    answer_dispute(answer="You are right.", **accept)
    with pytest.raises(DisputeAnsweredError):
        answer_dispute(answer="Again.", **accept)
    dispute.refresh_from_db()
    assert (dispute.state, dispute.answer) == (Dispute.State.ACCEPTED, "You are right.")
    assert dispute.answered_by == owner
    [delivery] = Delivery.objects.filter(handler="tests.answered")
    assert DisputeAnswered.from_payload(delivery.payload).customer_id == asha.customer_id


@pytest.mark.security
def test_nobody_answers_the_own_question(owner: User) -> None:
    affiliate = make_affiliate(email="owner@example.com")
    dispute = open_dispute(affiliate=affiliate, text="Where is it?", bill_number="INV-1")
    with pytest.raises(OwnCommissionError):
        answer_dispute(
            dispute=dispute, state=Dispute.State.ACCEPTED, answer="Yes.", acting_user=owner
        )
    dispute.refresh_from_db()
    assert dispute.state == Dispute.State.OPEN


def test_an_affiliate_asks_in_the_portal_and_reads_the_answer(
    asha: Affiliate, client: Client, owner: User
) -> None:
    sign_in(client, asha.customer)
    entry = earn()
    text = client.get("/affiliate/").content.decode()
    assert f"{PAGE}?entry={entry.pk}" in text
    assert "₹100.00" in client.get(f"{PAGE}?entry={entry.pk}").content.decode()
    answer = client.post(PAGE, {"entry": entry.pk, "text": "It is too little."}, follow=True)
    assert "The shop has your question" in answer.content.decode()
    again = client.post(PAGE, {"entry": entry.pk, "text": "It is too little."})
    assert again.status_code == 422
    assert "You asked about this bill already" in again.content.decode()
    answer_dispute(
        dispute=Dispute.objects.get(),
        state=Dispute.State.DECLINED,
        answer="Goods came back.",
        acting_user=owner,
    )
    assert "Goods came back." in client.get(PAGE).content.decode()


@pytest.mark.security
def test_the_portal_shows_nobody_elses_commissions_or_questions(
    asha: Affiliate, client: Client
) -> None:
    other = make_affiliate(code="RAVI5")
    entry = earn("RAVI5")
    open_dispute(affiliate=other, text="A secret of Ravi", entry_id=entry.pk)
    sign_in(client, asha.customer)
    text = client.get(f"{PAGE}?entry={entry.pk}").content.decode()
    assert "₹100.00" not in text and "A secret of Ravi" not in text
    assert client.post(PAGE, {"entry": entry.pk, "text": "Mine!"}).status_code == 422
    assert Dispute.objects.count() == 1


def test_who_is_no_affiliate_is_sent_to_the_invitation(db: None, client: Client) -> None:
    sign_in(client, register_customer(name="Bina", source="test"))
    assert client.get(PAGE)["Location"] == "/affiliate/"
    assert Client().get(PAGE)["Location"].startswith("/sign-in/")


@pytest.mark.security
def test_using_the_portal_tells_which_browser_is_the_affiliates(
    asha: Affiliate, client: Client
) -> None:
    sign_in(client, asha.customer)
    for _ in range(2):
        client.get("/affiliate/", headers={"user-agent": "Phone"})
    client.get(PAGE, headers={"user-agent": "Laptop"})
    assert AffiliateDevice.objects.filter(affiliate=asha).count() == 2


def test_staff_answer_in_the_back_office(asha: Affiliate, staff: Client) -> None:
    dispute = open_dispute(affiliate=asha, text="It is too little.", entry_id=earn().pk)
    assert (
        "It is too little."
        in staff.get(reverse("admin:affiliates_dispute_changelist")).content.decode()
    )
    change = reverse("admin:affiliates_dispute_change", args=[dispute.pk])
    assert staff.get(change).status_code == 200
    page = reverse("admin:affiliates_dispute_answer_this", args=[dispute.pk])
    assert "The bill, and who might have brought it" in staff.get(page).content.decode()
    assert staff.post(page, {"state": "accepted", "answer": ""}).status_code == 200
    assert staff.post(page, {"state": "accepted", "answer": "Yes."}).status_code == 302
    dispute.refresh_from_db()
    assert (dispute.state, dispute.answer) == (Dispute.State.ACCEPTED, "Yes.")
    assert "Accepted: Yes." in staff.get(page).content.decode()


@pytest.mark.security
def test_only_who_may_answer_answers(asha: Affiliate, client: Client) -> None:
    dispute = open_dispute(affiliate=asha, text="Where is it?", bill_number="INV-1")
    user = User.objects.create_user("analyst@example.com", "a long password", is_staff=True)
    user.groups.add(Group.objects.get(name="analyst"))
    client.force_login(user)
    page = reverse("admin:affiliates_dispute_answer_this", args=[dispute.pk])
    assert client.post(page, {"state": "accepted", "answer": "Yes."}).status_code == 403
    dispute.refresh_from_db()
    assert dispute.state == Dispute.State.OPEN


@pytest.mark.django_db(transaction=True)
@pytest.mark.integration
@pytest.mark.needs_postgresql
def test_questions_at_once_stay_within_the_limit() -> None:
    lenient(open_disputes=3)
    affiliate = make_affiliate()
    jobs: list[Any] = [
        lambda number=number: open_dispute(
            affiliate=affiliate, text="Where is it?", bill_number=f"INV-{number}"
        )
        for number in range(12)
    ]
    answers = run_together(jobs)
    assert sum(isinstance(answer, Dispute) for answer in answers) == 3
    assert sum(isinstance(answer, TooManyDisputesError) for answer in answers) == 9
    assert Dispute.objects.count() == 3
