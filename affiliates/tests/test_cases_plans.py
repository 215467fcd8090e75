"""The behaviour cases of plans, limits, customers and commissions by hand, through the services."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from affiliates.engine import Kind
from affiliates.errors import (
    CommissionInPayoutError,
    CommissionNotFoundError,
    GrantedAlreadyError,
    InvalidGrantError,
)
from affiliates.models import (
    Affiliate,
    CommissionEntry,
    Conversion,
    Enrolment,
    Payout,
    PayoutBatch,
    PayoutDetails,
    PayoutLine,
    Tally,
)
from affiliates.selectors import explain_entry, explain_shares
from affiliates.services import (
    Amendment,
    amend_commissions,
    claw_back,
    grant_commission,
    publish_plan,
    settle_commissions,
)
from affiliates.tests.factories import (
    SALE_AT,
    make_customer,
    make_enrolment,
    make_plan,
    make_return,
    make_sale,
)
from customers.models import Product, Purchase, PurchaseLine
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db
_keys = count(1)


def settle(*purchases: Purchase) -> list[CommissionEntry]:
    return settle_commissions(purchase_ids=[purchase.pk for purchase in purchases])


def total(**which: Any) -> Decimal:
    entries = CommissionEntry.objects.filter(**which)
    return sum(entries.values_list("amount", flat=True), Decimal(0))


def sale(net: str = "1000.00", *, days: int = 0, hours: int = 0, **fields: Any) -> Purchase:
    at = SALE_AT + timedelta(days=days, hours=hours)
    return make_sale(net=net, codes=("ASHA10",), **{"occurred_at": at, **fields})


def add_line(bill: Purchase, sku: str, net: str, *, quantity: str = "1", **fields: Any) -> str:
    product, _ = Product.objects.get_or_create(
        sku=sku, defaults={"name": sku, "category": fields.pop("category", sku.title())}
    )
    key = f"line{next(_keys)}"
    PurchaseLine.objects.create(
        purchase=bill,
        key=key,
        product=product,
        quantity=Decimal(quantity),
        gross=Decimal(net),
        net=Decimal(net),
        **fields,
    )
    return key


# --- what plans pay -----------------------------------------------------------------------------


def test_case_1_a_bill_pays_half_up_on_paise() -> None:
    make_enrolment(plan=make_plan(rate="2.9"))
    [entry] = settle(sale("5.00"))
    assert (entry.amount, entry.explanation["exact"]) == (Decimal("0.15"), "0.145")


def test_case_2_a_fixed_amount_a_piece_follows_the_quantity_kept() -> None:
    make_enrolment(plan=make_plan(kind=Kind.FIXED, rate="5", per="piece"))
    bill = sale("1000.00")
    key = add_line(bill, "tea", "1000.00", quantity="2")
    settle(bill)
    assert total() == Decimal("10.00")
    back = make_return(sale=bill, net="-500.00")
    add_line(back, "tea", "-500.00", quantity="-1", returns_key=key)
    settle(back)
    assert total() == Decimal("5.00")


def test_case_3_a_first_order_pays_more_than_one_within_three_months() -> None:
    rules = [
        {"name": "New sale", "kind": "fixed", "rate": "9000", "first_order": True},
        {"name": "Within 3 months", "kind": "fixed", "rate": "2000", "within_months": 3},
    ]
    make_enrolment(plan=make_plan(rules=rules, rate="1"))
    ravi = make_customer(name="Ravi")
    for days in (0, 40, 93):
        settle(sale("100000.00", customer=ravi, days=days))
    amounts = CommissionEntry.objects.order_by("pk").values_list("amount", flat=True)
    assert list(amounts) == [Decimal(9000), Decimal(2000), Decimal(1000)]
    first = CommissionEntry.objects.order_by("pk")[0]
    assert explain_entry(first)[1] == "Friends v1 pays ₹9,000.00 a bill for “New sale”."


def test_a_first_order_that_arrives_late_does_not_pay_twice() -> None:
    make_enrolment(plan=make_plan(first_order_only=True))
    ravi = make_customer(name="Ravi")
    settle(sale(customer=ravi, days=5))
    settle(sale(customer=ravi, days=0))
    assert total() == Decimal("100.00")
    refusals = [one.shares[0]["paid"]["refusal"] for one in Conversion.objects.order_by("pk")]
    assert refusals == ["", "not_first"]


def test_case_4_an_article_of_no_category_fits_no_rule_and_falls_back() -> None:
    rules = [{"name": "Not tea", "kind": "percent", "rate": "50", "excluded_categories": ["Tea"]}]
    make_enrolment(plan=make_plan(rules=rules))
    for category, earns in (("Milk", "50.00"), ("Tea", "10.00"), ("", "10.00")):
        bill = sale("100.00")
        add_line(bill, f"sku {category}", "100.00", category=category)
        [entry] = settle(bill)
        assert entry.amount == Decimal(earns)


def test_each_article_pays_by_its_rule_and_its_return_takes_just_that_back() -> None:
    rules = [{"name": "Tea", "kind": "percent", "rate": "20", "categories": ["Tea"]}]
    make_enrolment(plan=make_plan(rules=rules))
    bill = sale("300.00")
    add_line(bill, "tea", "100.00")
    milk = add_line(bill, "milk", "150.00")
    add_line(bill, "box", "50.00", category="Shipping")
    [entry] = settle(bill)
    assert entry.amount == Decimal("35.00")
    assert explain_entry(entry)[1:] == [
        "Friends v1 pays 20 % of ₹100.00 for “Tea”, that is ₹20.00.",
        "Friends v1 pays 10 %, that is ₹15.00.",
        "Together that is ₹35.00.",
    ]
    back = make_return(sale=bill, net="-150.00")
    add_line(back, "milk", "-150.00", quantity="-1", returns_key=milk)
    settle(back)
    assert total() == Decimal("20.00")


# --- customers ----------------------------------------------------------------------------------


def test_case_15_who_bought_last_year_is_no_new_customer() -> None:
    make_enrolment(plan=make_plan(customer_rates={"new": "15", "lapsed": "5", "active": "0"}))
    ravi = make_customer(name="Ravi")
    make_sale(customer=ravi, occurred_at=datetime(2025, 9, 1, 9, tzinfo=UTC))
    settle(sale(customer=ravi))
    assert not CommissionEntry.objects.exists()
    [(_, sentences)] = explain_shares(Conversion.objects.get())
    assert sentences == [
        "Existing member since Sept. 1, 2025; the plan pays nothing for customers the shop has"
        " already."
    ]
    back_again = make_customer(name="Meera")
    make_sale(customer=back_again, occurred_at=datetime(2024, 9, 1, 9, tzinfo=UTC))
    settle(sale(customer=back_again), sale(customer=make_customer(name="Nila")))
    assert sorted(CommissionEntry.objects.values_list("amount", flat=True)) == [50, 150]


def test_what_a_customer_was_stays_when_older_bills_arrive() -> None:
    make_enrolment(plan=make_plan(customer_rates={"new": "15", "active": "0"}))
    ravi = make_customer(name="Ravi")
    bill = sale(customer=ravi)
    settle(bill)
    older = sale(customer=ravi, days=-9)
    settle(older, bill)
    assert total() == Decimal("150.00")
    settle(make_return(sale=bill, net="-400.00"))
    assert total() == Decimal("90.00")


def test_a_bill_that_finds_its_customer_is_decided_anew() -> None:
    make_enrolment(plan=make_plan(recurring_months=6))
    bill = sale()
    settle(bill)
    assert total() == 0
    Purchase.objects.filter(pk=bill.pk).update(customer=make_customer(name="Ravi"))
    settle(bill)
    assert total() == Decimal("100.00")


# --- periods ------------------------------------------------------------------------------------


def tiers(mode: str, **changes: Any) -> dict[str, Any]:
    steps = [{"from": "2000", "rate": "20"}]
    return {"mode": mode, "by": "net", "period": "month", "steps": steps, **changes}


@pytest.mark.parametrize(
    ("mode", "amounts"),
    [
        ("next_order", [150, 150, 300]),
        ("marginal", [150, 250, 300]),
        ("retroactive", [150, 300, 150, 300]),
    ],
)
def test_tiers_lift_the_next_bill_the_part_above_or_the_whole_month(
    mode: str, amounts: list[int]
) -> None:
    make_enrolment(plan=make_plan(tiers=tiers(mode)))
    for days in range(3):
        settle(sale("1500.00", days=days))
    posted = CommissionEntry.objects.order_by("pk").values_list("amount", flat=True)
    assert list(posted) == [Decimal(one) for one in amounts]
    settle(sale("1000.00", days=40))
    assert CommissionEntry.objects.latest("pk").amount == 100


def test_a_retroactive_month_falls_back_when_goods_come_back() -> None:
    make_enrolment(plan=make_plan(tiers=tiers("retroactive")))
    bills = [sale("1500.00", days=days) for days in range(2)]
    settle(*bills)
    assert total() == Decimal("600.00")
    lifted = CommissionEntry.objects.get(kind="tier")
    assert lifted.held_until == max(bill.occurred_at for bill in bills) + timedelta(days=30)
    settle(make_return(sale=bills[0], net="-1200.00"))
    assert total() == Decimal("180.00")
    fallen = CommissionEntry.objects.filter(kind="tier").latest("pk")
    assert (fallen.amount, fallen.held_until) == (Decimal("-300.00"), lifted.held_until)
    assert explain_entry(lifted) == [
        "You brought ₹3,000.00 in the period from March 1, 2026, so Friends v1 pays 20 % for all"
        " of it: ₹150.00 more."
    ]
    assert settle(*bills) == []


def test_case_10_a_limit_counts_all_that_was_earned_and_trims_the_rest() -> None:
    make_enrolment(plan=make_plan(cap={"amount": "5000", "period": "month"}))
    settle(sale("42000.00"))
    [trimmed] = settle(sale("20000.00", days=1))
    assert trimmed.amount == Decimal("800.00")
    assert explain_entry(trimmed)[-1] == (
        "It would be ₹2,000.00; the plan pays at most ₹5,000.00 a month, of which ₹800.00 was left."
    )
    assert settle(sale("20000.00", days=2)) == []
    assert Conversion.objects.latest("pk").shares[0]["paid"]["cap"]["left"] == "0.00"
    settle(sale("20000.00", days=30))
    assert total() == Decimal("7000.00")


def test_a_trimmed_bill_gives_back_only_what_it_got_and_none_rises_above_the_limit() -> None:
    make_enrolment(plan=make_plan(cap={"amount": "5000", "period": "month"}))
    first, second = sale("42000.00"), sale("20000.00", days=1)
    settle(first, second)
    settle(make_return(sale=second, net="-10000.00"))
    assert total() == Decimal("5000.00")
    settle(make_return(sale=second, net="-4000.00"))
    assert total() == Decimal("4800.00")
    Purchase.objects.filter(pk=first.pk).update(net=Decimal("90000.00"))
    settle(first)
    assert total() == Decimal("5000.00")


def test_a_goal_pays_once_and_is_taken_back_when_it_is_missed_again() -> None:
    goal = {"by": "orders", "threshold": "3", "period": "month", "bonus": "500"}
    make_enrolment(plan=make_plan(goals=[goal]))
    bills = [sale("100.00", days=days) for days in range(4)]
    settle(*bills[:2])
    assert total(kind="goal") == 0
    settle(*bills[2:])
    settle(*bills)
    reached = CommissionEntry.objects.get(kind="goal")
    assert (reached.amount, reached.conversion) == (Decimal("500.00"), None)
    assert explain_entry(reached) == [
        "Goal reached: 3 bills in the period from March 1, 2026. Friends v1 pays a bonus of"
        " ₹500.00."
    ]
    for bill in bills[:2]:
        settle(make_return(sale=bill, net="-100.00"))
    assert list(CommissionEntry.objects.filter(kind="goal").values_list("amount", flat=True)) == [
        Decimal("500.00"),
        Decimal("-500.00"),
    ]


def test_bills_that_wait_for_a_person_reach_no_goal_but_use_up_the_limit() -> None:
    goal = {"by": "orders", "threshold": "2", "period": "month", "bonus": "50"}
    plan = make_plan(goals=[goal], cap={"amount": "250", "period": "month"})
    make_enrolment(plan=plan)
    doubted, sound = sale(days=0), sale(days=1)
    settle(doubted)
    Conversion.objects.update(review=Conversion.Review.OPEN)
    settle(doubted)
    settle(sound)
    assert total(kind="goal") == 0
    assert total() == Decimal("200.00")
    Conversion.objects.update(review=Conversion.Review.RELEASED)
    settle(doubted)
    assert total() == Decimal("250.00")
    Conversion.objects.filter(purchase=doubted).update(review=Conversion.Review.REFUSED)
    [taken, bonus] = settle(doubted)
    assert (taken.amount, taken.explanation["cause"]) == (Decimal("-100.00"), "refused")
    assert (bonus.amount, total()) == (Decimal("-50.00"), Decimal("100.00"))


def test_a_new_version_pays_its_own_bills_and_the_month_goes_on() -> None:
    plan = make_plan(tiers=tiers("next_order"))
    make_enrolment(plan=plan)
    settle(sale("2500.00"))
    publish_plan(
        plan=plan,
        kind=Kind.PERCENT,
        rate=Decimal(10),
        hold_days=30,
        terms={"tiers": tiers("next_order", steps=[{"from": "2000", "rate": "30"}])},
        valid_from=SALE_AT + timedelta(days=1),
    )
    settle(sale("100.00", days=2))
    assert total() == Decimal("280.00")


# --- several who are paid -------------------------------------------------------------------------


def recruit(parent: Affiliate, child: Affiliate) -> None:
    child.parent = parent
    child.save(update_fields=["parent"])


def test_who_recruited_an_affiliate_gets_a_share_one_level_up() -> None:
    plan = make_plan(parent_percent="10")
    grandmother, mother, child = (
        make_enrolment(code=code, plan=plan) for code in ("ROOT", "MOTHER", "ASHA10")
    )
    recruit(grandmother.affiliate, mother.affiliate)
    recruit(mother.affiliate, child.affiliate)
    bill = sale("1000.55")
    settle(bill)
    assert total(enrolment=child) == Decimal("100.06")
    assert total(enrolment=mother) == Decimal("10.01")
    assert total(enrolment=grandmother) == 0
    entry = CommissionEntry.objects.get(enrolment=mother)
    assert explain_entry(entry)[1] == (
        "Affiliate ASHA10, whom you recruited, earned ₹100.06; you get 10 %."
    )
    settle(make_return(sale=bill, net="-1000.55"))
    assert total() == 0
    assert settle(bill) == []


def test_a_recruiters_own_purchase_brings_them_nothing() -> None:
    plan = make_plan(parent_percent="10")
    ravi = make_customer(name="Ravi")
    mother = make_enrolment(code="MOTHER", plan=plan, customer=ravi)
    recruit(mother.affiliate, make_enrolment(plan=plan).affiliate)
    settle(sale(customer=ravi))
    assert total(enrolment=mother) == 0
    assert total() == Decimal("100.00")


def test_a_split_pays_each_by_their_own_plan_and_a_lost_share_is_taken_back() -> None:
    asha = make_enrolment()
    ravi = make_enrolment(code="RAVI5", plan=make_plan(name="Rich", rate="20"))
    bill = sale()
    settle(bill)
    conversion = Conversion.objects.get()
    share = conversion.shares[0]
    conversion.shares = [
        {**share, "percent": "70"},
        {
            "role": "split",
            "enrolment_id": ravi.pk,
            "plan_version_id": ravi.plan.versions.get().pk,
            "percent": "30",
            "held_until": share["held_until"],
        },
    ]
    conversion.save()
    settle(bill)
    assert (total(enrolment=asha), total(enrolment=ravi)) == (Decimal(70), Decimal(60))
    conversion.refresh_from_db()
    conversion.shares = conversion.shares[:1]
    conversion.save()
    settle(bill)
    assert (total(enrolment=asha), total(enrolment=ravi)) == (Decimal(70), Decimal(0))
    assert Tally.objects.get(enrolment=ravi).amount == 0


def test_an_affiliate_may_have_been_promised_more() -> None:
    enrolment = make_enrolment(plan=make_plan(cap={"amount": "50", "period": "month"}))
    Enrolment.objects.update(overrides={"rate": "25", "cap": None})
    bill = sale()
    [entry] = settle(bill)
    assert (entry.enrolment, entry.amount) == (enrolment, Decimal("250.00"))
    Enrolment.objects.update(overrides={})
    settle(make_return(sale=bill, net="-500.00"))
    assert total() == Decimal("125.00")


# --- paid, and by hand ----------------------------------------------------------------------------


def pay_out(entry: CommissionEntry) -> None:
    batch = PayoutBatch.objects.create(
        method="manual",
        currency="INR",
        made_by=User.objects.create_user("m@example.com", "a long password", name="M"),
    )
    payout = Payout.objects.create(
        batch=batch,
        affiliate=entry.affiliate,
        details=PayoutDetails.objects.create(
            affiliate=entry.affiliate, method="manual", payable_from=SALE_AT
        ),
        reference=f"P{entry.pk}",
        state=Payout.State.PAID,
        gross=entry.amount,
        net=entry.amount,
    )
    PayoutLine.objects.create(entry=entry, payout=payout)


def test_case_13_a_refund_after_payment_leaves_the_original_and_adds_a_negative_line() -> None:
    make_enrolment(plan=make_plan(rate="30"))
    bill = sale("49.00")
    [earned] = settle(bill)
    pay_out(earned)
    before = CommissionEntry.objects.filter(pk=earned.pk).values().get()
    refund = make_return(sale=bill, net="-49.00", days_later=60)
    [reversal] = settle(refund)
    assert reversal.amount == Decimal("-14.70")
    assert not PayoutLine.objects.filter(entry=reversal).exists()
    assert CommissionEntry.objects.filter(pk=earned.pk).values().get() == before
    assert settle(refund, bill) == []


def test_case_12_money_is_taken_back_with_a_reason(owner: User) -> None:
    enrolment = make_enrolment()
    entry = claw_back(
        enrolment=enrolment,
        amount=Decimal("-500"),
        reason="Paid twice in May",
        currency="INR",
        acting_user=owner,
    )
    assert (entry.amount, entry.explanation["quantity"]) == (Decimal("-500"), 1)
    assert explain_entry(entry) == ["Paid twice in May"]
    for amount, reason in (("0", "why"), ("5", "  "), ("5.001", "why"), ("NaN", "why")):
        with pytest.raises(InvalidGrantError) as refusal:
            claw_back(
                enrolment=enrolment,
                amount=Decimal(amount),
                reason=reason,
                currency="INR",
                acting_user=owner,
            )
        assert refusal.value.status == 422
    assert CommissionEntry.objects.count() == 1


def test_case_12_amending_is_all_or_nothing_and_never_touches_a_payout(owner: User) -> None:
    make_enrolment()
    bills = [sale(days=days) for days in range(3)]
    first, second, paid = settle(*bills)
    pay_out(paid)

    def amend(*wanted: tuple[int, str]) -> list[CommissionEntry]:
        return amend_commissions(
            amendments=[Amendment(entry_id=pk, amount=Decimal(amount)) for pk, amount in wanted],
            reason="Agreed by phone",
            acting_user=owner,
        )

    for refused, error, status in (
        ([(first.pk, "80"), (first.pk, "70")], InvalidGrantError, 422),
        ([(first.pk, "80"), (10**9, "70")], CommissionNotFoundError, 404),
        ([(first.pk, "80"), (paid.pk, "70")], CommissionInPayoutError, 400),
    ):
        with pytest.raises(error) as refusal:
            amend(*refused)
        assert refusal.value.status == status
    assert total() == Decimal("300.00")
    assert [entry.amount for entry in amend((first.pk, "80"), (second.pk, "110"))] == [-20, 10]
    assert amend((first.pk, "80")) == []
    assert [entry.amount for entry in amend((first.pk, "0"))] == [-80]
    assert settle(*bills) == []
    assert total() == Decimal("210.00")


def test_case_5_a_bill_that_earned_gets_no_commission_by_hand_nor_the_other_way(
    owner: User,
) -> None:
    enrolment = make_enrolment()
    bill, other = sale(), make_sale()
    settle(bill)

    def grant(purchase: Purchase) -> CommissionEntry:
        return grant_commission(
            enrolment=enrolment,
            amount=Decimal("75.00"),
            reason="Brought by phone",
            currency="INR",
            purchase=purchase,
            acting_user=owner,
        )

    with pytest.raises(GrantedAlreadyError):
        grant(bill)
    entry = grant(other)
    assert explain_entry(entry) == ["Brought by phone", f"It is for bill {other.number}."]
    with pytest.raises(GrantedAlreadyError):
        grant(other)
    Purchase.objects.filter(pk=other.pk).update(codes=["ASHA10"])
    assert settle(other) == []
    assert total() == Decimal("175.00")
