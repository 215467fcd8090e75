"""Replays: what rules would have given for the bills of the past. Only the job's row is written."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Self

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from customers.models import Purchase
from loyalty.engine import NO_FACTS, Earning, Rule, earn, remaining_bill
from loyalty.engine.tiers import reached
from loyalty.errors import (
    InvalidRuleError,
    ReplayDaysError,
    ReplayNotFoundError,
)
from loyalty.models import Account, Program, ReplayJob
from loyalty.selectors import Earned, Span, earned_of_sales, measure_spans
from loyalty.services.accounts import local_date
from loyalty.services.bills import load_bills
from loyalty.services.facts import Asked, FactBook, Trial
from loyalty.services.replay_jobs import (
    MOST_DAYS,
    cancel_job,
    claim_job,
    finish_job,
    refuse_too_many,
    run_job,
)
from loyalty.services.rules import RuleBook
from loyalty.services.simulation import DraftRule, with_drafts
from loyalty_site.common.errors import DomainError
from loyalty_site.outbox.gateways import wake
from loyalty_site.staff.models import User

_CHUNK = 1000
_TOP = 10
_TASK = "loyalty.tasks.run_replays"


@transaction.atomic
def start_replay(
    *,
    program: Program,
    drafts: Sequence[DraftRule],
    days: int,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> ReplayJob:
    """Queue a replay of drafts over the last days; without drafts, of the rules in force.

    Raises:
        InvalidRuleError: a draft is not complete.
        ReplayDaysError: too few or too many days.
        TooManyReplaysError: too many wait already.
    """
    if not 1 <= days <= MOST_DAYS:
        raise ReplayDaysError(field="days", most=MOST_DAYS)
    if len({draft.rule_id for draft in drafts if draft.rule_id}) != sum(
        1 for draft in drafts if draft.rule_id
    ):
        raise InvalidRuleError(problem="a rule is given twice.", field="rules")
    for place, draft in enumerate(drafts):
        draft.parse(place)
    refuse_too_many(ReplayJob)
    now = now or timezone.now()
    since = now - timedelta(days=days)
    job = ReplayJob.objects.create(
        program=program,
        rules=[
            {"rule": draft.rule_id, "name": draft.name, "definition": dict(draft.definition)}
            for draft in drafts
        ],
        since=since,
        until=now,
        total=_sales(since, now).count(),
        created_by=acting_user,
    )
    transaction.on_commit(lambda: wake(_TASK))
    return job


def get_replay(replay_id: int) -> ReplayJob:
    """A replay.

    Raises:
        ReplayNotFoundError: there is none of this number.
    """
    job = ReplayJob.objects.filter(pk=replay_id).select_related("program").first()
    if job is None:
        raise ReplayNotFoundError()
    return job


def cancel_replay(*, job: ReplayJob) -> ReplayJob:
    """Stop a replay that waits or runs; what it had found is dropped.

    Raises:
        ReplayFinishedError: it is over already.
    """
    return cancel_job(job)


def next_replay(*, now: datetime | None = None) -> ReplayJob | None:
    """Claim the oldest replay that waits, or whose worker vanished; None if there is none."""
    return claim_job(ReplayJob, with_row="program", now=now)


def run_replay(*, job: ReplayJob, slice_s: float = float("inf")) -> ReplayJob:
    """Go on with a claimed replay until it is done, stopped, or its slice of time is over.

    A run that was cut off goes on where its progress was last written.
    """
    try:
        return run_job(job, _Run.resume(job), slice_s=slice_s)
    except DomainError as error:
        return finish_job(job, ReplayJob.State.FAILED, error=str(error)[:300])


def _sales(since: datetime, until: datetime) -> QuerySet[Purchase]:
    return Purchase.objects.filter(
        kind=Purchase.Kind.SALE,
        standing=Purchase.Standing.APPLIED,
        customer__isnull=False,
        occurred_at__gte=since,
        occurred_at__lt=until,
    )


@dataclass(slots=True)
class _Run:
    """A replay as it goes; figures are pairs of what was given and what would have been."""

    job: ReplayJob
    book: RuleBook
    drafts: list[Rule]
    trial: Trial
    cursor: tuple[str, int] = ("", 0)
    done: int = 0
    weeks: dict[str, list[int]] = field(default_factory=dict)
    customers: dict[int, list[int]] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    trimmed: int = 0
    tier_points: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    def resume(cls, job: ReplayJob) -> Self:
        """A run from the job's row, at its beginning or where it was cut off."""
        drafts = [
            DraftRule(
                rule_id=draft["rule"], name=draft["name"], definition=draft["definition"]
            ).parse(place)
            for place, draft in enumerate(job.rules)
        ]
        trial = Trial(drafts=frozenset(draft.rule_id for draft in drafts))
        run = cls(job, RuleBook.load(job.program), drafts, trial)
        if kept := job.progress:
            run.cursor = (kept["cursor"][0], kept["cursor"][1])
            run.done, run.trimmed = kept["done"], kept["trimmed"]
            run.weeks = kept["weeks"]
            run.customers = {int(key): pair for key, pair in kept["customers"].items()}
            run.rules.update(kept["rules"])
            run.tier_points.update(
                {int(key): points for key, points in kept["tier_points"].items()}
            )
            trial.totals = {int(key): points for key, points in kept["totals"].items()}
            for account_id, rule_id, cause, on, points in kept["given"]:
                given = trial.given.setdefault((account_id, rule_id), {})
                given[cause] = (date.fromisoformat(on), points)
        return run

    def to_json(self) -> dict[str, Any]:
        """What a later run goes on from."""
        return {
            "cursor": list(self.cursor),
            "done": self.done,
            "trimmed": self.trimmed,
            "weeks": self.weeks,
            "customers": {str(key): pair for key, pair in self.customers.items()},
            "rules": self.rules,
            "tier_points": {str(key): points for key, points in self.tier_points.items()},
            "totals": {str(key): points for key, points in self.trial.totals.items()},
            "given": [
                [account_id, rule_id, cause, on.isoformat(), points]
                for (account_id, rule_id), causes in self.trial.given.items()
                for cause, (on, points) in causes.items()
            ],
        }

    def next_chunk(self) -> list[Purchase]:
        """The next sales by date."""
        sales = _sales(self.job.since, self.job.until)
        at, pk = self.cursor
        if at:
            moment = datetime.fromisoformat(at)
            sales = sales.filter(Q(occurred_at__gt=moment) | Q(occurred_at=moment, pk__gt=pk))
        chunk = sales.select_related("store").order_by("occurred_at", "pk")[:_CHUNK]
        return list(chunk)

    def take_chunk(self) -> bool:
        """Compute the next bills, if there are any."""
        chunk = self.next_chunk()
        if chunk:
            self.take(chunk)
        return bool(chunk)

    def take(self, sales: Sequence[Purchase]) -> None:
        """Compute a chunk, in a constant number of queries."""
        ids = [sale.pk for sale in sales]
        returns: dict[int, list[Purchase]] = defaultdict(list)
        for returned in Purchase.objects.filter(
            sale_id__in=ids,
            standing=Purchase.Standing.APPLIED,
            status=Purchase.Status.ACTIVE,
        ).order_by("occurred_at", "pk"):
            returns[returned.sale_id or 0].append(returned)
        bills = load_bills((sale, returns[sale.pk]) for sale in sales)
        earned: dict[int, list[Earned]] = defaultdict(list)
        for one in earned_of_sales(ids):
            earned[one.purchase_id].append(one)
        rules = {sale.pk: self._rules(sale, earned[sale.pk]) for sale in sales}
        asked, facts = self._facts(sales, rules)
        counted_since = self._counted_since(sales)
        for sale in sales:
            earning = Earning(points=0)
            if sale.is_active:
                known = asked.get(sale.pk)
                bill = remaining_bill(
                    bills[sale.pk], [bills[returned.pk] for returned in returns[sale.pk]]
                )
                earning = earn(
                    bill, rules[sale.pk], facts.facts(known) if facts and known else NO_FACTS
                )
                if facts and known:
                    self._remember(facts, known, earning)
            self._add(sale, earned[sale.pk], earning)
            since = counted_since.get(sale.customer_id or 0)
            if since and local_date(self.job.program, sale.occurred_at) >= since:
                before = sum(one.qualifying for one in earned[sale.pk])
                self.tier_points[sale.customer_id or 0] += earning.qualifying - before
        last = sales[-1]
        self.cursor = (last.occurred_at.isoformat(), last.pk)
        self.done += len(sales)

    def _rules(self, sale: Purchase, earned: Sequence[Earned]) -> list[Rule]:
        paid_at = min((one.paid_at for one in earned), default=None)
        return with_drafts(self.book.in_force(sale.occurred_at, paid_at=paid_at), self.drafts)

    def _facts(
        self, sales: Sequence[Purchase], rules: Mapping[int, Sequence[Rule]]
    ) -> tuple[dict[int, Asked], FactBook | None]:
        needy = [sale for sale in sales if any(rule.needs_facts for rule in rules[sale.pk])]
        if not needy:
            return {}, None
        accounts = {
            account.customer_id: account
            for account in Account.objects.filter(
                program=self.job.program, customer_id__in={sale.customer_id for sale in needy}
            )
        }
        asked = {
            sale.pk: Asked(
                account=accounts[sale.customer_id],
                at=sale.occurred_at,
                rules=rules[sale.pk],
                purchase=sale,
            )
            for sale in needy
            if sale.customer_id in accounts
        }
        return asked, FactBook.load_trial(self.job.program, list(asked.values()), self.trial)

    def _counted_since(self, sales: Sequence[Purchase]) -> dict[int, date]:
        """From which day on points count for tiers, by customer; empty if tiers go by others."""
        program = self.job.program
        if program.tier_measure != Program.TierMeasure.POINTS:
            return {}
        today = program.day_of(self.job.until)
        return {
            account.customer_id: program.window.first_day(today, program.day_of(account.opened_at))
            for account in Account.objects.filter(
                program=program, customer_id__in={sale.customer_id for sale in sales}
            ).only("customer_id", "opened_at")
        }

    def _tiers(self) -> dict[str, int]:
        """How many customers would reach a higher or a lower tier by their points."""
        program = self.job.program
        changes = {key: points for key, points in self.tier_points.items() if points}
        today = program.day_of(self.job.until)
        spans = [
            Span(
                account_id=account.pk,
                customer_id=account.customer_id,
                first_day=program.window.first_day(today, program.day_of(account.opened_at)),
                last_day=today,
            )
            for account in Account.objects.filter(program=program, customer_id__in=changes)
        ]
        ladder = [tier.step for tier in program.tiers.order_by("threshold")]
        moved = {"up": 0, "down": 0}
        for start in range(0, len(spans), _CHUNK):
            part = spans[start : start + _CHUNK]
            for span, now in zip(part, measure_spans(program, part), strict=True):
                before, after = (
                    reached(ladder, now),
                    reached(ladder, now + changes[span.customer_id]),
                )
                moved["up"] += after > before
                moved["down"] += after < before
        return moved

    def _remember(self, facts: FactBook, asked: Asked, earning: Earning) -> None:
        limited = {rule.rule_id for rule in asked.rules if rule.is_limited}
        facts.take(
            account_id=asked.account.pk,
            purchase_id=asked.purchase_id,
            reference="",
            on=local_date(self.job.program, asked.at),
            per_rule={
                rule_id: points
                for rule_id, points in earning.per_rule.items()
                if rule_id in limited
            },
            now=asked.at,
        )

    def _add(self, sale: Purchase, earned: Sequence[Earned], earning: Earning) -> None:
        before = sum(one.points for one in earned)
        after = earning.points
        if any(one.is_reversed_by_hand for one in earned):
            after = min(before, after)
        day = local_date(self.job.program, sale.occurred_at)
        monday = (day - timedelta(days=day.weekday())).isoformat()
        for pair in (
            self.weeks.setdefault(monday, [0, 0]),
            self.customers.setdefault(sale.customer_id or 0, [0, 0]),
        ):
            pair[0] += before
            pair[1] += after
        self.trimmed += earning.desired - earning.points
        for step in earning.steps:
            if step.points:
                self.rules[step.name] += step.points

    def result(self) -> dict[str, Any]:
        """The figures; money as texts."""
        before = sum(pair[0] for pair in self.weeks.values())
        after = sum(pair[1] for pair in self.weeks.values())
        value = self.job.program.point_value
        changes = [(pair[1] - pair[0], key, pair) for key, pair in self.customers.items()]
        gains = sorted((one for one in changes if one[0] > 0), key=lambda one: (-one[0], one[1]))
        losses = sorted((one for one in changes if one[0] < 0), key=lambda one: (one[0], one[1]))
        return {
            "bills": self.done,
            "customers": len(self.customers),
            "points_before": before,
            "points_after": after,
            "cost_before": str(before * value),
            "cost_after": str(after * value),
            "trimmed": self.trimmed,
            "tiers": self._tiers(),
            "customers_with_more": len(gains),
            "customers_with_less": len(losses),
            "weeks": [
                {"week": week, "before": pair[0], "after": pair[1]}
                for week, pair in sorted(self.weeks.items())
            ],
            "rules": [
                {"name": name, "points": points}
                for name, points in sorted(self.rules.items(), key=lambda item: (-item[1], item[0]))
            ],
            "winners": [_change(one) for one in gains[:_TOP]],
            "losers": [_change(one) for one in losses[:_TOP]],
        }


def _change(one: tuple[int, int, list[int]]) -> dict[str, int]:
    return {"customer_id": one[1], "before": one[2][0], "after": one[2][1]}
