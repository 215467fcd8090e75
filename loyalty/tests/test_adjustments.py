"""Corrections by hand: small ones at once, large ones by two people."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from customers.tests.factories import make_customer
from loyalty.errors import (
    AdjustmentDecidedError,
    InsufficientPointsError,
    InvalidPointsError,
    OwnAccountError,
    ReferenceReusedError,
    SamePersonError,
)
from loyalty.models import Account, Adjustment, AdjustmentLimit
from loyalty.selectors import explain_entry
from loyalty.services import (
    approve_adjustment,
    open_accounts,
    refuse_adjustment,
    request_adjustment,
)
from loyalty.tests.factories import make_account, make_program
from loyalty.tests.test_admin import sign_in
from loyalty_site.staff.models import User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_user
from tests.support.threads import run_together

pytestmark = pytest.mark.django_db


def ask(*, account: Account, points: int, user: User, token: str = "t") -> Adjustment:
    return request_adjustment(
        account=account,
        points=points,
        cause=Adjustment.Cause.MISTAKE,
        note="Bill 12 was typed twice",
        document="Bill 12",
        token=token,
        acting_user=user,
    )


def balance(account: Account) -> int:
    return Account.objects.get(pk=account.pk).balance


def test_a_small_correction_is_posted_at_once_with_its_proof() -> None:
    account, user = make_account(balance=100), make_user(roles=[Role.SUPPORT])
    adjustment = ask(account=account, points=-40, user=user)
    assert (adjustment.state, balance(account)) == (Adjustment.State.POSTED, 60)
    assert adjustment.entry is not None
    assert adjustment.entry.details["document"] == "Bill 12"
    assert explain_entry(adjustment.entry).sentences[0] == "Bill 12 was typed twice"


def test_the_same_token_corrects_once_and_stands_for_nothing_else() -> None:
    account, user = make_account(balance=100), make_user(roles=[Role.SUPPORT])
    first = ask(account=account, points=10, user=user)
    assert ask(account=account, points=10, user=user) == first
    with pytest.raises(ReferenceReusedError), transaction.atomic():
        ask(account=account, points=11, user=user)
    assert balance(account) == 110


def test_what_passes_the_limit_of_the_day_waits_for_a_second_person() -> None:
    account, user = make_account(), make_user(roles=[Role.SUPPORT])
    assert ask(account=account, points=300, user=user, token="a").state == "posted"
    waiting = ask(account=account, points=201, user=user, token="b")
    assert (waiting.state, balance(account)) == (Adjustment.State.WAITING, 300)
    assert ask(account=account, points=200, user=user, token="c").state == "posted"
    approved = approve_adjustment(adjustment=waiting, acting_user=make_user(roles=[Role.MANAGER]))
    assert (approved.state, balance(account)) == (Adjustment.State.POSTED, 701)
    assert approved.entry is not None
    assert approved.entry.details["approved_by"]


def test_nobody_is_their_own_second_person() -> None:
    account, user = make_account(), make_user(roles=[Role.MANAGER])
    waiting = ask(account=account, points=10_001, user=user)
    with pytest.raises(SamePersonError):
        approve_adjustment(adjustment=waiting, acting_user=user)
    with pytest.raises(IntegrityError), transaction.atomic():
        Adjustment.objects.filter(pk=waiting.pk).update(decided_by=user)
    assert balance(account) == 0


def test_nobody_corrects_an_account_that_carries_their_address() -> None:
    user = make_user(roles=[Role.OWNER], email="asha@example.com")
    customer = make_customer(email="Asha@Example.com")
    program = make_program()
    account = open_accounts(program=program, customer_ids=[customer.pk])[customer.pk]
    with pytest.raises(OwnAccountError):
        ask(account=account, points=5, user=user)
    waiting = ask(account=account, points=501, user=make_user(roles=[Role.SUPPORT]))
    with pytest.raises(OwnAccountError):
        approve_adjustment(adjustment=waiting, acting_user=user)
    assert balance(account) == 0


def test_a_decision_is_made_once() -> None:
    account = make_account()
    waiting = ask(account=account, points=501, user=make_user(roles=[Role.SUPPORT]))
    boss = make_user(roles=[Role.MANAGER])
    refused = refuse_adjustment(adjustment=waiting, acting_user=boss, note="No proof")
    assert (refused.state, refused.decision_note) == (Adjustment.State.REFUSED, "No proof")
    with pytest.raises(AdjustmentDecidedError):
        approve_adjustment(adjustment=waiting, acting_user=boss)
    assert balance(account) == 0


def test_an_approval_that_finds_too_few_points_leaves_it_waiting() -> None:
    account = make_account(balance=5)
    waiting = ask(account=account, points=-501, user=make_user(roles=[Role.SUPPORT]))
    with pytest.raises(InsufficientPointsError):
        approve_adjustment(adjustment=waiting, acting_user=make_user(roles=[Role.MANAGER]))
    waiting.refresh_from_db()
    assert (waiting.state, waiting.decided_by, balance(account)) == ("waiting", None, 5)


@pytest.mark.parametrize("points", [0, 2**53, -(2**53)])
def test_refuses_points_that_cannot_be(points: int) -> None:
    with pytest.raises(InvalidPointsError):
        ask(account=make_account(), points=points, user=make_user())
    assert not Adjustment.objects.exists()


def test_a_role_without_a_limit_always_needs_a_second_person() -> None:
    AdjustmentLimit.objects.all().delete()
    assert ask(account=make_account(), points=1, user=make_user()).state == "waiting"


@pytest.mark.integration
@pytest.mark.needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_corrections_at_once_do_not_pass_the_limit_together() -> None:
    account, user = make_account(), make_user(roles=[Role.SUPPORT])
    AdjustmentLimit.objects.update_or_create(role="support", defaults={"points_a_day": 500})
    run_together(
        [lambda n=n: ask(account=account, points=100, user=user, token=f"t{n}") for n in range(12)]  # type: ignore[misc]
    )
    assert balance(account) == 500
    assert Adjustment.objects.filter(state="waiting").count() == 7


@pytest.mark.integration
@pytest.mark.needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_approvals_at_once_post_once() -> None:
    account = make_account()
    waiting = ask(account=account, points=10_000_000, user=make_user(roles=[Role.SUPPORT]))
    bosses = [make_user(roles=[Role.MANAGER]) for _ in range(8)]
    run_together(
        [
            lambda boss=boss: approve_adjustment(adjustment=waiting, acting_user=boss)  # type: ignore[misc]
            for boss in bosses
        ]
    )
    assert balance(account) == 10_000_000


def form(**fields: Any) -> dict[str, Any]:
    return {
        "points": 501,
        "cause": "mistake",
        "note": "Typed twice",
        "document": "Bill 12",
        "token": "t",
        **fields,
    }


def test_the_inbox_approves_and_refuses_with_a_reason() -> None:
    account = make_account()
    url = reverse("admin:loyalty_account_adjust", args=[account.pk])
    support, manager = sign_in(Role.SUPPORT), sign_in(Role.MANAGER)
    answers = [support.post(url, form(token=token), follow=True) for token in "ab"]
    assert all("waits for a second person" in answer.content.decode() for answer in answers)
    first, second = Adjustment.objects.order_by("pk")
    inbox = reverse("admin:loyalty_adjustment_changelist")
    chosen = {"action": "approve", "_selected_action": [first.pk]}
    assert "1 corrections are posted" in manager.post(inbox, chosen, follow=True).content.decode()
    refuse = reverse("admin:loyalty_adjustment_refuse_this", args=[second.pk])
    assert manager.get(refuse).status_code == 200
    assert manager.post(refuse, {"note": "No proof"}).status_code == 302
    assert support.post(refuse, {"note": "Mine"}).status_code == 403
    second.refresh_from_db()
    assert (second.state, second.decision_note, balance(account)) == ("refused", "No proof", 501)
