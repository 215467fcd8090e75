"""Payouts in the portal and in the back office."""

import csv
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from affiliates.engine import Method
from affiliates.models import Payout, PayoutBatch, PayoutDetails, PayoutPolicy, PayoutStep
from affiliates.selectors import current_details, verify_commissions
from affiliates.services import mark_paid
from affiliates.tests.factories import make_customer, make_enrolment
from affiliates.tests.payouts import (
    NOW,
    approved,
    checker,
    give_details,
    made,
    make_entry,
    make_payee,
    maker,
    sent,
    set_policy,
    ship_rates,
)
from affiliates.tests.test_portal import signed_in
from loyalty_site.staff.models import User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_user

pytestmark = pytest.mark.django_db
PAYOUTS, DETAILS = "/affiliate/payouts/", "/affiliate/payout-details/"
GIVEN = {
    "method": "bank",
    "holder": "Asha Rao",
    "account": "001122334455",
    "bank_code": "SBIN0001234",
    "tax_id": "",
}


def staff(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:affiliates_{name}", args=args)


def step(batch: PayoutBatch, name: str) -> str:
    return page("payoutbatch_step", batch.pk, name)


# --- portal -------------------------------------------------------------------------------------


def test_the_affiliate_sees_the_next_payout_where_it_goes_and_the_earlier_ones() -> None:
    payee = make_payee("100.00")
    mark_paid(batch=sent(), acting_user=maker(), now=NOW)
    make_entry(payee, "25.50")
    client = signed_in(Client(), payee.affiliate.customer)  # type: ignore[arg-type]
    text = client.get(PAYOUTS).content.decode()
    payout = payee.affiliate.payouts.get()
    assert "₹25.50" in text and "₹100.00" in text and payout.reference in text
    account = current_details(payee.affiliate).account  # type: ignore[union-attr]
    assert f"…{account[-4:]}" in text and account not in text
    detail = client.get(f"{PAYOUTS}{payout.pk}/").content.decode()
    assert "₹100.00" in detail and "Granted by hand: test" in detail


def test_waiting_money_says_why() -> None:
    set_policy(minimum=Decimal(100))
    payee = make_payee("99.00")
    client = signed_in(Client(), payee.affiliate.customer)  # type: ignore[arg-type]
    assert "Less than ₹100.00 waits for the next payout." in client.get(PAYOUTS).content.decode()


def test_nobody_sees_anothers_payout_or_statement() -> None:
    make_payee("100.00")
    payout = made().payouts.get()
    stranger = make_enrolment(code="RAVI5", customer=make_customer()).affiliate
    for client in (
        signed_in(Client(), stranger.customer),  # type: ignore[arg-type]
        signed_in(Client(), make_customer()),
    ):
        for url in (f"{PAYOUTS}{payout.pk}/", f"{PAYOUTS}{payout.pk}/statement.pdf"):
            assert client.get(url).status_code == 404


def test_statements_are_a_pdf_and_a_table_of_the_same_figures() -> None:
    payee = make_payee("100.00", "-14.70", name="आशा क्षत्रिय")
    mark_paid(batch=sent(), acting_user=maker(), now=NOW)
    payout = payee.affiliate.payouts.get()
    client = signed_in(Client(), payee.affiliate.customer)  # type: ignore[arg-type]
    pdf = client.get(f"{PAYOUTS}{payout.pk}/statement.pdf")
    assert pdf["Content-Type"] == "application/pdf" and pdf.content.startswith(b"%PDF-")
    assert pdf.content == client.get(f"{PAYOUTS}{payout.pk}/statement.pdf").content
    table = client.get(f"{PAYOUTS}{payout.pk}/statement.csv").content.decode()
    rows = [(row["What"], row["Amount (INR)"]) for row in csv.DictReader(table.splitlines())]
    assert rows == [
        ("Granted by hand: test", "100.00"),
        ("Granted by hand: test", "-14.70"),
        ("Commission", "85.30"),
        ("Paid out", "85.30"),
    ]
    assert client.get(f"{PAYOUTS}{payout.pk}/statement.exe").status_code == 404


def test_a_months_statement_leads_from_balance_to_balance() -> None:
    with time_machine.travel(NOW - timedelta(days=31), tick=False):  # 1 May
        payee = make_payee("100.00")
    with time_machine.travel(NOW + timedelta(days=4), tick=False):  # 5 June
        mark_paid(batch=sent(now=timezone.now()), acting_user=maker())
        make_entry(payee, "-20.00")
        client = signed_in(Client(), payee.affiliate.customer)  # type: ignore[arg-type]
        table = client.get("/affiliate/statements/2026-6.csv").content.decode()
        rows = list(csv.reader(table.splitlines()))[1:]
        reference = payee.affiliate.payouts.get().reference
        assert rows == [
            ["2026-06-05", "Granted by hand: test", "-20.00"],
            ["2026-06-05", f"Payout {reference}", "-100.00"],
            ["", "Balance before", "100.00"],
            ["", "Commission", "-20.00"],
            ["", "Paid out, with tax withheld", "-100.00"],
            ["", "Balance after", "-20.00"],
        ]
        assert client.get("/affiliate/statements/2026-5.pdf").content.startswith(b"%PDF-")
        for wrong in ("2026-13", "1999-1", "2099-1"):
            assert client.get(f"/affiliate/statements/{wrong}.pdf").status_code == 404
        assert "/affiliate/statements/2026-5.pdf" in client.get(PAYOUTS).content.decode()


def test_the_affiliate_says_where_the_money_goes_and_hears_of_the_wait() -> None:
    affiliate = make_enrolment(code="ASHA10", customer=make_customer()).affiliate
    client = signed_in(Client(), affiliate.customer)  # type: ignore[arg-type]
    wrong = client.post(DETAILS, {**GIVEN, "account": "12"})
    assert wrong.status_code == 422 and "6 to 34 digits" in wrong.content.decode()
    answer = client.post(DETAILS, GIVEN, follow=True)
    assert "For your safety they are used from" in answer.content.decode()
    details = PayoutDetails.objects.get()
    assert details.given_by is None and details.account == "001122334455"
    assert "001122334455" not in client.get(DETAILS).content.decode()


@pytest.mark.security
def test_an_old_session_signs_in_again_before_it_changes_where_money_goes() -> None:
    affiliate = make_enrolment(code="ASHA10", customer=make_customer()).affiliate
    client = signed_in(Client(), affiliate.customer)  # type: ignore[arg-type]
    with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=False):
        assert b"Sign in again" in client.get(DETAILS).content
        answer = client.post(DETAILS, GIVEN)
        assert answer["Location"] == "/sign-in/?next=%2Faffiliate%2Fpayout-details%2F"
        assert not PayoutDetails.objects.exists()
        assert client.get(PAYOUTS).status_code == 302  # signed out


# --- back office --------------------------------------------------------------------------------


def test_every_page_shows() -> None:
    ship_rates()
    set_policy(withholds_tax=True)
    make_payee("10.00")
    batch = sent()
    client = staff(make_user())
    for name, pk in (
        ("payoutbatch", batch.pk),
        ("payout", batch.payouts.get().pk),
        ("payoutdetails", PayoutDetails.objects.get().pk),
        ("payoutpolicy", PayoutPolicy.objects.get().pk),
    ):
        assert client.get(page(f"{name}_changelist"), follow=True).status_code == 200, name
        assert client.get(page(f"{name}_change", pk)).status_code == 200, name
    assert client.get(page("withholdingrate_changelist")).status_code == 200
    assert client.get(page("withholdingrate_add")).status_code == 200
    assert client.get(page("payoutbatch_single", batch.pk)).status_code == 200
    statement = client.get(page("payout_statement", batch.payouts.get().pk, "pdf"))
    assert statement.content.startswith(b"%PDF-")


def test_the_wizard_shows_who_gets_what_and_who_waits_then_makes_the_batch() -> None:
    first = make_payee("10.00", name="Asha Rao")
    second = make_payee("20.00", name="Ravi Das")
    fresh = make_payee("30.00", name="Mina Shah")
    give_details(fresh.affiliate, account="999888777666", now=timezone.now())
    client = staff(maker())
    text = client.get(page("payoutbatch_new")).content.decode()
    assert "₹30.00" in text and "to 2 people" in text and "1 waits" in text
    text = client.get(page("payoutbatch_new"), {"method": "bank"}).content.decode()
    assert text.index("Asha Rao") < text.index("Who waits, and why") < text.index("Mina Shah")
    assert "The payout details are new" in text
    answer = client.post(
        page("payoutbatch_new"), {"method": "bank", "leave_out": [second.affiliate_id]}
    )
    batch = PayoutBatch.objects.get()
    assert answer["Location"] == page("payoutbatch_change", batch.pk)
    assert batch.made_by == maker()
    assert [one.affiliate_id for one in batch.payouts.all()] == [first.affiliate_id]


def test_a_batch_goes_through_the_pages_of_two_people() -> None:
    make_payee("10.00")
    batch = made()
    one, other = staff(maker()), staff(checker())
    one.post(step(batch, "submit"))
    assert "Approve ₹" not in one.get(page("payoutbatch_change", batch.pk)).content.decode()
    text = other.get(page("payoutbatch_change", batch.pk)).content.decode()
    assert "Approve ₹10.00 to 1 person" in text
    refused = one.post(step(batch, "approve"), follow=True)
    assert "cannot approve it" in refused.content.decode()
    other.post(step(batch, "approve"))
    file = one.post(step(batch, "file"))
    assert file["Content-Disposition"] == f'attachment; filename="payouts-{batch.pk}-bank.csv"'
    assert one.post(step(batch, "file")).content == file.content
    one.post(step(batch, "paid"))
    batch.refresh_from_db()
    assert batch.state == PayoutBatch.State.PAID
    text = one.get(page("payoutbatch_change", batch.pk)).content.decode()
    for done in ("Made", "Sent for approval", "Approved", "File made", "File fetched again"):
        assert done in text
    assert not verify_commissions(now=NOW)


def test_points_are_credited_from_the_page() -> None:
    make_payee("10.00", method=Method.POINTS)
    batch = approved(Method.POINTS)
    answer = staff(maker()).post(step(batch, "file"), follow=True)
    assert "The points are credited." in answer.content.decode()


def test_giving_a_batch_up_needs_a_reason() -> None:
    make_payee("10.00")
    batch = made()
    client = staff(maker())
    assert b"Say why" in client.post(step(batch, "cancel"), follow=True).content
    batch.refresh_from_db()
    assert batch.state == PayoutBatch.State.DRAFT
    client.post(step(batch, "cancel"), {"reason": "wrong month"})
    batch.refresh_from_db()
    assert (batch.state, batch.reason) == (PayoutBatch.State.CANCELLED, "wrong month")


def test_single_payouts_are_marked_on_their_page() -> None:
    for amount in ("10.00", "20.00", "30.00"):
        make_payee(amount)
    batch = sent()
    url = page("payoutbatch_single", batch.pk)
    client = staff(maker())
    first, second, _third = batch.payouts.order_by("pk")
    client.post(url, {"payout": [first.pk], "paid": "1"})
    assert client.post(url, {"payout": [second.pk], "take_out": "1"}).status_code == 200
    client.post(url, {"payout": [second.pk], "take_out": "1", "reason": "No such account"})
    assert list(batch.payouts.order_by("pk").values_list("state", flat=True)) == [
        "paid",
        "failed",
        "open",
    ]
    gone = client.post(
        url, {"payout": [first.pk], "take_out": "1", "reason": "x"}, follow=True
    ).content.decode()
    assert "already; nothing was changed" in gone


@pytest.mark.security
@pytest.mark.parametrize("name", ["submit", "approve", "file", "paid", "cancel"])
def test_who_may_not_pay_takes_no_step(name: str) -> None:
    make_payee("10.00")
    batch = made()
    for role in (Role.SUPPORT, Role.MARKETER, Role.ANALYST):
        client = staff(make_user(roles=[role]))
        assert client.post(step(batch, name), {"reason": "x"}).status_code == 403
        assert client.get(page("payoutbatch_new")).status_code == 403
        assert client.post(page("payoutbatch_single", batch.pk)).status_code == 403
    batch.refresh_from_db()
    assert batch.state == PayoutBatch.State.DRAFT
    assert PayoutStep.objects.count() == 1


def test_steps_are_taken_by_post_only() -> None:
    make_payee("10.00")
    batch = made()
    assert staff(maker()).get(step(batch, "submit")).status_code == 405
    assert staff(maker()).post(step(batch, "dance")).status_code == 404
    batch.refresh_from_db()
    assert batch.state == PayoutBatch.State.DRAFT


@pytest.mark.security
def test_account_numbers_are_whole_only_for_those_who_may() -> None:
    make_payee("10.00", tax_id="ABCDE1234F")
    details = PayoutDetails.objects.get()
    url = page("payoutdetails_change", details.pk)
    for role, is_whole in ((Role.FINANCE, True), (Role.SUPPORT, False), (Role.ANALYST, False)):
        text = staff(make_user(roles=[role])).get(url).content.decode()
        assert (details.account in text, "ABCDE1234F" in text) == (is_whole, is_whole), role
        assert details.masked_account in text or is_whole


def test_staff_give_details_for_an_affiliate() -> None:
    affiliate = make_enrolment(code="ASHA10").affiliate
    client = staff(maker())
    given = {**GIVEN, "affiliate": affiliate.pk}
    wrong = client.post(page("payoutdetails_add"), {**given, "bank_code": "X"})
    assert "An IFSC has four letters" in wrong.content.decode()
    wrong = client.post(page("payoutdetails_add"), {**given, "method": "points"})
    assert "who is a customer can be paid in points" in wrong.content.decode()
    assert not PayoutDetails.objects.exists()
    client.post(page("payoutdetails_add"), given)
    assert PayoutDetails.objects.get().given_by == maker()
    support = staff(make_user(roles=[Role.SUPPORT]))
    assert support.get(page("payoutdetails_add")).status_code == 403


def test_a_batch_page_costs_few_queries_however_many_payouts(
    django_assert_max_num_queries: Any,
) -> None:
    for _ in range(30):
        make_payee("10.00")
    batch = made()
    client = staff(make_user())
    with django_assert_max_num_queries(25):
        client.get(page("payoutbatch_change", batch.pk))
    with django_assert_max_num_queries(15):
        client.get(page("payoutbatch_new"), {"method": "bank"})
    assert Payout.objects.count() == 30
