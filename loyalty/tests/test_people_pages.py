"""Merges, claims, transfers, households and friends: API, portal and back office."""

import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import Customer, CustomerMerge, Purchase
from customers.tests.factories import make_customer, make_line_state, make_purchase_state
from customers.tests.test_admin import office
from loyalty.models import Account, HouseholdMember, PeopleTerms, PointsTransfer, Referral
from loyalty.services import (
    answer_invitation,
    invite_to_household,
    merge_customers,
    open_household,
    record_referral,
    referral_code_of,
    settle_purchases,
    transfer_points,
)
from loyalty.tests.factories import make_account, make_program, make_rule
from loyalty.tests.test_portal import sign_in
from loyalty_site.outbox.models import Delivery
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_client, make_user

pytestmark = pytest.mark.django_db
API = "/api/v1/loyalty/"


def api(role: Role = Role.MANAGER) -> Any:
    return make_client(user=make_user(roles=[role]))


def post(path: str, body: dict[str, Any], *, role: Role = Role.MANAGER, status: int = 201) -> Any:
    answer = api(role).post(f"{API}{path}", body, format="json")
    assert answer.status_code == status, answer.content
    return answer.json()


def waiting_bill() -> Purchase:
    make_rule()
    line = make_line_state(net="100.00", tax=Decimal("18.00"))
    state = make_purchase_state(occurred_at=timezone.now(), lines=(line,))
    return settle_purchases(states=[state])[0].purchase


def receipt(bill: Purchase, **fields: Any) -> dict[str, Any]:
    return {
        "number": bill.number,
        "store": bill.store.code,
        "bought_on": timezone.localdate().isoformat(),
        "total": "118.00",
        **fields,
    }


def text(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status, answer.content.decode()[:2000]
    return str(answer.content.decode())


# --- the API ------------------------------------------------------------------------------------


def test_a_till_claims_a_bill() -> None:
    bill, asha = waiting_bill(), make_customer()
    body = {"customer_id": asha.pk, **receipt(bill)}
    answer = post("claims/", body, role=Role.CASHIER, status=200)
    assert (answer["points"], answer["balance"]) == (100, 100)
    assert post("claims/", body, status=200)["points_moved"] == 0
    wrong = post("claims/", {**body, "number": "x"}, status=404)
    assert wrong["code"] == "bill_not_found"
    other = {**body, "customer_id": make_customer().pk}
    assert post("claims/", other, status=409)["code"] == "bill_taken"


def test_customers_are_merged_and_separated() -> None:
    asha, twin = make_account(balance=100), make_account(balance=200)
    body = {"kept_id": asha.customer_id, "merged_id": twin.customer_id, "reason": "Same phone"}
    assert post("merges/", body, role=Role.SUPPORT, status=403)
    merge = post("merges/", body)
    gone = api().get(f"/api/v1/customers/{twin.customer_id}/")
    assert (gone.status_code, gone.json()["code"]) == (409, "customer_merged")
    assert post("merges/", body, status=409)["code"] == "customer_merged"
    assert post(f"merges/{merge['id']}/undo/", {}, status=200)["undone_at"]
    assert post(f"merges/{merge['id']}/undo/", {}, status=409)["code"] == "unmerge_refused"
    assert [one["id"] for one in api().get(f"{API}merges/").json()["results"]] == [merge["id"]]


def test_points_are_sent() -> None:
    asha, ravi = make_account(balance=100), make_account()
    body = {
        "from_customer_id": asha.customer_id,
        "to_customer_id": ravi.customer_id,
        "points": 40,
        "reference": "t-1",
    }
    client = api()
    first = client.post(f"{API}transfers/", body, format="json")
    again = client.post(f"{API}transfers/", body, format="json")
    assert first.json() == again.json() and first.status_code == 201
    assert post("transfers/", {**body, "points": 5000}, status=409)["code"] == "transfer_refused"
    listed = client.get(f"{API}transfers/", {"to_customer_id": ravi.customer_id}).json()
    assert [one["points"] for one in listed["results"]] == [40]


def test_a_household_is_run_through_the_api() -> None:
    asha, ravi = make_account(balance=30), make_account(balance=50)
    home = post("households/", {"customer_id": asha.customer_id, "name": "Patels"})
    place = post(f"households/{home['id']}/members/", {"customer_id": ravi.customer_id})
    body = {"customer_id": asha.customer_id, "points": 60, "reference": "r", "description": "Cup"}
    redeem = f"households/{home['id']}/redeem/"
    assert post(redeem, body, status=409)["code"] == "insufficient_points"
    client = api()
    member = f"{API}household-members/{place['id']}/"
    assert client.patch(member, {"state": "active"}, format="json").json()["state"] == "active"
    assert post(redeem, body)["points"] == -60
    assert client.patch(member, {"state": "left"}, format="json").json()["state"] == "left"
    assert post(redeem, {**body, "customer_id": ravi.customer_id}, status=404)
    shown = client.get(f"{API}households/{home['id']}/").json()
    assert [one["customer_id"] for one in shown["members"]] == [asha.customer_id]


def test_a_friend_is_written_down() -> None:
    make_program()
    asha, ravi = make_customer(), make_customer()
    code = post("referral-codes/", {"customer_id": asha.pk}, role=Role.CASHIER, status=200)
    assert code["path"] == f"/join/{code['code']}/"
    body = {"customer_id": ravi.pk, "code": code["code"]}
    assert post("referrals/", body)["state"] == "joined"
    own = post("referrals/", {**body, "customer_id": asha.pk})
    assert (own["state"], own["reason"]) == ("refused", "Nobody can bring themselves.")
    unknown = post("referrals/", {**body, "code": "NOBODYS"}, status=404)
    assert unknown["code"] == "referral_code_not_found"
    listed = api().get(f"{API}referrals/", {"referrer_id": asha.pk, "state": "joined"}).json()
    assert [one["friend_id"] for one in listed["results"]] == [ravi.pk]


def test_a_registration_carries_the_code() -> None:
    answer = api().post(
        "/api/v1/customers/", {"name": "Ravi", "referral_code": "abc"}, format="json"
    )
    assert answer.status_code == 201
    told = Delivery.objects.get(handler="loyalty.welcome_friends")
    assert told.payload["referral_code"] == "abc"


def test_a_bill_with_a_phone_waits_or_finds_its_customer() -> None:
    asha = make_customer(phone="+919876543210")
    make_rule()
    body = {
        "external_id": "1",
        "number": "1",
        "store": "S1",
        "occurred_at": "2026-06-15T06:30:00Z",
        "customer_phone": "98765 43210",
        "lines": [{"sku": "T", "quantity": "1", "gross": "10.00", "net": "10.00"}],
    }
    client = api(Role.INTEGRATOR)
    assert client.post("/api/v1/purchases/", body, format="json").json()["points"] == 10
    assert Purchase.objects.get().customer == asha


@pytest.mark.performance
@pytest.mark.parametrize("path", ["merges", "transfers", "households", "referrals"])
def test_long_lists_take_as_many_queries_as_short_ones(path: str) -> None:
    PeopleTerms.objects.create(
        program=make_program(), transfer_daily_count=99, referral_monthly_limit=99
    )
    client, counts = api(), []
    client.get(f"{API}{path}/")
    for size in (1, 12):
        for _ in range(size):
            _make_one(path)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"{API}{path}/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def _make_one(path: str) -> None:
    one, two = make_account(balance=20), make_account()
    if path == "merges":
        merge_customers(kept=one.customer, merged=two.customer, reason="Same")
    elif path == "transfers":
        transfer_points(sender=one, receiver=two, points=10, reference="t")
    elif path == "households":
        home = open_household(program=one.program, customer=one.customer, name="Us")
        invite_to_household(household=home, customer=two.customer)
    else:
        record_referral(friend=two.customer, code=referral_code_of(one.customer).code, source="t")


# --- the portal ---------------------------------------------------------------------------------


def test_a_customer_adds_a_forgotten_bill() -> None:
    bill, asha = waiting_bill(), make_customer()
    client = sign_in(asha)
    assert "Copy four things" in text(client.get("/card/add-bill/"))
    wrong = client.post("/card/add-bill/", receipt(bill, number="x"))
    assert "No unclaimed bill fits" in text(wrong, 422)
    right = client.post("/card/add-bill/", receipt(bill), follow=True)
    assert "It earned 100 points" in text(right)
    assert Account.objects.get(customer=asha).balance == 100


def test_sending_points_is_looked_at_and_then_happens_once() -> None:
    asha, ravi = make_account(balance=100), make_account()
    code = referral_code_of(ravi.customer).code
    client = sign_in(asha.customer)
    body = {"code": code.lower(), "points": "40", "note": "Thanks", "token": uuid.uuid4().hex}
    looked = text(client.post("/card/send/", body))
    assert "40 points to Asha" in looked and "You keep 60 points" in looked
    assert not PointsTransfer.objects.exists()
    for _ in range(2):
        client.post("/card/send/", {**body, "confirmed": "1"})
    assert PointsTransfer.objects.get().points == 40
    refused = client.post("/card/send/", {**body, "token": "new", "points": "61", "confirmed": "1"})
    assert "Not enough points" in text(refused, 422)
    nobody = client.post("/card/send/", {**body, "code": "NOBODYS"})
    assert "Nobody has this code" in text(nobody, 422)


def test_the_friends_page_shares_a_link_and_shows_each_state() -> None:
    make_program()
    asha, ravi = make_customer(), make_customer(name="Ravi Kumar")
    client = sign_in(asha)
    page = text(client.get("/friends/"))
    code = referral_code_of(asha).code
    assert "https://wa.me/?text=" in page and f"/join/{code}/" in page
    record_referral(friend=ravi, code=code, source="test")
    assert "waits for the first bill" in text(client.get("/friends/"))


def test_an_invited_friend_registers_and_gets_a_code() -> None:
    make_program()
    asha = make_customer(name="Asha Patel")
    code, client = referral_code_of(asha).code, Client()
    assert "Asha invites you" in text(client.get(f"/join/{code}/"))
    assert "not valid" in text(client.get("/join/WRONG/"), 404)
    body = {"name": "Ravi Kumar", "phone": "+919876543210", "agrees": "on"}
    answer = client.post(f"/join/{code}/", body)
    assert answer.status_code == 302 and answer["Location"] == "/sign-in/code/"
    ravi = Customer.objects.get(name="Ravi Kumar")
    assert ravi.consents.get().granted
    told = Delivery.objects.filter(handler="loyalty.welcome_friends").latest("pk")
    assert told.payload["referral_code"] == code
    again = Client().post(f"/join/{code}/", {**body, "phone": "+919876543211"})
    assert again.status_code == 302
    too_soon = Client().post(f"/join/{code}/", {**body, "name": "Other"})
    assert "Too many codes" in text(too_soon, 422)
    assert not Customer.objects.filter(name="Other").exists()


def test_a_known_phone_is_answered_like_an_unknown_one() -> None:
    make_program()
    asha, ravi = make_customer(), make_customer(phone="+919876543210")
    answer = Client().post(
        f"/join/{referral_code_of(asha).code}/", {"name": "x", "phone": "+919876543210"}
    )
    assert answer["Location"] == "/sign-in/code/"
    assert Customer.objects.count() == 2 and not ravi.referrals.exists()


def test_a_household_is_run_in_the_portal() -> None:
    asha, ravi = make_account(balance=10), make_account(balance=10)
    head, guest = sign_in(asha.customer), sign_in(ravi.customer)
    home = "/card/household/"
    head.post(home, {"action": "open", "name": "Patels"})
    shown = text(
        head.post(
            home, {"action": "invite", "code": referral_code_of(ravi.customer).code}, follow=True
        )
    )
    assert "invited, has not answered" in shown
    place = HouseholdMember.objects.get(customer=ravi.customer)
    head.post(home, {"action": "accept", "place": place.pk})  # not the head's to accept
    place.refresh_from_db()
    assert place.state == "invited"
    assert "invites you to" in text(guest.get(home))
    guest.post(home, {"action": "accept", "place": place.pk})
    guest.post(home, {"action": "share"})
    assert "keeps own points" in text(head.get(home))
    guest.post(home, {"action": "remove", "place": asha.customer.households.get().pk})
    assert asha.customer.households.get().state == "active"
    head.post(home, {"action": "remove", "place": place.pk})
    place.refresh_from_db()
    assert place.state == "left"


# --- the back office ----------------------------------------------------------------------------

MERGE = "/admin/customers/customermerge/merge/"


def test_staff_see_two_members_side_by_side_before_they_merge_them() -> None:
    asha, twin = make_account(balance=100), make_account(balance=200)
    Customer.objects.filter(pk=twin.customer_id).update(name="Twin Patel")
    client = office()
    several = text(client.get(MERGE, {"kept": "Patel"}))
    assert "Several fit" in several and "Twin Patel" in several
    pair = {"kept": str(asha.customer_id), "merged": "Twin"}
    shown = text(client.get(MERGE, pair))
    assert "200 points, which keep their last day" in shown
    assert "Say how you know" in text(client.post(MERGE, {**pair, "reason": " "}))
    assert not CustomerMerge.objects.exists()
    same = text(client.get(MERGE, {**pair, "merged": pair["kept"]}))
    assert "two different members" in same
    assert client.post(MERGE, {**pair, "reason": "Same phone"}).status_code == 302
    merge = CustomerMerge.objects.get()
    body = {"action": "undo", "_selected_action": [merge.pk]}
    listing = "/admin/customers/customermerge/"
    assert "1 merges are undone" in text(client.post(listing, body, follow=True))
    assert "undone already" in text(client.post(listing, body, follow=True))
    assert office(Role.SUPPORT).get(MERGE).status_code == 403


def test_staff_give_a_waiting_bill_to_a_member() -> None:
    bill, asha = waiting_bill(), make_customer(name="Asha Patel")
    client = office(Role.MANAGER)
    assert bill.number in text(client.get("/admin/loyalty/waitingbill/"))
    page = f"/admin/loyalty/waitingbill/{bill.pk}/give/"
    assert "Give the bill to Asha" in text(client.get(page, {"customer": "Asha"}))
    assert client.post(page, {"customer": str(asha.pk)}).status_code == 302
    assert Account.objects.get(customer=asha).balance == 100
    assert client.get(page).status_code == 404


@pytest.mark.performance
@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/admin/customers/customermerge/", "merges"),
        ("/admin/loyalty/pointstransfer/", "transfers"),
        ("/admin/loyalty/household/", "households"),
        ("/admin/loyalty/referral/", "referrals"),
    ],
)
def test_lists_of_the_back_office_stay_cheap(url: str, path: str) -> None:
    client, counts = office(), []
    PeopleTerms.objects.create(program=make_program(), referral_monthly_limit=99)
    text(client.get(url))
    for size in (1, 12):
        for _ in range(size):
            _make_one(path)
        with CaptureQueriesContext(connection) as queries:
            text(client.get(url))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_staff_dissolve_a_household_and_look_at_referrals_again() -> None:
    one, two = make_account(), make_account()
    home = open_household(program=one.program, customer=one.customer, name="Us")
    answer_invitation(
        member=invite_to_household(household=home, customer=two.customer), accepts=True
    )
    client = office()
    body = {"action": "dissolve", "_selected_action": [home.pk]}
    shown = text(client.post("/admin/loyalty/household/", body, follow=True))
    assert "2 places were given up" in shown
    _make_one("referrals")
    body = {"action": "review", "_selected_action": [Referral.objects.get().pk]}
    shown = text(client.post("/admin/loyalty/referral/", body, follow=True))
    assert "0 of 1 changed" in shown
    for page in ("peopleterms/add/", f"household/{home.pk}/change/"):
        text(client.get(f"/admin/loyalty/{page}"))
    text(client.get("/admin/customers/billpolicy/add/"))
