"""`python -m benchmarks.commissions [--quick]`: reversals to the paisa, and a year replayed.

10,000 random bills, plans and splits of returns: every sum of credits and reversals is the
commission on what remains. Then a year of bills of affiliates is settled by one plan, and a draft
is replayed over the same bills of another: the totals are equal, and no row has changed.
"""

import sys
from decimal import Decimal

from django.db.models import Sum

from affiliates.models import CommissionEntry, Conversion, Plan
from affiliates.services import (
    create_plan,
    next_plan_replay,
    publish_draft,
    run_plan_replay,
    settle_commissions,
    start_plan_replay,
)
from affiliates.tests.factories import LONG_AGO, make_plan
from affiliates.tests.returns import any_terms, keeps_nothing_wrong, random_history
from affiliates.tests.years import DRAFT, checksum, make_affiliates, make_year
from benchmarks.harness import Table, options, throwaway_database, timed
from customers.models import Purchase

_CHUNK = 1000


def main() -> None:
    """Compute and print; ends with an error if a single sum differs."""
    quick = options(__doc__ or "").quick
    faults = [*returns(1_000 if quick else 10_000), *year(200 if quick else 3_000)]
    if faults:
        sys.exit("\n".join(faults[:10]))


def returns(histories: int) -> list[str]:
    """Acceptance 2: bills that come back in any split and order."""
    faults: list[str] = []

    def play() -> int:
        for number in range(histories):
            seed = f"benchmark/{number}"
            if fault := keeps_nothing_wrong(any_terms(seed), random_history(seed)):
                faults.append(f"{seed}: {fault}")
        return histories

    sample = timed(play)
    table = Table(f"{histories:,} random bills, plans and splits of returns")
    table.add("bills returned in both orders", rate=sample.rate)
    table.add("bills that do not sum up exactly", rate=f"{len(faults):,}")
    table.show()
    return faults


def year(bills: int) -> list[str]:
    """Acceptance 7: a draft over a year of bills, beside the same bills posted by it."""
    with throwaway_database():
        old = make_plan(name="Old")
        new = create_plan(name="New", terms=DRAFT)
        publish_draft(plan=new, valid_from=LONG_AGO)
        make_affiliates(old, "OLD")
        make_affiliates(new, "NEW")
        make_year(("OLD", "NEW"), bills=bills)
        settled = timed(settle)
        before = checksum()
        start_plan_replay(plan=old, draft=DRAFT, days=365)
        job = next_plan_replay()
        if job is None:
            return ["no replay was waiting"]
        replayed = timed(lambda: run_plan_replay(job=job).done)
        job.refresh_from_db()
        totals = Decimal(job.result["before"]), Decimal(job.result["after"])
        posted = paid(old), paid(new)
        table = Table(f"A year of {bills:,} bills, by a plan that says everything")
        table.add("bills settled", rate=settled.rate)
        table.add("bills replayed", rate=replayed.rate)
        table.add("commission posted, old and new", rate=f"{posted[0]} {posted[1]}")
        table.add("commission replayed, old and new", rate=f"{totals[0]} {totals[1]}")
        table.add("rows changed", rate="none" if checksum() == before else "SOME")
        table.show()
        faults = [] if totals == posted else [f"{totals} is not {posted}"]
        if job.result["bills"] != Conversion.objects.filter(enrolment__plan=old).count():
            faults.append("the replay left bills out")
        return faults if checksum() == before else [*faults, "the replay wrote something"]


def settle() -> int:
    """Settle all bills by date, a thousand in a call."""
    ids = list(Purchase.objects.order_by("occurred_at", "pk").values_list("pk", flat=True))
    for start in range(0, len(ids), _CHUNK):
        settle_commissions(purchase_ids=ids[start : start + _CHUNK])
    return len(ids)


def paid(plan: Plan) -> Decimal:
    """All that a plan credited."""
    amount = CommissionEntry.objects.filter(enrolment__plan=plan).aggregate(total=Sum("amount"))
    total: Decimal = amount["total"] or Decimal(0)
    return total.quantize(Decimal("0.01"))


if __name__ == "__main__":
    main()
