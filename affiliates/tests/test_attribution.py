"""Who brought a bill: the ladder, windows, bindings and splits, over real rows."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from affiliates.errors import (
    AffiliateNotEarningError,
    BindingEndedError,
    ClickNotFoundError,
    ManualCommissionExistsError,
    NotEligibleError,
    OwnClaimError,
    ReasonMissingError,
)
from affiliates.models import (
    Affiliate,
    AttributionPolicy,
    Binding,
    Click,
    CommissionEntry,
    Conversion,
    Enrolment,
    Link,
    ManualAttribution,
    Plan,
    PlanVersion,
    Target,
    Touch,
)
from affiliates.services import (
    Said,
    attribute_manually,
    bind_customer,
    claim_from_texts,
    claim_phone,
    decide_affiliates,
    end_binding,
    record_touches,
    remember_click,
    settle_commissions,
)
from affiliates.tests.factories import LONG_AGO, SALE_AT, lenient, make_enrolment, make_sale
from customers.models import Customer, Purchase
from customers.tests.factories import make_customer
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def settle(*purchases: Purchase) -> None:
    settle_commissions(purchase_ids=[purchase.pk for purchase in purchases])


def make_binding_plan(
    *, bind_days: int | None = 0, window_days: int = 30, name: str = "Binding"
) -> Plan:
    plan = Plan.objects.create(name=name)
    PlanVersion.objects.create(
        plan=plan,
        number=1,
        kind="percent",
        rate=Decimal(10),
        hold_days=30,
        bind_days=bind_days,
        window_days=window_days,
        valid_from=LONG_AGO,
    )
    return plan


def make_click(enrolment: Enrolment, *, at: datetime = SALE_AT - DAY, **fields: Any) -> Click:
    target, _ = Target.objects.get_or_create(name="Shop", address="https://shop.test/")
    link, _ = Link.objects.get_or_create(
        enrolment=enrolment, target=target, defaults={"code": f"l{enrolment.pk}"}
    )
    return Click.objects.create(
        **{
            "link": link,
            "kind": "person",
            "visitor_hash": f"h{Click.objects.count()}",
            "clicked_at": at,
            **fields,
        }
    )


def claim(enrolment: Enrolment, customer: Customer, at: datetime = SALE_AT - DAY) -> Touch | None:
    return claim_phone(enrolment=enrolment, phone=customer.phone, place="counter", touched_at=at)


def winner_of(purchase: Purchase) -> Enrolment | None:
    conversion = Conversion.objects.filter(purchase=purchase).first()
    return conversion.enrolment if conversion else None


def reasons(purchase: Purchase) -> list[tuple[str, str]]:
    candidates = Conversion.objects.get(purchase=purchase).candidates
    return [(one["rung"], one["reason"]) for one in candidates]


def credited(enrolment: Enrolment) -> Decimal:
    entries = CommissionEntry.objects.filter(enrolment=enrolment)
    return sum(entries.values_list("amount", flat=True), Decimal(0))


# --- the ladder ---------------------------------------------------------------------------------


def test_every_way_stands_on_its_rung_and_the_strongest_eligible_one_wins(owner: User) -> None:
    ravi = make_customer()
    ways = ("manual", "binding", "code", "claim", "click", "cookie")
    by = {way: make_enrolment(code=f"BY-{way}") for way in ways}
    bind_customer(
        customer=ravi,
        enrolment=by["binding"],
        reason="Said so",
        acting_user=owner,
        now=SALE_AT - DAY,
    )
    claim(by["claim"], ravi)
    clicked = make_click(by["click"])
    remember_click(customer=ravi, click_id=make_click(by["cookie"]).public_id)
    sale = make_sale(customer=ravi, codes=("BY-CODE", clicked.public_id))
    settle(sale)
    assert reasons(sale) == [("binding", "won")] + [(way, "later_candidate") for way in ways[2:]]
    attribute_manually(purchase=sale, enrolment=by["manual"], reason="Phoned us", acting_user=owner)
    assert reasons(sale)[:2] == [("manual", "won"), ("binding", "later_candidate")]
    order = [*ways]
    for way in order:
        decide_affiliates(
            affiliates=[by[way].affiliate],
            state=Affiliate.State.SUSPENDED,
            reason="Sold fakes.",
            acting_user=owner,
        )
        next_sale = make_sale(
            customer=ravi, codes=("BY-CODE", clicked.public_id), occurred_at=SALE_AT + DAY
        )
        settle(next_sale)
        later = order[order.index(way) + 1 :]
        expected = next((by[one] for one in later if one != "manual"), None)
        assert winner_of(next_sale) == expected


def test_the_shop_orders_the_ways_and_leaves_some_out() -> None:
    ravi, first, second = make_customer(), make_enrolment(code="CODE1"), make_enrolment(code="TOLD")
    claim(second, ravi)
    AttributionPolicy.objects.create(ladder=["claim", "code"])
    sale = make_sale(customer=ravi, codes=("CODE1", make_click(first).public_id))
    settle(sale)
    assert winner_of(sale) == second
    assert reasons(sale) == [
        ("claim", "won"),
        ("code", "later_candidate"),
        ("click", "way_off"),
    ]


def test_a_touch_counts_within_the_window_of_the_plan_and_not_after_the_bill() -> None:
    ravi = make_customer()
    enrolment = make_enrolment(plan=make_binding_plan(window_days=7))
    claim(enrolment, ravi)
    in_time = make_sale(customer=ravi, occurred_at=SALE_AT + 6 * DAY)
    too_late = make_sale(customer=ravi, occurred_at=SALE_AT + 6 * DAY + timedelta(seconds=1))
    before = make_sale(customer=ravi, occurred_at=SALE_AT - 2 * DAY)
    settle(in_time, too_late, before)
    assert reasons(in_time) == [("claim", "won")]
    assert reasons(too_late) == [("claim", "window_over")]
    assert reasons(before) == [("claim", "touched_later")]
    assert credited(enrolment) == Decimal(100)


def test_the_newest_touch_before_the_bill_counts() -> None:
    ravi, first, second = make_customer(), make_enrolment(code="FIRST"), make_enrolment(code="LAST")
    claim(first, ravi, SALE_AT - 5 * DAY)
    claim(second, ravi, SALE_AT - 3 * DAY)
    claim(first, ravi, SALE_AT + 3 * DAY)
    sale = make_sale(customer=ravi)
    settle(sale)
    assert winner_of(sale) == second


def test_a_phone_that_is_claimed_before_it_registers_counts_for_its_customer() -> None:
    enrolment = make_enrolment()
    claim_phone(
        enrolment=enrolment,
        phone="+44 7700 900 555",
        place="whatsapp",
        touched_at=SALE_AT - DAY,
    )
    ravi = make_customer(phone="+447700900555")
    sale = make_sale(customer=ravi)
    settle(sale)
    assert winner_of(sale) == enrolment


def test_a_claim_settles_the_bill_that_was_quicker_than_the_cashier() -> None:
    ravi, enrolment = make_customer(), make_enrolment()
    sale = make_sale(customer=ravi)
    settle(sale)
    assert winner_of(sale) is None
    claim(enrolment, ravi, SALE_AT + timedelta(minutes=4))
    assert winner_of(sale) == enrolment


def test_a_preview_or_robot_brings_nobody() -> None:
    ravi, enrolment = make_customer(), make_enrolment()
    preview = make_click(enrolment, kind="preview")
    sale = make_sale(customer=ravi, codes=(preview.public_id,))
    settle(sale)
    assert reasons(sale) == [("click", "not_a_person")]
    assert remember_click(customer=ravi, click_id=preview.public_id) is None


def test_of_a_repeated_click_the_first_counts() -> None:
    enrolment = make_enrolment(plan=make_binding_plan(window_days=1))
    first = make_click(enrolment, at=SALE_AT - DAY - timedelta(minutes=30))
    again = make_click(enrolment, kind="repeat", first=first)
    sale = make_sale(codes=(again.public_id,))
    settle(sale)
    assert reasons(sale) == [("click", "window_over")]
    assert Conversion.objects.get().candidates[0]["code"] == first.public_id


def test_a_remembered_click_is_noted_once() -> None:
    ravi, click = make_customer(), make_click(make_enrolment())
    assert remember_click(customer=ravi, click_id=click.public_id) is not None
    assert remember_click(customer=ravi, click_id=click.public_id) is None
    with pytest.raises(ClickNotFoundError):
        remember_click(customer=ravi, click_id="clk_unknown")
    assert Touch.objects.count() == 1


# --- decided once -------------------------------------------------------------------------------


def test_a_decision_stands_whatever_is_touched_later_until_the_bill_changes() -> None:
    ravi, first, second = make_customer(), make_enrolment(code="CODE1"), make_enrolment(code="LATE")
    sale = make_sale(customer=ravi, codes=("CODE1",))
    settle(sale)
    AttributionPolicy.objects.create(ladder=["claim", "code"])
    claim(second, ravi)
    settle(sale)
    assert winner_of(sale) == first
    Purchase.objects.filter(pk=sale.pk).update(codes=["CODE1", "DIWALI"])
    settle(sale)
    assert winner_of(sale) == second
    assert [credited(first), credited(second)] == [0, 100]


def test_a_correction_of_the_bill_does_not_undo_what_was_pinned(owner: User) -> None:
    enrolment = make_enrolment()
    sale = make_sale(codes=("ASHA10",))
    settle(sale)
    held_until = Conversion.objects.get().held_until
    decide_affiliates(
        affiliates=[enrolment.affiliate],
        state=Affiliate.State.SUSPENDED,
        reason="Sold fakes.",
        acting_user=owner,
    )
    Enrolment.objects.update(hold_days=90, state="ended")
    Purchase.objects.filter(pk=sale.pk).update(occurred_at=SALE_AT + timedelta(seconds=9))
    settle(sale)
    conversion = Conversion.objects.get()
    assert (conversion.enrolment, conversion.held_until) == (enrolment, held_until)
    assert credited(enrolment) == Decimal(100)


# --- bindings -----------------------------------------------------------------------------------


def test_the_first_bill_binds_and_the_window_limits_only_that() -> None:
    ravi = make_customer()
    enrolment = make_enrolment(plan=make_binding_plan(bind_days=365, window_days=7))
    other = make_enrolment(code="OTHER")
    claim(enrolment, ravi)
    first = make_sale(customer=ravi)
    settle(first)
    binding = Binding.objects.get()
    assert (binding.customer, binding.purchase) == (ravi, first)
    assert (binding.bound_at, binding.ends_at) == (SALE_AT, SALE_AT + 365 * DAY)
    within = make_sale(customer=ravi, codes=("OTHER",), occurred_at=SALE_AT + 300 * DAY)
    after = make_sale(customer=ravi, codes=("OTHER",), occurred_at=SALE_AT + 365 * DAY)
    settle(within, after)
    assert reasons(within) == [
        ("binding", "won"),
        ("code", "later_candidate"),
        ("claim", "window_over"),
    ]
    assert winner_of(after) == other
    assert reasons(after)[0] == ("binding", "binding_over")


def test_a_plan_without_binding_lets_each_bill_stand_for_itself() -> None:
    ravi = make_customer()
    make_enrolment()
    first, second = make_sale(customer=ravi, codes=("ASHA10",)), make_sale(customer=ravi)
    settle(first, second)
    assert winner_of(second) is None
    assert not Binding.objects.exists()


def test_bills_in_any_order_bind_to_who_made_the_earliest() -> None:
    plan = make_binding_plan(bind_days=None)
    one, two = make_enrolment(code="ONE", plan=plan), make_enrolment(code="TWO", plan=plan)
    bills = [("TWO", 2), ("ONE", 1), ("", 3)]
    for order in permutations(bills):
        customer = make_customer()
        for code, day in order:
            settle(
                make_sale(
                    customer=customer,
                    codes=(code,) if code else (),
                    occurred_at=SALE_AT + day * DAY,
                )
            )
        binding = Binding.objects.get(customer=customer)
        assert (binding.enrolment, binding.bound_at) == (one, SALE_AT + DAY)
        early = make_sale(customer=customer, occurred_at=SALE_AT)
        late = make_sale(customer=customer, codes=("TWO",), occurred_at=SALE_AT + 9 * DAY)
        settle(early, late)
        assert winner_of(early) is None
        assert winner_of(late) == one
    assert two.bindings.count() == 0


def test_a_batch_decides_as_bill_by_bill_in_order_of_time() -> None:
    plan = make_binding_plan(bind_days=30)
    one = make_enrolment(code="ONE", plan=plan)
    make_enrolment(code="TWO", plan=plan)
    ravi = make_customer()
    late = make_sale(customer=ravi, codes=("TWO",), occurred_at=SALE_AT + DAY)
    first = make_sale(customer=ravi, codes=("ONE",))
    settle(late, first)
    assert {winner_of(late), winner_of(first)} == {one}


def test_a_bill_that_moves_to_another_customer_takes_its_binding_along() -> None:
    wrong, right = make_customer(), make_customer()
    enrolment = make_enrolment(plan=make_binding_plan(bind_days=None))
    sale = make_sale(customer=wrong, codes=("ASHA10",))
    settle(sale)
    Purchase.objects.filter(pk=sale.pk).update(customer=right)
    settle(sale)
    assert Binding.objects.get(ended_at__isnull=True).customer == right
    next_one = make_sale(customer=wrong, occurred_at=SALE_AT + DAY)
    settle(next_one)
    assert winner_of(next_one) is None
    assert winner_of(sale) == enrolment


def test_staff_move_and_end_bindings_with_a_reason(owner: User) -> None:
    ravi, plan = make_customer(), make_binding_plan(bind_days=None)
    one, two = make_enrolment(code="ONE", plan=plan), make_enrolment(code="TWO", plan=plan)
    first = make_sale(customer=ravi, codes=("ONE",))
    settle(first)
    moved_at = SALE_AT + 10 * DAY
    with pytest.raises(ReasonMissingError):
        bind_customer(customer=ravi, enrolment=two, reason=" ", acting_user=owner, now=moved_at)
    assert Binding.objects.get(ended_at__isnull=True).enrolment == one
    binding = bind_customer(
        customer=ravi, enrolment=two, reason="Was a mistake", acting_user=owner, now=moved_at
    )
    before = make_sale(customer=ravi, occurred_at=moved_at - DAY)
    after = make_sale(customer=ravi, occurred_at=moved_at + DAY)
    settle(before, after)
    assert (winner_of(before), winner_of(after)) == (one, two)
    end_binding(binding=binding, reason="Asked us", acting_user=owner, now=moved_at + 5 * DAY)
    with pytest.raises(BindingEndedError):
        end_binding(binding=binding, reason="Again", acting_user=owner)
    free = make_sale(customer=ravi, occurred_at=moved_at + 6 * DAY)
    settle(free)
    assert winner_of(free) is None


def test_nobody_is_bound_to_an_affiliate_who_may_not_earn(owner: User) -> None:
    enrolment = make_enrolment(state=Affiliate.State.SUSPENDED)
    with pytest.raises(AffiliateNotEarningError):
        bind_customer(
            customer=make_customer(), enrolment=enrolment, reason="Said so", acting_user=owner
        )
    assert not Binding.objects.exists()


# --- splits -------------------------------------------------------------------------------------


def test_a_split_rule_shares_with_the_next_affiliate_who_may_earn() -> None:
    AttributionPolicy.objects.create(winner_share=70)
    one, two = make_enrolment(code="ONE"), make_enrolment(code="TWO")
    sale = make_sale(codes=("ONE", "TWO"))
    settle(sale)
    conversion = Conversion.objects.get()
    assert [(s["role"], s["enrolment_id"], s["percent"]) for s in conversion.shares] == [
        ("winner", one.pk, "70"),
        ("split", two.pk, "30"),
    ]
    assert reasons(sale) == [("code", "won"), ("code", "split")]
    assert conversion.held_until is not None
    assert conversion.shares[1]["held_until"] == conversion.held_until.isoformat()


def test_a_pinned_split_survives_another_policy_and_a_second_decision() -> None:
    policy = AttributionPolicy.objects.create(winner_share=70)
    make_enrolment(code="ONE")
    make_enrolment(code="TWO")
    sale = make_sale(codes=("ONE", "TWO"))
    settle(sale)
    pinned = Conversion.objects.get().shares
    assert [(share["percent"], bool(share["pinned"])) for share in pinned] == [
        ("70", True),
        ("30", True),
    ]
    policy.winner_share = 90
    policy.save()
    Purchase.objects.filter(pk=sale.pk).update(codes=["ONE", "TWO", "DIWALI"])
    settle(sale)
    assert Conversion.objects.get().shares == pinned


def test_one_affiliate_alone_takes_all() -> None:
    AttributionPolicy.objects.create(winner_share=70)
    one = make_enrolment(code="ONE")
    sale = make_sale(codes=("ONE",))
    settle(sale)
    [share] = Conversion.objects.get().shares
    assert (share["role"], share["percent"]) == ("winner", "100")
    assert credited(one) == Decimal(100)


# --- by hand ------------------------------------------------------------------------------------


def test_staff_say_who_brought_a_bill_or_that_nobody_did(owner: User) -> None:
    one, two = make_enrolment(code="ONE"), make_enrolment(code="TWO")
    sale = make_sale(codes=("ONE",))
    settle(sale)
    attribute_manually(purchase=sale, enrolment=two, reason="Mixed up", acting_user=owner)
    assert [credited(one), credited(two)] == [0, 100]
    attribute_manually(purchase=sale, enrolment=two, reason="Mixed up", acting_user=owner)
    assert ManualAttribution.objects.count() == 1
    attribute_manually(purchase=sale, enrolment=None, reason="A colleague", acting_user=owner)
    assert [credited(one), credited(two)] == [0, 0]
    assert reasons(sale) == [("code", "nobody")]


def test_a_bill_without_any_touch_is_given_by_hand(owner: User) -> None:
    enrolment, sale = make_enrolment(), make_sale()
    settle(sale)
    attribute_manually(purchase=sale, enrolment=enrolment, reason="Told us", acting_user=owner)
    assert credited(enrolment) == Decimal(100)


def test_refuses_by_hand_who_cannot_earn_and_writes_nothing(owner: User) -> None:
    asha = make_customer()
    enrolment, sale = make_enrolment(customer=asha), make_sale(customer=asha)
    with pytest.raises(NotEligibleError, match="own purchases"):
        attribute_manually(purchase=sale, enrolment=enrolment, reason="Please", acting_user=owner)
    with pytest.raises(ReasonMissingError):
        attribute_manually(purchase=sale, enrolment=enrolment, reason=" ", acting_user=owner)
    assert not ManualAttribution.objects.exists()
    assert not Conversion.objects.exists()


def test_refuses_by_hand_where_a_commission_was_granted_by_hand(owner: User) -> None:
    enrolment, other = make_enrolment(), make_enrolment(code="OTHER")
    sale = make_sale(codes=("ASHA10",))
    settle(sale)
    entry = CommissionEntry.objects.get()
    entry.pk, entry.kind, entry.conversion = None, CommissionEntry.Kind.MANUAL, None
    entry.reference = f"manual:purchase:{sale.pk}"
    entry.save()
    with pytest.raises(ManualCommissionExistsError):
        attribute_manually(purchase=sale, enrolment=other, reason="Told us", acting_user=owner)
    assert winner_of(sale) == enrolment
    assert not ManualAttribution.objects.exists()


# --- chats and counters -------------------------------------------------------------------------


def test_a_chat_text_with_a_code_claims_its_sender() -> None:
    ravi, enrolment = make_customer(), make_enrolment()
    said = [
        Said(phone=ravi.phone, text="Hi! asha10 sent me :)", at=SALE_AT - DAY),
        Said(phone=ravi.phone, text="ASHA10", at=SALE_AT - DAY),
        Said(phone="+447700900777", text="My code is ASHA10.", at=SALE_AT - DAY),
        Said(phone="+447700900778", text="ASHA100 or nothing", at=SALE_AT - DAY),
        Said(phone="", text="ASHA10", at=SALE_AT - DAY),
    ]
    assert len(claim_from_texts(said=said)) == 2
    sale = make_sale(customer=ravi)
    settle(sale)
    assert winner_of(sale) == enrolment


def test_nobody_claims_themselves_or_for_who_may_not_earn(owner: User) -> None:
    asha = make_customer()
    own = make_enrolment(customer=asha)
    idle = make_enrolment(code="IDLE1", state=Affiliate.State.SUSPENDED)
    with pytest.raises(OwnClaimError):
        claim(own, asha)
    with pytest.raises(AffiliateNotEarningError):
        claim(idle, asha)
    said = [Said(phone=asha.phone, text="ASHA10 IDLE1", at=SALE_AT)]
    assert claim_from_texts(said=said) == []
    assert not Touch.objects.exists()


@pytest.mark.performance
def test_the_number_of_queries_does_not_grow_with_bills_people_and_touches(
    django_assert_num_queries: Any,
) -> None:
    lenient()
    plan = make_binding_plan(bind_days=30)
    enrolments = [make_enrolment(code=f"CODE{n}", plan=plan) for n in range(3)]

    def make_bills(count: int) -> list[Purchase]:
        bills = []
        for place in range(count):
            customer = make_customer()
            for enrolment in enrolments:
                claim(enrolment, customer)
            codes = (f"CODE{place % 3}", make_click(enrolments[0]).public_id)
            bills.append(make_sale(customer=customer, codes=codes))
        return bills

    one, many = make_bills(1), make_bills(15)
    with CaptureQueriesContext(connection) as for_one:
        settle(*one)
    with django_assert_num_queries(len(for_one)):
        settle(*many)
    assert Binding.objects.count() == 16
    assert len(for_one) <= 46


@pytest.mark.performance
def test_many_touches_take_as_many_queries_as_one(django_assert_num_queries: Any) -> None:
    enrolment = make_enrolment()

    def touches(count: int) -> list[Touch]:
        return [
            Touch(
                enrolment=enrolment,
                way="claim",
                place="api",
                customer=make_customer(),
                touched_at=SALE_AT,
            )
            for _ in range(count)
        ]

    one, many = touches(1), touches(12)
    with CaptureQueriesContext(connection) as for_one:
        record_touches(touches=one)
    with django_assert_num_queries(len(for_one)):
        record_touches(touches=many)
