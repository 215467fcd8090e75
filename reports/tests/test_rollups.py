from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from affiliates.engine import Kind as Pays
from affiliates.tests.factories import make_enrolment, make_plan
from customers.models import Store
from customers.services import register_customer
from loyalty.tests.factories import make_program, make_rule
from loyalty_site.outbox.services import publish
from messaging.events import MessageStateChanged
from messaging.models import Message
from reports.models import (
    AffiliateDay,
    DirtyDay,
    Kind,
    MemberDay,
    PointsDay,
    RegistrationDay,
    SalesDay,
    TemplateDay,
)
from reports.services import mark_dirty, rebuild_rollups, recompute_dirty_days
from reports.tests.factories import (
    ROLLUPS,
    START,
    Shop,
    bring_up_to_date,
    deliver_events,
    make_message,
    make_reach,
    make_state,
    rollups,
    settle,
)

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 1)


@pytest.mark.parametrize("seed", range(4))
def test_rollups_kept_day_by_day_equal_rollups_built_from_scratch(seed: int) -> None:
    shop = Shop(seed)
    chance = Random(seed)
    for _ in range(60):
        shop.act()
        if chance.random() < 0.2:
            deliver_events()
        if chance.random() < 0.2:
            recompute_dirty_days(limit=chance.randrange(1, 9))
    bring_up_to_date()
    kept = rollups()
    assert all(kept[model.__name__] for model in (SalesDay, MemberDay, PointsDay, AffiliateDay))
    for model in ROLLUPS:
        model._default_manager.all().delete()
    for _ in rebuild_rollups():
        pass
    assert rollups() == kept
    call_command("rebuild_rollups")
    assert rollups() == kept


def test_a_days_sales_are_counted_after_returns_and_without_cancelled_bills() -> None:
    make_program()
    asha, ravi = (register_customer(name=name, source="test") for name in ("Asha", "Ravi"))
    settle(
        make_state(number="B1", net="100.00", customer=asha, lines=3),
        make_state(number="B2", net="50.00", customer=asha),
        make_state(number="B3", net="20.00", customer=ravi),
        make_state(number="B4", net="7.00"),
        make_state(number="B5", net="900.00", status="cancelled", customer=ravi),
        make_state(number="R1", net="-30.00", sale_external_id="B1", customer=asha),
    )
    bring_up_to_date()
    day = SalesDay.objects.get()
    assert (day.day, day.bills, day.returns, day.lines) == (DAY, 4, 1, 6)
    assert (day.net, day.customers) == (Decimal("147.00"), 2)
    assert list(MemberDay.objects.order_by("customer").values_list("customer", "bills", "net")) == [
        (asha.pk, 2, Decimal("120.00")),
        (ravi.pk, 1, Decimal("20.00")),
    ]


def test_a_bill_belongs_to_the_day_of_its_own_store() -> None:
    Store.objects.create(code="S2", name="New York", zone="America/New_York")
    late = START.replace(hour=20)
    settle(
        make_state(number="B1", occurred_at=late),
        make_state(number="B2", occurred_at=late, store="S2"),
    )
    bring_up_to_date()
    assert list(SalesDay.objects.order_by("day").values_list("day", "store__code")) == [
        (DAY, "S2"),
        (DAY + timedelta(days=1), "S1"),
    ]


def test_a_bill_that_moves_to_another_day_and_store_leaves_nothing_behind() -> None:
    make_program()
    make_rule()
    asha = register_customer(name="Asha", source="test")
    settle(make_state(number="B1", customer=asha))
    bring_up_to_date()
    moved = make_state(
        number="B1", customer=asha, store="S2", occurred_at=START + timedelta(days=2)
    )
    settle(moved)
    bring_up_to_date()
    there = (DAY + timedelta(days=2), "S2")
    assert list(SalesDay.objects.values_list("day", "store__code")) == [there]
    assert list(MemberDay.objects.values_list("day", "store__code")) == [there]
    assert set(PointsDay.objects.values_list("store__code", flat=True)) == {"S2"}


def test_registrations_points_and_commissions_have_their_days() -> None:
    make_program()
    make_rule()
    enrolment = make_enrolment(code="ASHA10")
    asha = register_customer(name="Asha", source="test")
    settle(make_state(number="B1", net="1000.00", customer=asha, codes=("ASHA10",)))
    bring_up_to_date()
    assert RegistrationDay.objects.get().customers == 1
    points = PointsDay.objects.get()
    assert points.awarded > 0 and points.redeemed == 0
    day = AffiliateDay.objects.get()
    assert (day.day, day.affiliate) == (DAY, enrolment.affiliate)
    assert (day.conversions, day.commission) == (1, Decimal("100.00"))


def test_reach_and_sales_of_affiliates_have_their_days() -> None:
    enrolment = make_enrolment(code="ASHA10")
    make_reach(enrolment)
    settle(
        make_state(number="B1", net="1000.00", codes=("ASHA10",)),
        make_state(
            number="R1",
            net="-400.00",
            sale_external_id="B1",
            occurred_at=START + timedelta(days=2),
        ),
    )
    bring_up_to_date()
    first, second = AffiliateDay.objects.order_by("day")
    assert (first.shares, first.clicks, first.chats, first.conversions) == (3, 20, 1, 1)
    assert (first.sales, second.sales) == (Decimal("1000.00"), Decimal("-400.00"))
    assert first.commission + second.commission == Decimal("60.00")


def test_a_bill_of_an_affiliate_that_moves_or_comes_back_whole_leaves_nothing_behind() -> None:
    make_enrolment(code="ASHA10", plan=make_plan(kind=Pays.FIXED, rate="10"))
    sold: dict[str, Any] = {"number": "B1", "net": "1000.00", "codes": ("ASHA10",)}
    settle(make_state(**sold))
    bring_up_to_date()
    moved = START + timedelta(days=5)
    settle(make_state(**sold, occurred_at=moved))
    bring_up_to_date()
    assert list(AffiliateDay.objects.filter(sales__gt=0).values_list("day", flat=True)) == [
        DAY + timedelta(days=5)
    ]
    back: dict[str, Any] = {
        "sale_external_id": "B1",
        "occurred_at": START + timedelta(days=7),
        "codes": (),
    }
    settle(make_state(number="R1", net="-300.00", **back))
    bring_up_to_date()
    assert AffiliateDay.objects.aggregate(net=Sum("sales"))["net"] == Decimal("700.00")
    settle(make_state(number="R2", net="-700.00", **back))
    bring_up_to_date()
    figures = AffiliateDay.objects.values_list("conversions", "sales")
    assert set(figures) == {(0, Decimal("0.00"))}


def test_messages_are_counted_by_the_day_they_were_written() -> None:
    states = Message.State
    made = [
        make_message(state=state)
        for state in (states.READ, states.DELIVERED, states.ACCEPTED, states.FAILED, states.QUEUED)
    ]
    make_message(state=states.SUPPRESSED)
    publish(
        MessageStateChanged(
            message_id=message.pk,
            template="welcome",
            state=message.state,
            occurred_at=START + timedelta(days=3),
        )
        for message in made
    )
    bring_up_to_date()
    day = TemplateDay.objects.get()
    assert (day.day, day.template) == (DAY, "welcome")
    assert (day.queued, day.sent, day.delivered, day.read, day.failed) == (5, 3, 2, 1, 1)


def test_only_marked_days_are_recomputed_newest_first_and_in_bounded_batches() -> None:
    settle(
        *(
            make_state(number=f"B{index}", occurred_at=START + timedelta(days=index))
            for index in range(5)
        )
    )
    deliver_events()
    assert DirtyDay.objects.filter(kind=Kind.SALES).count() == 5
    assert recompute_dirty_days(limit=2) == 2
    assert list(SalesDay.objects.order_by("day").values_list("day", flat=True)) == [
        DAY + timedelta(days=3),
        DAY + timedelta(days=4),
    ]
    assert DirtyDay.objects.count() == 3


def test_marking_twice_is_one_mark_and_recomputing_again_changes_nothing() -> None:
    settle(make_state(number="B1"))
    bring_up_to_date()
    kept = rollups()
    mark_dirty([(Kind.SALES, DAY), (Kind.SALES, DAY)])
    mark_dirty([(Kind.SALES, DAY)])
    assert DirtyDay.objects.count() == 1
    assert recompute_dirty_days() == 1
    assert recompute_dirty_days() == 0
    assert rollups() == kept


@pytest.mark.performance
def test_recomputing_takes_the_same_number_of_queries_for_few_and_many_bills(
    django_assert_num_queries: Any,
) -> None:
    settle(make_state(number="B0"))
    deliver_events()
    with CaptureQueriesContext(connection) as for_one:
        recompute_dirty_days()
    settle(
        *(make_state(number=f"B{n}", occurred_at=START + timedelta(days=n % 5)) for n in range(40))
    )
    deliver_events()
    with django_assert_num_queries(len(for_one)):
        recompute_dirty_days()
