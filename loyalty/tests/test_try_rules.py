"""Drafts, simulated bills and replays: try before publish."""

import hashlib
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import Customer, Purchase, PurchaseLine
from customers.services import LineState, PurchaseState
from loyalty.engine import Bill, BillLine
from loyalty.errors import (
    InvalidRuleError,
    NoDraftError,
    PurchaseNotFoundError,
    ReplayDaysError,
    ReplayFinishedError,
    RuleNotInForceError,
    TooManyReplaysError,
)
from loyalty.models import (
    EarningRule,
    EarningRuleVersion,
    PointsEntry,
    ReplayJob,
    RuleBudget,
    SaleFacts,
    Tier,
)
from loyalty.services import (
    DraftRule,
    cancel_replay,
    change_draft,
    create_rule,
    discard_draft,
    end_rule,
    next_replay,
    publish_draft,
    run_replay,
    settle_purchases,
    simulate_bill,
    start_replay,
    try_on_purchase,
)
from loyalty.tasks import run_replays
from loyalty.tests.factories import make_program, make_rule
from loyalty.tests.test_settle_purchases import (
    give_back,
    line,
    make_customer,
    points_of,
    sale,
    settle,
)

pytestmark = pytest.mark.django_db
D = Decimal
DOUBLE = {"kind": "per_amount", "points": 2, "amount": "1.00"}


@pytest.fixture(autouse=True)
def _programme() -> None:
    make_program()


def recent(days: float = 1) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


# --- drafts -------------------------------------------------------------------------------------


def test_a_draft_is_not_in_force_until_it_is_published() -> None:
    rule = create_rule(program=make_program(), name=" Double ", definition=DOUBLE)
    customer = make_customer()
    settle(sale(customer, line("a", "100"), occurred_at=datetime.now(UTC)))
    assert not PointsEntry.objects.exists()
    version = publish_draft(rule=rule, valid_from=recent(30))
    rule.refresh_from_db()
    assert (rule.name, rule.draft, version.number) == ("Double", None, 1)
    settle(sale(customer, line("a", "100"), number="B2", occurred_at=datetime.now(UTC)))
    assert points_of(customer) == 200


def test_changing_a_draft_leaves_what_is_in_force() -> None:
    rule = make_rule()
    change_draft(rule=rule, definition=DOUBLE, name="Two a rupee")
    customer = make_customer()
    settle(sale(customer, line("a", "100"), occurred_at=datetime.now(UTC)))
    assert points_of(customer) == 100
    discard_draft(rule=rule)
    with pytest.raises(NoDraftError):
        publish_draft(rule=rule)
    assert EarningRuleVersion.objects.count() == 1


def test_refuses_a_draft_that_is_not_complete() -> None:
    with pytest.raises(InvalidRuleError):
        create_rule(program=make_program(), name="x", definition={"kind": "streak", "points": 5})
    with pytest.raises(InvalidRuleError):
        create_rule(program=make_program(), name=" ", definition=DOUBLE)
    assert not EarningRule.objects.exists()


def test_a_rule_that_never_held_cannot_end() -> None:
    rule = create_rule(program=make_program(), name="Double", definition=DOUBLE)
    with pytest.raises(RuleNotInForceError):
        end_rule(rule=rule)


# --- one bill -----------------------------------------------------------------------------------


def imagined(net: str = "100.00") -> Bill:
    article = BillLine(key="a", sku="a", category="Food", quantity=D(1), net=D(net))
    return Bill(store="1", lines=(article,), at=datetime(2026, 5, 4, 14, 0))


def test_a_simulated_bill_shows_what_the_draft_would_change() -> None:
    rule = make_rule()
    drafts = [
        DraftRule(rule_id=rule.pk, name="Two", definition=DOUBLE),
        DraftRule(name="Bonus", definition={"kind": "per_bill", "points": 7}),
    ]
    with_draft = simulate_bill(
        program=make_program(), bill=imagined(), at=timezone.now(), drafts=drafts
    )
    assert with_draft.now.points == 100
    assert with_draft.draft and with_draft.draft.points == 207


def test_a_simulated_bill_knows_its_customer_and_writes_nothing() -> None:
    make_rule(kind="first_purchase", points=50, amount=None, budget=80)
    customer = make_customer()
    settle(sale(customer))
    kept = checksums()
    for who, points in ((customer, 0), (None, 50), (make_customer(), 50)):
        simulation = simulate_bill(
            program=make_program(), bill=imagined(), at=timezone.now(), customer=who
        )
        assert simulation.now.points == points
        kept["customers_customer"] = checksums()["customers_customer"]
    assert checksums() == kept


def test_a_real_bill_is_tried_beside_what_it_earned() -> None:
    rule = make_rule()
    customer = make_customer()
    settle(sale(customer, line("a", "100")), give_back(customer, line("x", "-40", returns_key="a")))
    tried = try_on_purchase(
        program=make_program(),
        number="B1",
        drafts=[DraftRule(rule_id=rule.pk, name="Two", definition=DOUBLE)],
    )
    assert (tried.earned, tried.simulation.now.points) == (60, 60)
    assert tried.simulation.draft and tried.simulation.draft.points == 120
    with pytest.raises(PurchaseNotFoundError):
        try_on_purchase(program=make_program(), number="B404")


# --- replays ------------------------------------------------------------------------------------


def checksums() -> dict[str, str]:
    """A hash of every table but the replays' own."""
    sums: dict[str, str] = {}
    for model in apps.get_models(include_auto_created=True):
        if model is ReplayJob:
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            rows = sorted(map(repr, cursor.fetchall()))
        sums[model._meta.db_table] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    return sums


def make_history(bills: int = 40, people: int = 6) -> list[Customer]:
    """Bills of the last weeks by date, some returned in part or in whole, one cancelled."""
    rng = random.Random(3)
    customers = [make_customer() for _ in range(people)]
    for n in range(bills):
        who, at = rng.choice(customers), recent(60 - n)
        net = D(rng.randint(500, 30_000)) / 100
        settle_purchases(states=[sale(who, line("a", str(net)), number=f"B{n}", occurred_at=at)])
        if rng.random() < 0.3:
            part = net if rng.random() < 0.5 else (net / 3).quantize(D("0.01"))
            settle_purchases(
                states=[
                    give_back(
                        who,
                        line("x", str(-part), returns_key="a"),
                        number=f"R{n}",
                        sale_external_id=f"B{n}",
                        occurred_at=at + timedelta(hours=1),
                    )
                ]
            )
    settle_purchases(
        states=[sale(customers[0], number="B0", status="cancelled", occurred_at=recent(60))]
    )
    return customers


def replay(*drafts: DraftRule, days: int = 365) -> ReplayJob:
    job = start_replay(program=make_program(), drafts=drafts, days=days)
    claimed = next_replay()
    assert claimed == job
    return run_replay(job=claimed)


def all_kinds() -> Iterator[dict[str, Any]]:
    silver = Tier.objects.get(name="Silver")
    yield {"kind": "per_amount", "points": 1, "amount": "1.00", "max_per_bill": 200}
    yield {"kind": "per_amount", "points": 3, "amount": "7.00", "categories": ["Food"]}
    yield {"kind": "multiplier", "factor": "1.5", "minimum_bill": "120.00"}
    yield {"kind": "multiplier", "factor": "2", "tiers": [silver.pk], "weekdays": [1, 2, 3, 4]}
    yield {"kind": "first_purchase", "points": 70}
    yield {"kind": "per_visit", "points": 2}
    yield {"kind": "streak", "points": 20, "streak": 2}
    yield {"kind": "per_product", "points": 1, "limit_points": 4, "limit_period": "month"}
    yield {"kind": "per_bill", "points": 5, "pending_days": 400, "qualifies": False}


def test_a_replay_of_the_rules_in_force_is_what_the_ledger_holds_and_writes_nothing() -> None:
    for number, definition in enumerate(all_kinds()):
        make_rule(name=f"Rule {number}", **{"points": None, "amount": None, **definition})
    make_history()
    kept = checksums()
    job = replay()
    assert checksums() == kept
    assert (job.state, job.error, job.percent) == ("done", "", 100)
    posted = sum(
        points + pending for points, pending in PointsEntry.objects.values_list("points", "pending")
    )
    assert job.result["points_before"] == job.result["points_after"] == posted > 0
    assert job.result["customers_with_more"] == job.result["customers_with_less"] == 0
    assert SaleFacts.objects.exists()


def test_a_replay_of_a_draft_is_what_the_engine_would_have_posted() -> None:
    """The same bills settled by the draft itself come to the same points."""
    make_history()
    drafts = [
        DraftRule(name=f"Rule {number}", definition=definition)
        for number, definition in enumerate(all_kinds())
        if "tiers" not in definition
    ]
    drafts.append(DraftRule(name="Budget", definition={**DOUBLE, "budget": 1234}))
    result = replay(*drafts).result
    assert result["points_before"] == 0
    for draft in drafts:
        make_rule(name=draft.name, **{"points": None, "amount": None, **draft.definition})
    customers = list(Customer.objects.order_by("pk"))
    assert customers
    again = make_history_again()
    assert result["points_after"] == again
    assert sum(rule["points"] for rule in result["rules"]) == again
    budget = next(rule for rule in result["rules"] if rule["name"] == "Budget")
    assert budget["points"] == 1234 == RuleBudget.objects.get(rule__name="Budget").given


def make_history_again() -> int:
    """The points of the same history for other people; earlier bills are left as they are."""
    people = make_history_of("again")
    return sum(
        points + pending
        for points, pending in PointsEntry.objects.filter(account__customer__in=people).values_list(
            "points", "pending"
        )
    )


def make_history_of(source: str) -> list[Customer]:
    twins: dict[int, Customer] = {}
    for purchase in Purchase.objects.select_related("store").order_by("occurred_at", "pk"):
        if purchase.customer_id not in twins:
            twins[purchase.customer_id or 0] = make_customer()
        lines = [
            LineState(
                key=each.key,
                sku=each.product.sku,
                product_name=each.product.name,
                category=each.product.category,
                brand="",
                quantity=each.quantity,
                gross=each.gross,
                discount=each.discount,
                tax=each.tax,
                net=each.net,
                returns_key=each.returns_key,
            )
            for each in PurchaseLine.objects.filter(purchase=purchase).select_related("product")
        ]
        state = PurchaseState(
            source=source,
            external_id=purchase.external_id,
            number=purchase.number,
            kind=purchase.kind,
            status=purchase.status,
            store_code=purchase.store.code,
            store_name=purchase.store.name,
            customer_id=twins[purchase.customer_id or 0].pk,
            occurred_at=purchase.occurred_at,
            currency=purchase.currency,
            lines=tuple(lines),
            sale_external_id=purchase.sale_external_id,
        )
        settle_purchases(states=[state])
    return list(twins.values())


def test_a_replay_tells_winners_weeks_and_cost() -> None:
    rule = make_rule()
    rich, poor = make_customer(), make_customer()
    settle(
        sale(rich, line("a", "300"), occurred_at=recent(9)),
        sale(poor, line("a", "10"), number="B2", occurred_at=recent(1)),
    )
    result = replay(DraftRule(rule_id=rule.pk, name="Two", definition=DOUBLE), days=30).result
    assert (result["bills"], result["customers"], result["customers_with_more"]) == (2, 2, 2)
    assert (result["points_before"], result["points_after"]) == (310, 620)
    assert (D(result["cost_before"]), D(result["cost_after"])) == (D("77.5"), D("155"))
    assert [one["customer_id"] for one in result["winners"]] == [rich.pk, poor.pk]
    assert [week["after"] for week in result["weeks"]] == [600, 20]
    assert result["rules"] == [{"name": "Two", "points": 620}]


def test_a_replay_tells_who_would_change_tier_where_points_decide() -> None:
    program = make_program()
    rule = make_rule()
    settle(
        sale(make_customer(), line("a", "600"), occurred_at=recent(9)),
        sale(make_customer(), line("a", "1200"), number="B2", occurred_at=recent(9)),
    )
    double = DraftRule(rule_id=rule.pk, name="Two", definition=DOUBLE)
    half = DraftRule(rule_id=rule.pk, name="Half", definition={**DOUBLE, "amount": "4.00"})
    assert replay(double).result["tiers"] == {"up": 0, "down": 0}
    program.tier_measure = program.TierMeasure.POINTS
    program.save(update_fields=["tier_measure"])
    assert replay(double).result["tiers"] == {"up": 1, "down": 0}
    assert replay(half).result["tiers"] == {"up": 0, "down": 1}


def test_a_replay_that_was_cut_off_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    make_rule(limit_points=400, limit_period="month")
    make_history()
    monkeypatch.setattr("loyalty.services.replays._CHUNK", 7)
    draft = DraftRule(name="More", definition={**DOUBLE, "limit_points": 300, "budget": 900})
    whole = replay(draft).result
    job = start_replay(program=make_program(), drafts=[draft], days=365)
    rounds = 0
    while claimed := next_replay():
        job = run_replay(job=claimed, slice_s=0)
        rounds += 1
    assert rounds > 3
    assert job.result == whole


def test_a_replay_whose_worker_vanished_is_taken_over_and_given_up_in_the_end() -> None:
    job = start_replay(program=make_program(), drafts=[], days=30)
    assert next_replay() == job
    assert next_replay() is None
    for _ in range(4):
        assert next_replay(now=timezone.now() + timedelta(hours=1)) == job
        ReplayJob.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert next_replay() is None
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", "It was cut off again and again.")


def test_a_replay_can_be_stopped_before_and_while_it_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_rule()
    make_history(bills=8)
    job = start_replay(program=make_program(), drafts=[], days=365)
    cancel_replay(job=job)
    assert next_replay() is None
    job = start_replay(program=make_program(), drafts=[], days=365)
    claimed = next_replay()
    assert claimed
    cancel_replay(job=job)
    monkeypatch.setattr("loyalty.services.replay_jobs._SAVE_EVERY_S", 0)
    assert run_replay(job=claimed).state == "cancelled"
    with pytest.raises(ReplayFinishedError):
        cancel_replay(job=job)
    run_replays()
    job.refresh_from_db()
    assert (job.state, job.result) == ("cancelled", {})


def test_refuses_too_many_replays_and_odd_days() -> None:
    for days in (0, 5000):
        with pytest.raises(ReplayDaysError):
            start_replay(program=make_program(), drafts=[], days=days)
    draft = DraftRule(rule_id=5, name="Two", definition=DOUBLE)
    with pytest.raises(InvalidRuleError):
        start_replay(program=make_program(), drafts=[draft, draft], days=30)
    for _ in range(10):
        start_replay(program=make_program(), drafts=[], days=30)
    with pytest.raises(TooManyReplaysError):
        start_replay(program=make_program(), drafts=[], days=30)
    assert ReplayJob.objects.count() == 10


@pytest.mark.performance
def test_a_replay_takes_the_same_queries_for_ten_bills_and_forty() -> None:
    make_rule(limit_points=400, limit_period="month")
    counts = []
    for bills in (10, 40):
        make_history(bills=bills)
        job = start_replay(program=make_program(), drafts=[], days=365)
        claimed = next_replay()
        assert claimed
        with CaptureQueriesContext(connection) as queries:
            run_replay(job=claimed)
        counts.append(len(queries))
        job.refresh_from_db()
        assert job.state == "done"
    assert counts[0] == counts[1]
