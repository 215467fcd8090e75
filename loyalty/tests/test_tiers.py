"""Tiers with accounts and bills: at the bill, at a period's end, by review, by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.tests.factories import make_purchase, make_purchase_state
from loyalty.errors import AccountClosedError, InvalidFloorError
from loyalty.models import Account, PointsEntry, Program, TierChange
from loyalty.selectors import Clock, balance_at, ladder_of, tier_at, tier_progress
from loyalty.services import (
    end_tier_periods,
    give_tier,
    review_tiers,
    settle_purchases,
    take_given_tier,
)
from loyalty.tests.factories import award, make_account, make_program
from loyalty_site.outbox.models import Delivery

pytestmark = pytest.mark.django_db
D = Decimal
NOW = datetime(2026, 6, 15, 6, 30, tzinfo=UTC)


def set_program(**fields: Any) -> Program:
    program = make_program()
    for name, value in fields.items():
        setattr(program, name, value)
    program.full_clean()
    program.save()
    return program


def tier_of(account: Account) -> str:
    return str(Account.objects.get(pk=account.pk).tier)


def ends_on(account: Account) -> date | None:
    return Account.objects.get(pk=account.pk).tier_ends_on


def joined(account: Account, day: date) -> Account:
    Account.objects.filter(pk=account.pk).update(opened_at=account.program.start_of(day))
    account.refresh_from_db()
    return account


def buy(account: Account, net: str, at: datetime = NOW, **fields: Any) -> None:
    state = make_purchase_state(customer=account.customer, net=net, occurred_at=at, **fields)
    settle_purchases(states=[state], now=at)


def bought(account: Account, net: str, at: datetime) -> None:
    """A bill that did not pass through the settlement, so that no tier was reached by it."""
    make_purchase(customer=account.customer, net=net, occurred_at=at)


# --- at the bill --------------------------------------------------------------------------------


def test_a_bill_raises_at_once_and_says_until_when() -> None:
    account = make_account()
    buy(account, "1500.75")
    assert (tier_of(account), ends_on(account)) == ("Silver", date(2027, 6, 15))
    change = TierChange.objects.get()
    assert (change.cause, change.spend) == ("bill", D("1500.75"))
    assert change.figures == {
        "measure": "spend",
        "measured": "1500.75",
        "needed": "1000.00",
        "first_day": "2025-06-16",
        "last_day": "2026-06-15",
    }


def test_a_calendar_year_begins_anew_and_lasts_to_its_end() -> None:
    set_program(tier_window="year")
    account = make_account()
    buy(account, "900", datetime(2025, 12, 31, 18, 0, tzinfo=UTC))
    # 18:40 UTC on 31 December is already the new year in Kolkata.
    buy(account, "900", datetime(2025, 12, 31, 18, 40, tzinfo=UTC))
    assert tier_of(account) == "Bronze"
    buy(account, "100", datetime(2026, 1, 2, 6, 0, tzinfo=UTC))
    assert (tier_of(account), ends_on(account)) == ("Silver", date(2026, 12, 31))
    assert TierChange.objects.get().reason == "Spent 1000.00 since 1 Jan 2026"


def test_the_year_may_be_each_customers_own() -> None:
    set_program(tier_window="anniversary")
    account = joined(make_account(), date(2025, 7, 1))
    buy(account, "600", datetime(2026, 6, 30, 6, 0, tzinfo=UTC))
    buy(account, "600", datetime(2026, 7, 1, 6, 0, tzinfo=UTC))
    assert tier_of(account) == "Bronze"
    buy(account, "400", datetime(2026, 7, 2, 6, 0, tzinfo=UTC))
    assert (tier_of(account), ends_on(account)) == ("Silver", date(2027, 6, 30))


def test_visits_count_days_and_not_bills() -> None:
    set_program(tier_measure="visits")
    program = make_program()
    for threshold, name in ((2, "Silver"), (3, "Gold")):
        program.tiers.filter(name=name).update(threshold=threshold)
    account = make_account()
    for minutes in (0, 5, 10):
        buy(account, "10", NOW + timedelta(minutes=minutes))
    assert tier_of(account) == "Bronze"
    buy(account, "10", NOW + timedelta(days=1))
    assert tier_of(account) == "Silver"
    assert TierChange.objects.get().reason == "2 days of buying in 365 days"
    assert tier_progress(account, now=NOW + timedelta(days=1)).spend == 2


def test_points_count_as_the_entries_say() -> None:
    set_program(tier_measure="points")
    account = make_account()
    award(account, 5000, reference="gift")
    assert tier_progress(account, now=NOW).measure == "points"
    # The ledger decides what counts; an entry that does not qualify lifts nobody.
    expected = PointsEntry.objects.get(reference="gift").qualifying
    assert tier_progress(account, now=NOW).spend == expected


def test_a_rising_account_takes_the_same_queries_for_one_bill_and_twenty() -> None:
    counts = []
    buy(make_account(), "1")
    for number in (1, 20):
        states = [
            make_purchase_state(customer=make_account().customer, net="1200") for _ in range(number)
        ]
        with CaptureQueriesContext(connection) as captured:
            settle_purchases(states=states, now=NOW)
        counts.append(len(captured))
    assert counts[0] == counts[1]
    assert TierChange.objects.count() == 21


# --- at a period's end --------------------------------------------------------------------------


def silver(account: Account, until: date) -> Account:
    tier = account.program.tiers.get(name="Silver")
    Account.objects.filter(pk=account.pk).update(tier=tier, tier_ends_on=until)
    account.refresh_from_db()
    return account


def end_periods(on: date) -> list[TierChange]:
    program = Program.objects.get()
    _, moves = end_tier_periods(program=program, on=on, now=NOW)
    taken, again = end_tier_periods(program=program, on=on, now=NOW)
    assert (taken, again) == ([], [])
    return moves


def test_a_tier_earned_again_is_renewed_without_a_move() -> None:
    set_program(tier_window="year", tier_grace_days=0)
    account = silver(make_account(), date(2025, 12, 31))
    bought(account, "1000", datetime(2025, 12, 31, 18, 0, tzinfo=UTC))
    assert end_periods(date(2026, 1, 1)) == []
    assert (tier_of(account), ends_on(account)) == ("Silver", date(2026, 12, 31))


def test_a_tier_not_earned_again_ends_after_the_grace() -> None:
    set_program(tier_window="year", tier_grace_days=10)
    account = silver(make_account(), date(2025, 12, 31))
    bought(account, "999.99", datetime(2025, 6, 1, tzinfo=UTC))
    assert end_periods(date(2026, 1, 10)) == []
    assert tier_of(account) == "Silver"
    (move,) = end_periods(date(2026, 1, 11))
    assert (tier_of(account), ends_on(account)) == ("Bronze", None)
    assert (move.cause, move.spend) == ("period_end", D("999.99"))
    assert move.occurred_at == account.program.start_of(date(2026, 1, 11))
    assert "999.99 from 1 Jan 2025 to 10 Jan 2026" in move.reason


def test_what_is_bought_in_the_grace_still_counts() -> None:
    set_program(tier_window="year", tier_grace_days=10)
    account = silver(make_account(), date(2025, 12, 31))
    bought(account, "600", datetime(2025, 6, 1, tzinfo=UTC))
    bought(account, "400", datetime(2026, 1, 10, 12, 0, tzinfo=UTC))
    assert end_periods(date(2026, 1, 11)) == []
    assert ends_on(account) == date(2026, 12, 31)


@pytest.mark.parametrize(
    ("demotion", "tier"), [("one_step", "Silver"), ("to_earned", "Bronze"), ("never", "Gold")]
)
def test_the_programme_says_how_far_down(demotion: str, tier: str) -> None:
    program = set_program(tier_window="year", tier_grace_days=0, tier_demotion=demotion)
    account = make_account()
    gold = program.tiers.get(name="Gold")
    Account.objects.filter(pk=account.pk).update(tier=gold, tier_ends_on=date(2025, 12, 31))
    end_periods(date(2026, 1, 1))
    assert tier_of(account) == tier


def test_a_run_that_comes_late_leaves_the_same_as_runs_in_time() -> None:
    program = set_program(tier_window="month", tier_grace_days=5)
    gold = program.tiers.get(name="Gold")
    accounts = [make_account(), make_account()]
    for account in accounts:
        Account.objects.filter(pk=account.pk).update(tier=gold, tier_ends_on=date(2026, 1, 31))
        bought(account, "1000", datetime(2026, 4, 2, tzinfo=UTC))
    late, in_time = accounts
    Account.objects.filter(pk=late.pk).update(closed_at=NOW)
    for days in range(150):
        end_tier_periods(program=program, on=date(2026, 2, 1) + timedelta(days=days), now=NOW)
    Account.objects.filter(pk=late.pk).update(closed_at=None)
    end_tier_periods(program=program, on=date(2026, 6, 30), now=NOW)
    histories = [
        [
            (move.tier.name, move.occurred_at, move.spend)
            for move in account.tier_changes.order_by("pk")
        ]
        for account in accounts
    ]
    assert histories[0] == histories[1]
    assert histories[0]
    assert ends_on(late) == ends_on(in_time)


def test_a_return_in_the_period_counts_against_keeping_the_tier() -> None:
    set_program(tier_window="year", tier_grace_days=0)
    account = silver(make_account(), date(2025, 12, 31))
    sale = make_purchase(
        customer=account.customer, net="1200", occurred_at=datetime(2025, 6, 1, tzinfo=UTC)
    )
    make_purchase(
        customer=account.customer,
        net="-300",
        kind="return",
        sale_external_id=sale.external_id,
        occurred_at=datetime(2025, 7, 1, tzinfo=UTC),
    )
    (move,) = end_periods(date(2026, 1, 1))
    assert move.spend == D(900)


@pytest.mark.performance
def test_ends_and_reviews_take_the_same_queries_for_one_account_and_ten() -> None:
    program = set_program(tier_window="year", tier_grace_days=0)
    counts = []
    for number in (1, 10):
        for _ in range(number):
            silver(make_account(), date(2025, 12, 31))
            bought(make_account(), "3000", NOW - timedelta(days=1))
        with CaptureQueriesContext(connection) as captured:
            end_tier_periods(program=program, on=date(2026, 6, 15), now=NOW)
            review_tiers(program=program, on=date(2026, 6, 15), now=NOW)
        counts.append(len(captured))
    assert counts[0] == counts[1]
    assert counts[0] <= 20


# --- the review ---------------------------------------------------------------------------------


def test_a_lowered_threshold_raises_at_the_next_review() -> None:
    account = make_account()
    buy(account, "900", NOW - timedelta(days=1))
    account.program.tiers.filter(name="Silver").update(threshold=800)
    taken, (move,) = review_tiers(program=account.program, on=date(2026, 6, 15), now=NOW)
    assert taken == [account.pk]
    assert (tier_of(account), move.cause) == ("Silver", "review")
    assert ends_on(account) == date(2027, 6, 14)
    assert review_tiers(program=account.program, on=date(2026, 6, 15), now=NOW)[1] == []


def test_a_review_counts_whole_days_and_never_demotes() -> None:
    account = silver(make_account(), date(2027, 1, 1))
    bought(account, "3000", NOW)
    assert review_tiers(program=account.program, on=date(2026, 6, 15), now=NOW)[1] == []
    assert tier_of(account) == "Silver"
    assert len(review_tiers(program=account.program, on=date(2026, 6, 16), now=NOW)[1]) == 1
    assert tier_of(account) == "Gold"


def test_a_review_dates_a_tier_that_has_no_end() -> None:
    account = silver(make_account(), date(2026, 1, 1))
    Account.objects.filter(pk=account.pk).update(tier_ends_on=None)
    review_tiers(program=account.program, on=date(2026, 6, 15), now=NOW)
    assert (tier_of(account), ends_on(account)) == ("Silver", date(2027, 6, 14))
    assert not TierChange.objects.exists()


# --- by hand ------------------------------------------------------------------------------------


def gold(account: Account) -> Any:
    return account.program.tiers.get(name="Gold")


def test_a_given_tier_holds_until_its_last_day() -> None:
    set_program(tier_grace_days=0)
    account = make_account()
    give_tier(
        account=account, tier=gold(account), ends_on=date(2026, 7, 31), reason="Founder", now=NOW
    )
    assert tier_of(account) == "Gold"
    assert TierChange.objects.get().reason == "Given until 31 Jul 2026: Founder"
    assert end_periods(date(2026, 7, 31)) == []
    (move,) = end_periods(date(2026, 8, 1))
    assert (tier_of(account), move.cause) == ("Bronze", "given_ended")
    account.refresh_from_db()
    assert (account.floor_tier, account.floor_reason, account.earned_tier) == (None, "", None)


def test_own_purchases_go_on_counting_behind_a_given_tier() -> None:
    account = make_account()
    give_tier(
        account=account, tier=gold(account), ends_on=date(2026, 7, 31), reason="Founder", now=NOW
    )
    buy(account, "1500")
    account.refresh_from_db()
    assert str(account.earned_tier) == "Silver"
    assert TierChange.objects.count() == 1
    end_periods(date(2026, 8, 1))
    assert (tier_of(account), ends_on(account)) == ("Silver", date(2027, 6, 15))


def test_a_given_tier_shields_from_the_end_of_a_period() -> None:
    set_program(tier_window="year", tier_grace_days=0, tier_demotion="to_earned")
    account = silver(make_account(), date(2025, 12, 31))
    silver_tier = account.tier
    assert silver_tier
    give_tier(account=account, tier=silver_tier, reason="Staff", now=NOW)
    assert end_periods(date(2026, 6, 15)) == []
    assert tier_of(account) == "Silver"
    take_given_tier(account=account, reason="Left us", now=NOW)
    assert tier_of(account) == "Bronze"
    assert TierChange.objects.get().reason == "Given tier taken back: Left us"


def test_a_lower_given_tier_changes_nothing_until_it_is_needed() -> None:
    set_program(tier_window="year", tier_grace_days=0, tier_demotion="to_earned")
    program = make_program()
    account = make_account()
    Account.objects.filter(pk=account.pk).update(
        tier=gold(account), tier_ends_on=date(2026, 12, 31)
    )
    give_tier(
        account=account, tier=program.tiers.get(name="Silver"), reason="Long with us", now=NOW
    )
    assert tier_of(account) == "Gold"
    assert not TierChange.objects.exists()
    end_periods(date(2027, 1, 1))
    assert tier_of(account) == "Silver"


def test_refuses_a_given_tier_without_reason_or_future() -> None:
    account = make_account()
    for fields in ({"reason": " "}, {"reason": "x", "ends_on": date(2026, 6, 14)}):
        with pytest.raises(InvalidFloorError):
            give_tier(**{"account": account, "tier": gold(account), "now": NOW, **fields})
    with pytest.raises(InvalidFloorError):
        take_given_tier(account=account, reason="x", now=NOW)
    other = Program.objects.create(pk=2, name="Other")
    foreign = other.tiers.create(name="Elsewhere", threshold=0)
    with pytest.raises(InvalidFloorError):
        give_tier(account=account, tier=foreign, reason="x", now=NOW)
    Account.objects.filter(pk=account.pk).update(closed_at=NOW)
    with pytest.raises(AccountClosedError):
        give_tier(account=account, tier=gold(account), reason="x", now=NOW)
    account.refresh_from_db()
    assert (tier_of(account), account.floor_tier) == ("Bronze", None)
    assert not TierChange.objects.exists()
    assert not Delivery.objects.filter(event_name="loyalty.tier_changed").exists()


# --- reads --------------------------------------------------------------------------------------


def test_progress_says_what_is_missing_to_rise_and_to_stay() -> None:
    program = set_program(tier_window="year", tier_grace_days=10, tier_demotion="to_earned")
    account = silver(make_account(), date(2026, 12, 31))
    bought(account, "400", NOW)
    progress = tier_progress(Account.objects.get(pk=account.pk), now=NOW)
    assert (str(progress.next_tier), progress.missing, progress.percent) == ("Gold", D(2100), 16)
    keeping = progress.keeping
    assert keeping
    assert (keeping.missing, str(keeping.falls_to)) == (D(600), "Bronze")
    assert (keeping.last_chance, keeping.falls_on) == (date(2027, 1, 10), date(2027, 1, 11))
    bought(account, "600", NOW)
    keeping = tier_progress(Account.objects.get(pk=account.pk), now=NOW).keeping
    assert keeping and (keeping.missing, keeping.falls_to) == (D(0), None)
    assert program.tier_grace_days == 10


def test_the_ladder_counts_who_stands_where() -> None:
    for _ in range(3):
        make_account()
    silver(make_account(), date(2027, 1, 1))
    steps = ladder_of(make_program())
    assert [(step.tier.name, step.members, step.percent) for step in steps] == [
        ("Bronze", 3, D("75.0")),
        ("Silver", 1, D("25.0")),
        ("Gold", 0, D("0.0")),
    ]


def test_the_tier_at_an_instant_is_what_was_true_or_what_was_known() -> None:
    account, never_moved = make_account(), make_account()
    bronze = account.tier_id
    march, april, may = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5))
    buy(account, "1500", april)
    # A bill of March comes in June: it lifts to the top, from March on.
    late = make_purchase_state(customer=account.customer, net="2600", occurred_at=march)
    settle_purchases(states=[late], now=NOW)
    ids = [account.pk, never_moved.pk]
    by_name = {tier.pk: tier.name for tier in make_program().tiers.all()}

    def at(moment: datetime, clock: Clock) -> str:
        found = tier_at(ids, moment, clock=clock)
        assert found[never_moved.pk] == bronze
        return by_name[found[account.pk] or 0]

    assert at(march - timedelta(days=1), Clock.OCCURRED) == "Bronze"
    assert at(march, Clock.OCCURRED) == "Gold"
    assert at(may, Clock.OCCURRED) == "Gold"
    assert at(march, Clock.RECORDED) == "Bronze"
    assert at(may, Clock.RECORDED) == "Silver"
    assert at(NOW, Clock.RECORDED) == "Gold"


def test_the_balance_at_an_instant_is_what_was_true_or_what_was_known() -> None:
    account, other = make_account(), make_account()
    early = NOW - timedelta(days=30)
    award(account, 70, reference="a", now=early)
    ids = [account.pk, other.pk]
    assert balance_at(ids, NOW) == {account.pk: 70, other.pk: 0}
    assert balance_at(ids, early - timedelta(seconds=1)) == {account.pk: 0, other.pk: 0}
    assert balance_at(ids, early, clock=Clock.OCCURRED)[account.pk] == 70
