"""Payouts for integrators."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from affiliates.models import Payout, PayoutBatch, PayoutDetails
from affiliates.selectors import verify_commissions
from affiliates.tests.factories import make_enrolment
from affiliates.tests.payouts import NOW, checker, make_payee, maker, payout_ids, sent
from loyalty_site.staff.tests.factories import make_client

pytestmark = pytest.mark.django_db
BATCHES = "/api/v1/affiliates/payout-batches/"
PAYOUTS = "/api/v1/affiliates/payouts/"


@pytest.fixture
def one(db: None) -> APIClient:
    return make_client(user=maker())


@pytest.fixture
def other(db: None) -> APIClient:
    return make_client(user=checker())


def test_a_batch_goes_from_due_to_paid_by_two_callers(one: APIClient, other: APIClient) -> None:
    payee = make_payee("100.00")
    left_out = make_payee("50.00")
    made = one.post(BATCHES, {"method": "bank", "leave_out": [left_out.affiliate_id]})
    assert made.status_code == 201
    body = made.json()
    assert (body["state"], body["payouts"], body["net"]) == ("draft", 1, "100.00")
    url = f"{BATCHES}{body['id']}/"
    assert one.post(f"{url}submit/").json()["state"] == "submitted"
    refused = one.post(f"{url}approve/")
    assert (refused.status_code, refused.json()["code"]) == (409, "same_maker")
    assert other.post(f"{url}approve/").json()["state"] == "approved"
    file = one.post(f"{url}file/").json()
    assert file["content"].splitlines()[1].startswith(f"AP{body['id']}X{payee.affiliate_id},")
    assert one.post(f"{url}file/").json() == file
    assert one.post(f"{url}paid/").json()["state"] == "paid"
    [row] = one.get(PAYOUTS, {"affiliate_id": payee.affiliate_id}).json()["results"]
    assert (row["state"], row["net"], row["account"]) == (
        "paid",
        "100.00",
        f"…{payee.affiliate_id:04}",
    )
    assert one.get(PAYOUTS, {"state": "open"}).json()["results"] == []
    assert [item["id"] for item in one.get(BATCHES).json()["results"]] == [body["id"]]
    assert one.get(url).json()["approved_by_id"] == checker().pk
    assert not verify_commissions(now=NOW)


def test_repeating_a_key_makes_one_batch(one: APIClient) -> None:
    make_payee("100.00")
    answers = [
        one.post(BATCHES, {"method": "bank"}, headers={"Idempotency-Key": "june"}) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[1]["Idempotency-Replayed"] == "true"
    assert PayoutBatch.objects.count() == 1


def test_payments_are_named_once_and_known(one: APIClient) -> None:
    make_payee("10.00")
    make_payee("20.00")
    batch = sent()
    first, second = payout_ids(batch)
    url = f"{BATCHES}{batch.pk}/"
    twice = one.post(f"{url}paid/", {"payouts": [first, first]})
    assert twice.status_code == 400 and "named twice" in str(twice.json())
    unknown = one.post(f"{url}paid/", {"payouts": [first, 10**9]})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "payout_not_found")
    assert not Payout.objects.exclude(state="open").exists()
    failed = one.post(f"{url}release/", {"payouts": [second], "reason": "No such account"})
    assert failed.json()["payouts"] == 1
    assert one.post(f"{url}paid/", {"payouts": [first]}).json()["state"] == "paid"
    paid = one.post(f"{url}release/", {"payouts": [first], "reason": "x"})
    assert (paid.status_code, paid.json()["code"]) == (409, "payout_state")


def test_refusals_are_clear(one: APIClient) -> None:
    nothing = one.post(BATCHES, {"method": "bank"})
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_to_pay")
    assert one.post(BATCHES, {"method": "gold"}).status_code == 400
    assert one.post(BATCHES, {"method": "bank", "all": True}).status_code == 400
    assert one.get(f"{BATCHES}1/").json()["code"] == "payout_batch_not_found"
    make_payee("10.00")
    batch = one.post(BATCHES, {"method": "bank"}).json()
    wrong = one.post(f"{BATCHES}{batch['id']}/file/")
    assert (wrong.status_code, wrong.json()["code"]) == (409, "batch_state")
    assert one.post(f"{BATCHES}{batch['id']}/cancel/", {}).status_code == 400
    done = one.post(f"{BATCHES}{batch['id']}/cancel/", {"reason": "wrong month"}).json()
    assert (done["state"], done["payouts"]) == ("cancelled", 0)


def test_details_are_given_and_shown_masked(one: APIClient) -> None:
    affiliate = make_enrolment(code="ASHA10").affiliate
    url = f"/api/v1/affiliates/{affiliate.pk}/payout-details/"
    assert one.get(url).status_code == 204
    given: dict[str, Any] = {"method": "upi", "holder": "Asha", "account": "asha@okbank"}
    answer = one.post(url, given)
    assert (answer.status_code, answer.json()["account"]) == (201, "as…@okbank")
    assert one.get(url).json() == answer.json()
    wrong = one.post(url, {**given, "account": "asha"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_payout_details")
    assert wrong.json()["errors"][0]["field"] == "account"
    assert PayoutDetails.objects.get().given_by == maker()
    assert one.get("/api/v1/affiliates/999999/payout-details/").status_code == 404
