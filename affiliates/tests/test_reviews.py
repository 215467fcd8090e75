from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from affiliates.errors import ReasonMissingError
from affiliates.events import ConversionReviewed
from affiliates.models import CommissionEntry, Conversion, RiskPolicy
from affiliates.selectors import commissions_of, describe_commission, earnings_of, explain_entry
from affiliates.selectors.risk import check_figures
from affiliates.services import hold_conversions, review_conversions, settle_commissions
from affiliates.tests.factories import (
    SALE_AT,
    make_enrolment,
    make_return,
    make_sale,
    pay,
)
from customers.services import register_customer
from loyalty_site.outbox.models import Delivery
from loyalty_site.outbox.services import subscribe
from loyalty_site.staff.models import User
from tests.support.threads import run_together

LATER = SALE_AT + timedelta(days=999)
QUEUE = "admin:affiliates_heldconversion_changelist"
REVIEW = "admin:affiliates_heldconversion_review"


def hold(count: int = 1) -> list[Conversion]:
    """Bills with throw-away addresses, of one affiliate."""
    make_enrolment()
    for number in range(count):
        buyer = register_customer(name="X", email=f"x{number}@mailinator.com", source="test")
        settle_commissions(purchase_ids=[make_sale(codes=("ASHA10",), customer=buyer).pk])
    return list(Conversion.objects.order_by("pk"))


def decide(
    conversions: list[Conversion], review: Conversion.Review, user: User, reason: str = "Because"
) -> list[str]:
    answers = review_conversions(
        conversions=conversions, review=review, reason=reason, acting_user=user
    )
    return [answer.refusal.code if answer.refusal else "" for answer in answers]


def make_user(role: str) -> User:
    user = User.objects.create_user(f"{role}@example.com", "a long password", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


@pytest.fixture
def staff(owner: User, client: Client) -> Client:
    client.force_login(owner)
    return client


@pytest.mark.django_db
def test_a_release_is_written_down_told_and_pays(owner: User) -> None:
    subscribe(lambda events: None, ConversionReviewed, name="tests.reviewed")
    [conversion] = hold()
    assert decide([conversion], Conversion.Review.RELEASED, owner, " Asked her ") == [""]
    conversion.refresh_from_db()
    assert (conversion.review_reason, conversion.reviewed_by) == ("Asked her", owner)
    assert conversion.reviewed_at is not None
    [delivery] = Delivery.objects.filter(handler="tests.reviewed")
    event = ConversionReviewed.from_payload(delivery.payload)
    assert (event.review, event.reason, event.reviewed_by_id) == (
        "released",
        "Asked her",
        owner.pk,
    )
    assert conversion.enrolment is not None
    assert earnings_of(conversion.enrolment.affiliate, now=LATER).due == Decimal("100.00")


@pytest.mark.django_db
def test_a_refusal_takes_back_and_tells_the_affiliate_why(owner: User) -> None:
    [conversion] = hold()
    decide([conversion], Conversion.Review.REFUSED, owner, "Own purchase")
    first, second = CommissionEntry.objects.order_by("pk")
    assert (first.amount, second.amount) == (Decimal("100.00"), Decimal("-100.00"))
    assert "The shop looked at this bill and does not pay for it: Own purchase" in explain_entry(
        second
    )
    settle_commissions(purchase_ids=[make_return(sale=conversion.purchase, net="-100.00").pk])
    assert CommissionEntry.objects.count() == 2


@pytest.mark.django_db
def test_a_mind_can_be_changed(owner: User) -> None:
    [conversion] = hold()
    decide([conversion], Conversion.Review.REFUSED, owner)
    assert decide([conversion], Conversion.Review.RELEASED, owner) == ["not_held"]
    for reason in ("Asked again", "And again"):
        [answer] = hold_conversions(conversions=[conversion], reason=reason, acting_user=owner)
        assert answer.refusal is None
        [again] = hold_conversions(conversions=[conversion], reason=reason, acting_user=owner)
        assert again.refusal is not None and again.refusal.code == "already_held"
        assert decide([conversion], Conversion.Review.RELEASED, owner) == [""]
    assert [entry.amount for entry in CommissionEntry.objects.order_by("pk")] == [
        Decimal("100.00"),
        Decimal("-100.00"),
        Decimal("100.00"),
    ]


@pytest.mark.django_db
def test_a_refusal_after_payment_leaves_a_negative_line(owner: User) -> None:
    [conversion] = hold()
    decide([conversion], Conversion.Review.RELEASED, owner)
    pay(CommissionEntry.objects.get(), at=SALE_AT)
    hold_conversions(conversions=[conversion], reason="A tip", acting_user=owner)
    decide([conversion], Conversion.Review.REFUSED, owner)
    unpaid = CommissionEntry.objects.get(line__isnull=True)
    assert unpaid.amount == Decimal("-100.00")


@pytest.mark.django_db
def test_each_bill_has_its_own_answer_and_refusals_change_nothing(owner: User) -> None:
    held, decided = hold(2)
    plain = make_sale(codes=("ASHA10",))
    nobody = make_sale(codes=("GONE1",))
    gone = make_enrolment(code="GONE1", state="suspended")
    settle_commissions(purchase_ids=[plain.pk, nobody.pk])
    assert gone.pk
    decide([decided], Conversion.Review.RELEASED, owner)
    before = CommissionEntry.objects.count()
    rows = [decided, held, plain.conversion, nobody.conversion]
    assert decide(rows, Conversion.Review.RELEASED, owner) == [
        "not_held",
        "",
        "not_held",
        "nobody_earns",
    ]
    assert CommissionEntry.objects.count() == before
    plain.conversion.refresh_from_db()
    assert plain.conversion.review == Conversion.Review.NONE


@pytest.mark.django_db
def test_a_decision_without_a_reason_is_refused(owner: User) -> None:
    [conversion] = hold()
    with pytest.raises(ReasonMissingError):
        decide([conversion], Conversion.Review.RELEASED, owner, "  ")
    conversion.refresh_from_db()
    assert conversion.review == Conversion.Review.OPEN


@pytest.mark.django_db
@pytest.mark.security
def test_nobody_releases_the_own_commission(owner: User) -> None:
    [conversion] = hold()
    assert conversion.enrolment is not None
    affiliate = conversion.enrolment.affiliate
    affiliate.email = "OWNER@example.com"
    affiliate.save(update_fields=["email"])
    assert decide([conversion], Conversion.Review.RELEASED, owner) == ["own_commission"]
    conversion.refresh_from_db()
    assert conversion.review == Conversion.Review.OPEN


@pytest.mark.django_db
def test_a_held_commission_is_not_shown_as_due() -> None:
    [conversion] = hold()
    assert conversion.enrolment is not None
    [entry] = commissions_of(conversion.enrolment.affiliate)
    assert describe_commission(entry, now=LATER).state == "in_review"


@pytest.mark.django_db
def test_figures_say_how_often_a_check_was_right(owner: User) -> None:
    first, second, third, _waits = hold(4)
    decide([first], Conversion.Review.RELEASED, owner)
    decide([second, third], Conversion.Review.REFUSED, owner)
    [figures] = check_figures()
    assert figures.title == "Throw-away e-mail"
    assert (figures.waiting, figures.released, figures.refused) == (1, 1, 2)
    assert figures.right == 67


@pytest.mark.django_db
def test_the_queue_shows_what_is_at_stake_and_why(staff: Client) -> None:
    [conversion] = hold()
    text = staff.get(reverse(QUEUE)).content.decode()
    assert "The buyer&#x27;s e-mail is a throw-away address at mailinator.com." in text
    assert "₹100.00" in text and conversion.purchase.number in text
    assert "What the checks found in 90 days" in text
    page = reverse("admin:affiliates_heldconversion_change", args=[conversion.pk])
    assert "Release or refuse" in staff.get(page).content.decode()
    assert "mailinator" in staff.get(page).content.decode()


@pytest.mark.django_db
def test_several_are_decided_at_once_with_an_answer_for_each(staff: Client, owner: User) -> None:
    first, second, third = hold(3)
    chosen = {"action": "decide_chosen", "_selected_action": [first.pk, second.pk]}
    asked = staff.post(reverse(QUEUE), chosen)
    assert asked["Location"] == f"{reverse(REVIEW)}?ids={first.pk},{second.pk}"
    assert first.purchase.number in staff.get(asked["Location"]).content.decode()
    decide([second], Conversion.Review.REFUSED, owner)
    answer = staff.post(
        asked["Location"], {"review": "released", "reason": "Asked her"}, follow=True
    )
    text = answer.content.decode()
    assert "1 bill is released." in text
    states = [Conversion.objects.get(pk=one.pk).review for one in (first, second, third)]
    assert states == ["released", "refused", "open"]
    assert f"Bill {second.purchase.number} does not wait for a decision: refused." in text


@pytest.mark.django_db
def test_a_decided_bill_can_be_held_again_on_a_page(staff: Client, owner: User) -> None:
    [conversion] = hold()
    decide([conversion], Conversion.Review.REFUSED, owner)
    page = f"{reverse('admin:affiliates_heldconversion_hold')}?ids={conversion.pk}"
    assert conversion.purchase.number in staff.get(page).content.decode()
    assert staff.post(page, {"reason": ""}).status_code == 200
    text = staff.post(page, {"reason": "She wrote"}, follow=True).content.decode()
    assert "1 bill is held." in text and "Owner holds it: She wrote" in text


@pytest.mark.django_db
@pytest.mark.parametrize(("role", "may"), [("manager", True), ("analyst", False)])
def test_only_who_may_review_decides(client: Client, role: str, may: bool) -> None:
    [conversion] = hold()
    client.force_login(make_user(role))
    assert client.get(reverse(QUEUE)).status_code == 200
    page = f"{reverse(REVIEW)}?ids={conversion.pk}"
    answer = client.post(page, {"review": "released", "reason": "Friend of mine"})
    assert answer.status_code == (302 if may else 403)
    conversion.refresh_from_db()
    assert conversion.review == ("released" if may else "open")


@pytest.mark.django_db
def test_a_decision_needs_a_reason_on_the_page_too(staff: Client) -> None:
    [conversion] = hold()
    page = f"{reverse(REVIEW)}?ids={conversion.pk}"
    assert staff.post(page, {"review": "released", "reason": ""}).status_code == 200
    assert staff.post(page, {"review": "open", "reason": "x"}).status_code == 200
    conversion.refresh_from_db()
    assert conversion.review == Conversion.Review.OPEN


@pytest.mark.django_db
def test_there_is_one_row_of_rules(staff: Client) -> None:
    add = reverse("admin:affiliates_riskpolicy_add")
    assert staff.get(add).status_code == 200
    policy = RiskPolicy.objects.create()
    assert staff.get(add).status_code == 403
    change = reverse("admin:affiliates_riskpolicy_change", args=[policy.pk])
    assert staff.get(change).status_code == 200
    assert (
        staff.post(reverse("admin:affiliates_riskpolicy_delete", args=[policy.pk])).status_code
        == 403
    )


@pytest.mark.django_db
@pytest.mark.performance
def test_the_queue_and_a_decision_take_the_same_number_of_queries_for_few_and_many(
    staff: Client, owner: User, django_assert_num_queries: Any
) -> None:
    few = hold(2)
    staff.get(reverse(QUEUE))
    with CaptureQueriesContext(connection) as shown:
        staff.get(reverse(QUEUE))
    with CaptureQueriesContext(connection) as decided:
        decide(few[:1], Conversion.Review.RELEASED, owner)
    for number in range(10, 20):
        buyer = register_customer(name="X", email=f"x{number}@mailinator.com", source="test")
        settle_commissions(purchase_ids=[make_sale(codes=("ASHA10",), customer=buyer).pk])
    with django_assert_num_queries(len(shown)):
        staff.get(reverse(QUEUE))
    many = list(Conversion.objects.filter(review="open"))
    with django_assert_num_queries(len(decided)):
        decide(many, Conversion.Review.RELEASED, owner)
    assert not Conversion.objects.filter(review="open").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.integration
@pytest.mark.needs_postgresql
def test_of_sixteen_decisions_at_once_the_first_one_counts() -> None:
    user = User.objects.create_superuser("owner@example.com", "a long password", name="Owner")
    conversions = hold(3)
    sale_ids = [conversion.purchase_id for conversion in conversions]
    jobs: list[Any] = [
        lambda review=review, rows=rows: decide(list(rows), review, user)
        for review in (Conversion.Review.RELEASED,)
        for rows in (conversions, conversions[::-1])
        for _ in range(4)
    ]
    jobs += [lambda: settle_commissions(purchase_ids=sale_ids)] * 8
    answers = run_together(jobs)
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    given = [code for answer in answers[:8] if isinstance(answer, list) for code in answer]
    assert given.count("") == 3 and given.count("not_held") == 21
    assert set(Conversion.objects.values_list("review", flat=True)) == {"released"}
    assert CommissionEntry.objects.count() == 3
