"""The nightly jobs: what falls due happens once, in order, whatever is cut off or repeated."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.selectors import Occasion, occasion_index
from customers.services import change_customer
from customers.tests.factories import make_customer, make_purchase_state
from loyalty import ledger
from loyalty.engine import NEVER, ExpiryPolicy
from loyalty.errors import InsufficientPointsError, JobBusyError, JobOverError
from loyalty.models import Account, ExpiryNotice, Hold, JobRun, Lot, PointsEntry, Program
from loyalty.selectors import verify_ledger
from loyalty.services import (
    award_points,
    open_accounts,
    redeem_points,
    release_overdue_holds,
    restart_job,
    run_nightly,
    set_tier_expiry,
    settle_purchases,
)
from loyalty.services.periodic import runs, upkeep
from loyalty.services.periodic.notices import distance_of
from loyalty.services.periodic.steps import Step
from loyalty.services.points import post_commands
from loyalty.tests.factories import award, make_account, make_program, make_rule
from loyalty_site.outbox.models import Delivery

pytestmark = pytest.mark.django_db
D = Decimal
Frozen = Callable[[datetime], Any]
AT = datetime(2026, 6, 15, 6, 30, tzinfo=UTC)
TODAY = date(2026, 6, 15)


def nightly(on: date = TODAY, **options: Any) -> bool:
    """Run the jobs of a day at noon of it."""
    with time_machine.travel(datetime(on.year, on.month, on.day, 6, 30, tzinfo=UTC), tick=False):
        return run_nightly(program=make_program(), on=on, **options)


def run_of(job: str, on: date = TODAY) -> JobRun:
    return JobRun.objects.get(job=job, on=on)


def set_program(**fields: Any) -> Program:
    program = make_program()
    for name, value in fields.items():
        setattr(program, name, value)
    program.full_clean()
    program.save()
    return program


def balance(account: Account) -> int:
    return Account.objects.get(pk=account.pk).balance


def ledger_lines() -> list[tuple[Any, ...]]:
    return list(
        PointsEntry.objects.order_by("account_id", "seq").values_list(
            "account_id", "kind", "points", "reference", "balance_after"
        )
    )


def pend(account: Account, points: int, **fields: Any) -> ledger.Entry:
    command = ledger.Pend(
        account_id=account.pk,
        points=points,
        reference=f"pend:{points}",
        reason="test",
        occurred_at=AT,
        **fields,
    )
    (outcome,) = post_commands(
        program=account.program,
        commands=[command],
        customers={account.pk: account.customer_id},
        now=AT,
    )
    return outcome.entry


# --- the run itself -----------------------------------------------------------------------------


def test_a_day_is_done_once_and_its_jobs_stand_in_their_order() -> None:
    account = make_account()
    award(account, 10, reference="old", expires_on=TODAY - timedelta(days=1))
    assert nightly()
    lines = ledger_lines()
    assert balance(account) == 0
    tries = list(JobRun.objects.order_by("pk").values_list("job", "state", "tries"))
    assert tries == [
        (job, "done", 1)
        for job in (
            "activate",
            "cancel",
            "tier_periods",
            "expire",
            "tier_review",
            "birthdays",
            "anniversaries",
            "notices",
        )
    ]
    assert nightly()
    assert (ledger_lines(), JobRun.objects.filter(tries=1).count()) == (lines, 8)
    run = run_of("expire")
    assert (run.done, run.total, run.percent) == (1, 1, 100)
    assert run.figures == {"entries": 1, "points": -10, "refused": 0}
    assert not verify_ledger()


def test_a_job_without_time_left_goes_on_where_it_stopped() -> None:
    accounts = [make_account() for _ in range(5)]
    for account in accounts:
        award(account, 10, reference="old", expires_on=TODAY - timedelta(days=1))
    assert not nightly(limit=2, keep_going=lambda: False)
    run = run_of("expire")
    assert (run.state, run.done, run.leased_until) == ("running", 2, None)
    assert [balance(account) for account in accounts] == [0, 0, 10, 10, 10]
    assert JobRun.objects.filter(state="waiting").count() == 4
    assert nightly(limit=2)
    assert [balance(account) for account in accounts] == [0] * 5
    assert PointsEntry.objects.filter(kind="expire").count() == 5


def test_a_job_that_fails_says_why_holds_the_others_back_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = make_account()
    award(account, 10, reference="old", expires_on=TODAY - timedelta(days=1))

    def fail(**_: Any) -> Any:
        raise ValueError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setitem(
            runs.JOBS,
            JobRun.Job.EXPIRE,
            Step(count=upkeep.EXPIRE.count, take=fail),
        )
        assert not nightly()
    run = run_of("expire")
    assert (run.state, run.error) == ("failed", "ValueError: the disk is full")
    assert run_of("tier_review").state == "waiting"
    assert balance(account) == 10
    assert nightly()
    run.refresh_from_db()
    assert (run.state, run.error, run.tries) == ("done", "", 2)
    assert balance(account) == 0


def test_a_job_that_another_process_has_is_left_to_it_until_its_lease_is_over() -> None:
    make_account()
    JobRun.objects.create(
        program=make_program(),
        job="activate",
        on=TODAY,
        state="running",
        leased_until=AT + timedelta(minutes=4),
    )
    assert not nightly()
    assert JobRun.objects.filter(state="waiting").count() == 7
    JobRun.objects.filter(job="activate").update(leased_until=AT)
    assert nightly()


def test_staff_can_let_a_job_of_today_run_again_and_nothing_is_done_twice() -> None:
    account = make_account()
    award(account, 10, reference="old", expires_on=TODAY - timedelta(days=1))
    nightly()
    lines = ledger_lines()
    with time_machine.travel(AT, tick=False):
        restart_job(run=run_of("expire"))
    assert run_of("expire").state == "waiting"
    assert nightly()
    assert (run_of("expire").state, ledger_lines()) == ("done", lines)


def test_refuses_to_restart_a_running_job_or_one_of_another_day() -> None:
    nightly()
    run = run_of("expire")
    with time_machine.travel(AT + timedelta(days=1), tick=False), pytest.raises(JobOverError):
        restart_job(run=run)
    JobRun.objects.filter(pk=run.pk).update(state="running", leased_until=AT + timedelta(minutes=1))
    with time_machine.travel(AT, tick=False), pytest.raises(JobBusyError):
        restart_job(run=run)
    run.refresh_from_db()
    assert run.state == "running"


@pytest.mark.performance
def test_a_night_takes_the_same_queries_for_one_account_and_ten() -> None:
    program = make_program()
    program.tiers.update(birthday_points=50)
    counts = []
    for night, number in enumerate((1, 10)):
        on = TODAY + timedelta(days=night)
        for _ in range(number):
            customer = make_customer(birth_date=date(1990, on.month, on.day))
            account = open_accounts(program=program, customer_ids=[customer.pk])[customer.pk]
            award(account, 10, reference="old", expires_on=on - timedelta(days=1))
            award(account, 10, reference="soon", expires_on=on + timedelta(days=6))
            pend(account, 7, activates_on=on)
            pend(account, 8, awaits="visit", cancels_on=on - timedelta(days=1))
        with CaptureQueriesContext(connection) as captured:
            assert nightly(on)
        counts.append(len(captured))
        assert run_of("birthdays", on).figures == {
            "entries": number,
            "points": 50 * number,
            "refused": 0,
        }
    # The first night also looks for the day of an earlier run, and finds none.
    assert abs(counts[0] - counts[1]) <= 2
    assert not verify_ledger()


# --- expiry -------------------------------------------------------------------------------------


def test_two_receipts_expire_after_ninety_days() -> None:
    """Case 1: 75 of the first lot and 380 of the second are left, and nothing on day 91."""
    set_program(expiry={"kind": "days", "length": 90})
    account = make_account()
    with time_machine.travel(datetime(2026, 1, 1, 6, tzinfo=UTC), tick=False):
        for number, points in ((1, 575), (2, 805)):
            award_points(account=account, points=points, reference=f"r{number}", reason="Receipt")
            redeem_points(account=account, points=500, reference=f"u{number}", reason="Reward")
            rest = list(Lot.objects.order_by("pk").values_list("remaining", flat=True))
            assert rest == {1: [75], 2: [0, 380]}[number]
    nightly(date(2026, 4, 1))
    assert balance(account) == 380
    nightly(date(2026, 4, 2))
    assert balance(account) == 0
    assert not Lot.objects.filter(remaining__gt=0).exists()


def test_what_expired_cannot_be_spent() -> None:
    """Case 13: +300 on 1 January, +200 on 1 February, 200 spent on 15 February, both expired."""
    set_program(expiry={"kind": "months", "length": 3})
    account = make_account()
    for on, points in ((date(2026, 1, 1), 300), (date(2026, 2, 1), 200)):
        with time_machine.travel(datetime(on.year, on.month, on.day, 6, tzinfo=UTC), tick=False):
            award_points(account=account, points=points, reference=f"{on}", reason="Receipt")
    with time_machine.travel(datetime(2026, 2, 15, 6, tzinfo=UTC), tick=False):
        redeem_points(account=account, points=200, reference="spend", reason="Reward")
    # Even before the night's job has come by.
    with (
        time_machine.travel(datetime(2026, 5, 2, 6, tzinfo=UTC), tick=False),
        pytest.raises(InsufficientPointsError),
    ):
        redeem_points(account=account, points=1, reference="late", reason="Reward")
    nightly(date(2026, 5, 2))
    assert balance(account) == 0
    assert [line[2] for line in ledger_lines()] == [300, 200, -200, -300]


def test_the_last_day_ends_at_midnight_of_the_programmes_zone() -> None:
    set_program(expiry={"kind": "days", "length": 1}, zone="America/New_York")
    account = make_account()
    # 8 March 2026 has 23 hours in New York; the evening before counts as its own day.
    with time_machine.travel(datetime(2026, 3, 8, 4, 30, tzinfo=UTC), tick=False):
        award_points(account=account, points=10, reference="a", reason="Receipt")
    assert Lot.objects.get().expires_on == date(2026, 3, 8)
    with time_machine.travel(datetime(2026, 3, 9, 3, 59, tzinfo=UTC), tick=False):
        redeem_points(account=account, points=1, reference="in time", reason="Reward")
    with (
        time_machine.travel(datetime(2026, 3, 9, 4, 0, tzinfo=UTC), tick=False),
        pytest.raises(InsufficientPointsError),
    ):
        redeem_points(account=account, points=1, reference="too late", reason="Reward")
    # 1 November has 25 hours, and its repeated hour belongs to it twice.
    with time_machine.travel(datetime(2026, 11, 1, 6, 30, tzinfo=UTC), tick=False):
        award_points(account=account, points=10, reference="b", reason="Receipt")
    assert Lot.objects.order_by("pk")[1].expires_on == date(2026, 11, 2)


def test_switching_expiry_on_does_not_touch_points_that_customers_have() -> None:
    set_program(expiry={"kind": "none"})
    account = make_account()
    award_points(account=account, points=10, reference="before", reason="Receipt")
    set_program(expiry={"kind": "days", "length": 1})
    account = Account.objects.get(pk=account.pk)
    with time_machine.travel(AT, tick=False):
        award_points(account=account, points=10, reference="after", reason="Receipt")
    lasts = list(Lot.objects.order_by("pk").values_list("expires_on", flat=True))
    assert lasts == [NEVER, TODAY + timedelta(days=1)]
    nightly(TODAY + timedelta(days=400))
    assert balance(account) == 10


def test_a_tier_may_let_its_points_live_longer() -> None:
    program = set_program(expiry={"kind": "days", "length": 10})
    set_tier_expiry(
        tier=program.tiers.get(name="Gold"),
        policy=ExpiryPolicy.from_definition({"kind": "days", "length": 100}),
    )
    make_rule()
    bronze, gold = make_account(), make_account()
    Account.objects.filter(pk=gold.pk).update(tier=program.tiers.get(name="Gold"))
    states = [
        make_purchase_state(customer=account.customer, net="50", occurred_at=AT)
        for account in (bronze, gold)
    ]
    with time_machine.travel(AT, tick=False):
        settle_purchases(states=states)
    lasts = dict(Lot.objects.values_list("account_id", "expires_on"))
    assert lasts == {
        bronze.pk: TODAY + timedelta(days=10),
        gold.pk: TODAY + timedelta(days=100),
    }
    set_tier_expiry(tier=program.tiers.get(name="Gold"), policy=None)
    assert Program.objects.get().tier_expiry == {}


def test_activity_moves_sliding_points_on_and_other_points_stay() -> None:
    set_program(expiry={"kind": "days", "length": 20})
    account = make_account()
    with time_machine.travel(AT, tick=False):
        award_points(account=account, points=10, reference="fixed", reason="Receipt")
    set_program(expiry={"kind": "sliding_days", "length": 30})
    account = Account.objects.get(pk=account.pk)

    def lasts() -> list[date]:
        return list(Lot.objects.order_by("pk").values_list("expires_on", flat=True))

    with time_machine.travel(AT, tick=False):
        award_points(account=account, points=10, reference="a", reason="Receipt")
    fixed = TODAY + timedelta(days=20)
    assert lasts() == [fixed, TODAY + timedelta(days=30)]
    with time_machine.travel(AT + timedelta(days=10), tick=False):
        award_points(account=account, points=10, reference="b", reason="Receipt")
    assert lasts() == [fixed, *[TODAY + timedelta(days=40)] * 2]
    with time_machine.travel(AT + timedelta(days=15), tick=False):
        redeem_points(account=account, points=1, reference="c", reason="Reward")
    assert lasts() == [fixed, *[TODAY + timedelta(days=45)] * 2]
    nightly(TODAY + timedelta(days=45))
    assert balance(account) == 20
    nightly(TODAY + timedelta(days=46))
    assert balance(account) == 0


def test_a_gold_customers_sliding_points_slide_farther() -> None:
    program = set_program(expiry={"kind": "sliding_days", "length": 30})
    gold_tier = program.tiers.get(name="Gold")
    set_tier_expiry(
        tier=gold_tier,
        policy=ExpiryPolicy.from_definition({"kind": "sliding_days", "length": 90}),
    )
    account = make_account()
    Account.objects.filter(pk=account.pk).update(tier=gold_tier)
    account = Account.objects.get(pk=account.pk)
    for days in (0, 10):
        with time_machine.travel(AT + timedelta(days=days), tick=False):
            award_points(account=account, points=10, reference=f"a{days}", reason="Receipt")
    assert set(Lot.objects.values_list("expires_on", flat=True)) == {TODAY + timedelta(days=100)}


# --- pending points -----------------------------------------------------------------------------


def test_pending_points_become_usable_on_their_day_and_live_from_then_on() -> None:
    set_program(expiry={"kind": "days", "length": 10})
    account = make_account()
    pend(account, 100, activates_on=TODAY)
    pend(account, 200, activates_on=TODAY + timedelta(days=1))
    pend(
        account,
        300,
        activates_on=TODAY - timedelta(days=2),
        lifetime={"kind": "days", "length": 5, "round_up": "month"},
    )
    nightly()
    assert balance(account) == 400
    lasts = dict(Lot.objects.values_list("points", "expires_on"))
    # A job that comes late gives no longer life.
    assert lasts == {100: TODAY + timedelta(days=10), 300: date(2026, 6, 30)}
    assert run_of("activate").figures == {"entries": 2, "points": 400, "refused": 0}
    nightly(TODAY + timedelta(days=1))
    assert balance(account) == 600
    assert not verify_ledger()


def test_points_whose_event_did_not_come_are_given_up_after_their_day() -> None:
    account = make_account()
    pend(account, 100, awaits="visit", cancels_on=TODAY)
    nightly()
    assert Account.objects.get(pk=account.pk).pending == 100
    nightly(TODAY + timedelta(days=1))
    assert Account.objects.get(pk=account.pk).pending == 0
    assert balance(account) == 0


def test_points_that_become_usable_and_are_over_by_then_expire_the_same_night() -> None:
    set_program(expiry={"kind": "days", "length": 3})
    account = make_account()
    pend(account, 100, activates_on=TODAY - timedelta(days=10))
    nightly()
    assert balance(account) == 0
    assert [line[1] for line in ledger_lines()] == ["pend", "activate", "expire"]


# --- birthdays ----------------------------------------------------------------------------------


def celebrate(birth_date: date, tier: str = "Bronze", **fields: Any) -> Account:
    program = make_program()
    customer = make_customer(birth_date=birth_date, **fields)
    account = open_accounts(program=program, customer_ids=[customer.pk])[customer.pk]
    Account.objects.filter(pk=account.pk).update(tier=program.tiers.get(name=tier))
    return account


@pytest.fixture
def gifts() -> None:
    program = make_program()
    program.tiers.filter(name="Silver").update(birthday_points=100)
    program.tiers.filter(name="Gold").update(birthday_points=250)


@pytest.mark.usefixtures("gifts")
def test_a_birthday_is_worth_what_the_tier_promises_once_a_year() -> None:
    bronze = celebrate(date(1990, 6, 15))
    silver = celebrate(date(1985, 6, 15), "Silver")
    gold = celebrate(date(1985, 6, 15), "Gold")
    other = celebrate(date(1985, 6, 16), "Gold")
    blocked = celebrate(date(1985, 6, 15), "Gold", status="blocked")
    nightly()
    accounts = (bronze, silver, gold, other, blocked)
    assert [balance(account) for account in accounts] == [0, 100, 250, 0, 0]
    # Who moves the birthday to tomorrow gets nothing a second time this year.
    change_customer(
        customer_id=silver.customer_id, changes={"birth_date": date(1985, 6, 16)}, source="test"
    )
    nightly(TODAY + timedelta(days=1))
    assert [balance(account) for account in (silver, other)] == [100, 250]
    nightly(date(2027, 6, 16))
    references = silver.entries.filter(kind="award").values_list("reference", flat=True)
    assert list(references.order_by("seq")) == ["birthday:2026", "birthday:2027"]
    entry = gold.entries.get(seq=1)
    assert (entry.reference, entry.points, entry.qualifying) == ("birthday:2026", 250, 0)
    assert not verify_ledger()


@pytest.mark.usefixtures("gifts")
@pytest.mark.parametrize(
    ("on", "points"),
    [
        (date(2026, 2, 28), 250),
        (date(2026, 3, 1), 0),
        (date(2028, 2, 28), 0),
        (date(2028, 2, 29), 250),
    ],
)
def test_29_february_is_celebrated_on_the_28th_in_common_years(on: date, points: int) -> None:
    account = celebrate(date(1992, 2, 29), "Gold")
    nightly(on)
    assert balance(account) == points


@pytest.mark.usefixtures("gifts")
def test_days_on_which_nothing_ran_are_caught_up() -> None:
    nightly(TODAY - timedelta(days=4))
    missed = celebrate(date(1990, 6, 13), "Gold")
    before = celebrate(date(1990, 6, 11), "Gold")
    nightly()
    assert (balance(missed), balance(before)) == (250, 0)
    assert PointsEntry.objects.get().occurred_at == make_program().start_of(date(2026, 6, 13))


def test_no_dump_shows_a_birthday_and_its_index_follows_the_profile() -> None:
    account = celebrate(date(1990, 6, 15))
    customer = account.customer
    assert customer.birthday_index == occasion_index(Occasion.BIRTHDAY, date(2000, 6, 15))
    assert customer.birthday_index != occasion_index(Occasion.ANNIVERSARY, date(2000, 6, 15))
    change_customer(customer_id=customer.pk, changes={"birth_date": None}, source="test")
    customer.refresh_from_db()
    assert customer.birthday_index == ""
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM customers_customer")
        assert "06-15" not in str(cursor.fetchall())


def test_rules_for_birthdays_and_anniversaries_give_their_points_once_a_year() -> None:
    make_rule(name="Birthday", kind="event", event="birthday", points=30, amount=None)
    make_rule(name="Wedding day", kind="event", event="anniversary", points=40, amount=None)
    account = celebrate(date(1990, 6, 15), anniversary_on=date(2012, 6, 15))
    with time_machine.travel(AT, tick=False):
        for _ in range(2):
            nightly()
            JobRun.objects.all().delete()
    assert balance(account) == 70
    assert not verify_ledger()


# --- word before the end ------------------------------------------------------------------------


@pytest.mark.parametrize(("days_left", "distance"), [(30, 30), (29, 30), (7, 7), (2, 7), (0, 1)])
def test_the_nearest_distance_counts(days_left: int, distance: int) -> None:
    assert distance_of(days_left, [30, 7, 1]) == distance


def test_customers_hear_of_points_ending_soon_once_per_day_and_distance() -> None:
    account = make_account()
    last_day = TODAY + timedelta(days=40)
    award(account, 100, reference="a", expires_on=last_day)
    award(account, 20, reference="b", expires_on=last_day)
    award(account, 5, reference="c")
    told: list[tuple[date, int, int]] = []
    for days in range(45):
        on = TODAY + timedelta(days=days)
        before = ExpiryNotice.objects.count()
        nightly(on)
        newest = ExpiryNotice.objects.order_by("pk")[before:]
        told += [(on, notice.days_before, notice.points) for notice in newest]
    assert told == [(last_day - timedelta(days=distance), distance, 120) for distance in (30, 7, 1)]
    assert balance(account) == 5


def test_points_with_a_short_life_are_told_of_at_the_nearest_distance_only() -> None:
    account = make_account()
    award(account, 100, reference="a", expires_on=TODAY + timedelta(days=5))
    nightly()
    notice = ExpiryNotice.objects.get()
    assert (notice.days_before, notice.points, notice.account_id) == (7, 100, account.pk)


def test_a_programme_may_tell_nobody() -> None:
    set_program(notice_days=[])
    award(make_account(), 100, reference="a", expires_on=TODAY)
    assert nightly()
    assert not ExpiryNotice.objects.exists()


# --- holds --------------------------------------------------------------------------------------


def hold(account: Account, points: int, expires_at: datetime) -> Hold:
    command = ledger.PlaceHold(
        account_id=account.pk,
        points=points,
        reference=f"hold:{points}",
        reason="Mug",
        occurred_at=AT,
        expires_at=expires_at,
    )
    post_commands(
        program=account.program,
        commands=[command],
        customers={account.pk: account.customer_id},
        now=AT,
    )
    return Hold.objects.get(points=points)


def test_a_hold_that_ran_out_frees_its_points() -> None:
    account = make_account(balance=100)
    over = hold(account, 60, AT + timedelta(minutes=15))
    open_one = hold(account, 30, AT + timedelta(minutes=20))
    at = AT + timedelta(minutes=15)
    assert release_overdue_holds(program=account.program, now=at) == 1
    assert release_overdue_holds(program=account.program, now=at) == 0
    over.refresh_from_db()
    open_one.refresh_from_db()
    assert (over.state, open_one.state) == ("expired", "open")
    account.refresh_from_db()
    assert (account.held, account.available) == (30, 70)


@pytest.mark.performance
def test_freeing_takes_the_same_queries_for_one_hold_and_ten() -> None:
    counts = []
    for number in (1, 10):
        for place in range(number):
            hold(make_account(balance=100), 5 * number + place, AT)
        with CaptureQueriesContext(connection) as captured:
            assert release_overdue_holds(program=make_program(), now=AT) == number
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_nothing_is_told_to_closed_accounts() -> None:
    account = make_account()
    award(account, 100, reference="a", expires_on=TODAY)
    Account.objects.filter(pk=account.pk).update(closed_at=AT)
    nightly()
    assert not ExpiryNotice.objects.exists()
    assert not Delivery.objects.filter(event_name="loyalty.points_expiring_soon").exists()
