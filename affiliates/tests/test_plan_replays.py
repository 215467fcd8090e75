"""Acceptance 7: a draft over past bills comes to what posting would have given; nothing written."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.errors import InvalidTermsError
from affiliates.models import CommissionEntry, Plan, PlanReplay
from affiliates.services import (
    cancel_plan_replay,
    create_plan,
    next_plan_replay,
    publish_draft,
    run_plan_replay,
    settle_commissions,
    start_plan_replay,
)
from affiliates.tasks import run_plan_replays
from affiliates.tests.factories import (
    LONG_AGO,
    make_enrolment,
    make_plan,
    make_sale,
)
from affiliates.tests.years import DRAFT, checksum, make_affiliates, make_year, settle_all
from loyalty.errors import ReplayDaysError, TooManyReplaysError

pytestmark = pytest.mark.django_db


def replay(plan: Plan, **given: Any) -> dict[str, Any]:
    start_plan_replay(plan=plan, draft=DRAFT, days=365, **given)
    job = next_plan_replay()
    assert job is not None
    job = run_plan_replay(job=job)
    assert job.state == PlanReplay.State.DONE, job.error
    result: dict[str, Any] = job.result
    return result


def paid(plan: Plan) -> Decimal:
    amounts = CommissionEntry.objects.filter(enrolment__plan=plan).values_list("amount", flat=True)
    return sum(amounts, Decimal(0))


def test_case_7_a_replay_comes_to_what_posting_would_have_given_and_writes_nothing() -> None:
    old = make_plan(name="Old")
    new = create_plan(name="New", terms=DRAFT)
    publish_draft(plan=new, valid_from=LONG_AGO)
    make_affiliates(old, "OLD")
    make_affiliates(new, "NEW")
    make_year(("OLD", "NEW"), bills=150)
    settle_all()
    before = checksum()
    result = replay(old)
    assert checksum() == before
    assert Decimal(result["before"]) == paid(old)
    assert Decimal(result["after"]) == paid(new)
    assert paid(new) != paid(old)
    for kind in ("tier", "goal"):
        assert CommissionEntry.objects.filter(kind=kind, enrolment__plan=new).exists()
    assert any(one.shares[-1]["role"] == "parent" for one in new.enrolments.get(
        affiliate__parent__isnull=False
    ).conversions.all())  # fmt: skip
    assert Decimal(result["trimmed"]) > 0
    assert result["bills"] == 150
    by_affiliate = {one["affiliate_id"]: Decimal(one["after"]) for one in result["changes"]}
    for enrolment in new.enrolments.all():
        twin = old.enrolments.get(codes__text=enrolment.codes.get().text.replace("NEW", "OLD"))
        own = CommissionEntry.objects.filter(affiliate=enrolment.affiliate)
        assert by_affiliate[twin.affiliate_id] == sum(own.values_list("amount", flat=True))


def test_a_replay_that_was_cut_off_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan()
    make_affiliates(plan, "OLD")
    make_year(("OLD",), bills=40, days=60)
    settle_all()
    monkeypatch.setattr("affiliates.services.replaying._CHUNK", 7)
    whole = replay(plan)
    job = start_plan_replay(plan=plan, draft=DRAFT, days=365)
    rounds = 0
    while claimed := next_plan_replay():
        job = run_plan_replay(job=claimed, slice_s=0)
        rounds += 1
    assert rounds > 3
    assert job.result == whole


def test_everybodys_bills_show_what_a_plan_without_affiliates_would_pay() -> None:
    make_enrolment()
    settle_commissions(
        purchase_ids=[make_sale(codes=("ASHA10",), occurred_at=timezone.now() - timedelta(9)).pk]
    )
    plan = create_plan(name="New", terms={"kind": "percent", "rate": "50"})
    assert replay(plan)["bills"] == 0
    result = replay(plan, everybody=True)
    assert (result["bills"], result["before"], result["after"]) == (1, "100.00", "50.00")
    assert result["months"][0]["after"] == "50.00"


def test_odd_replays_are_refused_and_waiting_ones_can_be_stopped() -> None:
    plan = make_plan()
    with pytest.raises(ReplayDaysError):
        start_plan_replay(plan=plan, draft=DRAFT, days=0)
    with pytest.raises(InvalidTermsError):
        start_plan_replay(plan=plan, draft={"kind": "percent", "rate": "0"}, days=9)
    assert not PlanReplay.objects.exists()
    jobs = [start_plan_replay(plan=plan, draft=DRAFT, days=9) for _ in range(10)]
    with pytest.raises(TooManyReplaysError):
        start_plan_replay(plan=plan, draft=DRAFT, days=9)
    assert cancel_plan_replay(job=jobs[0]).state == "cancelled"
    run_plan_replays()
    assert PlanReplay.objects.filter(state="done").count() == 9


@pytest.mark.performance
def test_a_replay_takes_the_same_queries_for_five_bills_and_forty() -> None:
    plan = make_plan()
    make_affiliates(plan, "OLD")
    counts = []
    for bills in (5, 40):
        make_year(("OLD",), bills=bills, days=20)
        settle_all()
        start_plan_replay(plan=plan, draft=DRAFT, days=365)
        job = next_plan_replay()
        assert job
        with CaptureQueriesContext(connection) as queries:
            run_plan_replay(job=job)
        counts.append(len(queries))
    assert counts[0] == counts[1]
