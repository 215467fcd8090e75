"""Replays of plans: what a draft would have paid for bills of the past. Nothing else is written."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from affiliates.errors import PlanReplayNotFoundError
from affiliates.models import (
    CommissionEntry,
    Conversion,
    Enrolment,
    Plan,
    PlanReplay,
    PlanVersion,
    Tally,
)
from affiliates.services.attributing import hold_end
from affiliates.services.orders import NOTHING, Order, load_kept, with_returns
from affiliates.services.planbook import WINNER, PlanBook, Share
from affiliates.services.plans import read_draft
from affiliates.services.pricing import Pricer
from affiliates.services.shares import (
    Recruiters,
    attributed_shares,
    load_recruiters,
    recruiters_part,
    recruiters_share,
)
from affiliates.services.shoppers import Shoppers
from affiliates.services.tallies import PERIOD_KINDS, Periods
from customers.models import Purchase
from loyalty.engine import Bill
from loyalty.errors import ReplayDaysError
from loyalty.services import (
    MOST_DAYS,
    cancel_job,
    claim_job,
    finish_job,
    refuse_too_many,
    run_job,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.outbox.gateways import wake
from loyalty_site.staff.models import User

_CHUNK = 1000
_TOP = 10
_TASK = "affiliates.tasks.run_plan_replays"
DRAFT = -1


@transaction.atomic
def start_plan_replay(
    *,
    plan: Plan,
    draft: Mapping[str, Any],
    days: int,
    everybody: bool = False,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> PlanReplay:
    """Queue a replay of a draft over the bills of the last days, from the first of a month on.

    The bills are those that affiliates on the plan brought; with `everybody`, those of all, as
    if they were on it.

    Raises:
        InvalidTermsError: the draft is not complete.
        ReplayDaysError: too few or too many days.
        TooManyReplaysError: too many wait already.
    """
    if not 1 <= days <= MOST_DAYS:
        raise ReplayDaysError(field="days", most=MOST_DAYS)
    refuse_too_many(PlanReplay)
    now = now or timezone.now()
    since = timezone.localtime(now - timedelta(days=days)).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    job = PlanReplay(
        plan=plan,
        terms=read_draft(draft),
        everybody=everybody,
        since=since,
        until=now,
        created_by=acting_user,
    )
    job.total = _bills(job).count()
    job.save()
    transaction.on_commit(lambda: wake(_TASK))
    return job


def get_plan_replay(replay_id: int) -> PlanReplay:
    """A replay.

    Raises:
        PlanReplayNotFoundError: there is none of this number.
    """
    job = PlanReplay.objects.filter(pk=replay_id).select_related("plan").first()
    if job is None:
        raise PlanReplayNotFoundError()
    return job


def cancel_plan_replay(*, job: PlanReplay) -> PlanReplay:
    """Stop a replay that waits or runs; what it had found is dropped.

    Raises:
        ReplayFinishedError: it is over already.
    """
    return cancel_job(job)


def next_plan_replay(*, now: datetime | None = None) -> PlanReplay | None:
    """Claim the oldest replay that waits, or whose worker vanished; None if there is none."""
    return claim_job(PlanReplay, with_row="plan", now=now)


def run_plan_replay(*, job: PlanReplay, slice_s: float = float("inf")) -> PlanReplay:
    """Go on with a claimed replay until it is done, stopped, or its slice of time is over."""
    try:
        return run_job(job, _Run.resume(job), slice_s=slice_s)
    except DomainError as error:
        return finish_job(job, PlanReplay.State.FAILED, error=str(error)[:300])


def draft_version(plan: Plan, written: Mapping[str, Any]) -> PlanVersion:
    """A draft as the version that it would be; it has no row."""
    newest = plan.versions.first()
    return PlanVersion(
        pk=DRAFT,
        plan=plan,
        number=newest.number + 1 if newest else 1,
        kind=written["kind"],
        rate=Decimal(written["rate"]),
        terms=written["terms"],
    )


def _bills(job: PlanReplay) -> QuerySet[Conversion]:
    """The conversions that are looked at, those that nobody brought left out."""
    bills = Conversion.objects.filter(
        enrolment__isnull=False,
        purchase__occurred_at__gte=job.since,
        purchase__occurred_at__lt=job.until,
    )
    if job.everybody:
        return bills
    shared = Tally.objects.filter(conversion=OuterRef("pk"), enrolment__plan=job.plan_id)
    return bills.filter(Q(enrolment__plan=job.plan_id) | Exists(shared))


@dataclass(slots=True)
class _Run:
    """A replay as it goes; figures are pairs of what was credited and what would have been."""

    job: PlanReplay
    book: PlanBook
    periods: Periods
    cursor: tuple[str, int] = ("", 0)
    done: int = 0
    sales: Decimal = NOTHING
    trimmed: Decimal = NOTHING
    bonuses: Decimal = NOTHING
    months: dict[str, list[Decimal]] = field(
        default_factory=lambda: defaultdict(lambda: [NOTHING, NOTHING])
    )
    affiliates: dict[int, list[Decimal]] = field(
        default_factory=lambda: defaultdict(lambda: [NOTHING, NOTHING])
    )
    bills: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    reasons: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    def resume(cls, job: PlanReplay) -> Self:
        """A run from the job's row, at its beginning or where it was cut off."""
        book = PlanBook({DRAFT: draft_version(job.plan, job.terms)}, {})
        run = cls(job, book, Periods())
        if kept := job.progress:
            run.cursor, run.done = (kept["cursor"][0], kept["cursor"][1]), kept["done"]
            run.sales, run.trimmed = Decimal(kept["sales"]), Decimal(kept["trimmed"])
            run.bonuses = Decimal(kept["bonuses"])
            run.months.update({key: _pair(pair) for key, pair in kept["months"].items()})
            run.affiliates.update(
                {int(key): _pair(pair) for key, pair in kept["affiliates"].items()}
            )
            run.bills.update(kept["bills"])
            run.reasons.update(kept["reasons"])
            run.periods = Periods.from_json(kept["periods"])
        return run

    def to_json(self) -> dict[str, Any]:
        """What a later run goes on from."""
        return {
            "cursor": list(self.cursor),
            "done": self.done,
            "sales": str(self.sales),
            "trimmed": str(self.trimmed),
            "bonuses": str(self.bonuses),
            "months": {key: _texts(pair) for key, pair in self.months.items()},
            "affiliates": {str(key): _texts(pair) for key, pair in self.affiliates.items()},
            "bills": self.bills,
            "reasons": self.reasons,
            "periods": self.periods.to_json(),
        }

    def take_chunk(self) -> bool:
        """Price the next bills by date, in a constant number of queries."""
        at, pk = self.cursor
        bills = _bills(self.job)
        if at:
            moment = datetime.fromisoformat(at)
            bills = bills.filter(
                Q(purchase__occurred_at__gt=moment)
                | Q(purchase__occurred_at=moment, purchase_id__gt=pk)
            )
        chunk = list(bills.order_by("purchase__occurred_at", "purchase_id")[:_CHUNK])
        if not chunk:
            return False
        orders = with_returns(
            Purchase.objects.filter(pk__in=[one.purchase_id for one in chunk]).select_related(
                "store", "customer"
            )
        )
        shares = {one.pk: attributed_shares(one) for one in chunk}
        self._load_enrolments(one["enrolment_id"] for of_one in shares.values() for one in of_one)
        terms = [self.book.terms(DRAFT, pk) for pk in self.book.enrolments]
        shoppers = Shoppers.load(orders.values(), terms)
        shoppers.forget_what_was_paid()
        pricer = Pricer(self.book, self.periods, shoppers)
        recruiters = load_recruiters(self.book) if any(t.parent_percent for t in terms) else {}
        kept = load_kept(orders)
        credited = self._credited(shares)
        for one in chunk:
            order = orders[one.purchase_id]
            own = [self._draft_share(share, order) for share in shares[one.pk] if self._has(share)]
            paid = self._price(one, own, order, kept[order.sale.pk], pricer, recruiters)
            self._count(order, credited[one.pk], paid)
            self.reasons.update(
                {
                    reason: self.reasons[reason] + 1
                    for share in own
                    if share["role"] == WINNER and (reason := share["paid"]["refusal"])
                }
            )
        last = orders[chunk[-1].purchase_id]
        self.cursor = (last.sale.occurred_at.isoformat(), last.sale.pk)
        self.done += len(chunk)
        return True

    def _load_enrolments(self, ids: Iterable[int]) -> None:
        """The enrolments of a chunk; promises to single affiliates go with their own plan."""
        for enrolment in Enrolment.objects.filter(
            pk__in=set(ids) - self.book.enrolments.keys()
        ).select_related("affiliate"):
            if enrolment.plan_id != self.job.plan_id:
                enrolment.overrides = {}
            self.book.enrolments[enrolment.pk] = enrolment

    def _has(self, share: Share) -> bool:
        enrolment = self.book.enrolments[share["enrolment_id"]]
        return self.job.everybody or enrolment.plan_id == self.job.plan_id

    def _draft_share(self, share: Share, order: Order) -> Share:
        """A share as if the draft had been the plan when the bill came."""
        enrolment = self.book.enrolments[share["enrolment_id"]]
        return {
            "role": share["role"],
            "enrolment_id": enrolment.pk,
            "plan_version_id": DRAFT,
            "percent": share["percent"],
            "held_until": share.get("held_until") or hold_end(order.sale, enrolment).isoformat(),
        }

    def _price(
        self,
        conversion: Conversion,
        shares: Sequence[Share],
        order: Order,
        kept: Bill,
        pricer: Pricer,
        recruiters: Recruiters,
    ) -> list[tuple[int, Decimal]]:
        """What each enrolment would have got for a bill; periods count apart."""
        pays = conversion.review != Conversion.Review.REFUSED
        paid: list[tuple[int, Decimal]] = []
        for share in shares:
            parent = None
            if share["role"] == WINNER:
                parent = recruiters_share(self.book, recruiters, share, order, shares)
            priced = pricer.price(conversion, share, order, kept, before=None, pays=pays)
            share["paid"] = priced.figures
            paid.append((share["enrolment_id"], priced.amount))
            self.trimmed += priced.tally.desired - priced.amount
            if parent is not None:
                amount = recruiters_part(priced.amount, parent, order.sale.currency)
                paid.append((parent["enrolment_id"], amount))
        for change in pricer.settle_periods():
            self.bonuses += change.amount
            self.months[change.figures["day"][:7]][1] += change.amount
            self.affiliates[self._affiliate(change.enrolment_id)][1] += change.amount
        return paid

    def _affiliate(self, enrolment_id: int) -> int:
        return self.book.enrolments[enrolment_id].affiliate_id

    def _credited(self, shares: Mapping[int, Sequence[Share]]) -> dict[int, dict[int, Decimal]]:
        """What conversions were credited, by affiliate, without shares of other plans."""
        others = {
            (pk, share["enrolment_id"])
            for pk, of_one in shares.items()
            for share in of_one
            if not self._has(share)
        }
        credited: dict[int, dict[int, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for conversion_id, enrolment_id, affiliate_id, amount in (
            CommissionEntry.objects.filter(conversion_id__in=shares)
            .values_list("conversion_id", "enrolment_id", "affiliate_id")
            .annotate(amount=Sum("amount"))
        ):
            if (conversion_id, enrolment_id) not in others:
                credited[conversion_id][affiliate_id] += amount.quantize(NOTHING)
        return credited

    def _count(
        self, order: Order, before: Mapping[int, Decimal], paid: Sequence[tuple[int, Decimal]]
    ) -> None:
        month = self.months[order.day.isoformat()[:7]]
        was = sum(before.values(), NOTHING)
        would = sum((amount for _, amount in paid), NOTHING)
        month[0] += was
        month[1] += would
        for affiliate_id, amount in before.items():
            self.affiliates[affiliate_id][0] += amount
        for enrolment_id, amount in paid:
            self.affiliates[self._affiliate(enrolment_id)][1] += amount
        self.sales += order.remaining_net
        self.bills["more" if would > was else "less" if would < was else "same"] += 1
        if not would:
            self.bills["nothing"] += 1

    def result(self) -> dict[str, Any]:
        """The figures; money as texts."""
        self._count_periods()
        before = sum((pair[0] for pair in self.months.values()), NOTHING)
        after = sum((pair[1] for pair in self.months.values()), NOTHING)
        changes = sorted(
            self.affiliates.items(), key=lambda item: (-abs(item[1][1] - item[1][0]), item[0])
        )
        return {
            "bills": self.done,
            "sales": str(self.sales),
            "before": str(before),
            "after": str(after),
            "trimmed": str(self.trimmed),
            "bonuses": str(self.bonuses),
            "more": self.bills["more"],
            "less": self.bills["less"],
            "nothing": self.bills["nothing"],
            "reasons": dict(self.reasons),
            "affiliates": len(self.affiliates),
            "months": [
                {"month": month, "before": str(pair[0]), "after": str(pair[1])}
                for month, pair in sorted(self.months.items())
            ],
            "changes": [
                {"affiliate_id": pk, "before": str(pair[0]), "after": str(pair[1])}
                for pk, pair in changes[:_TOP]
            ],
        }

    def _count_periods(self) -> None:
        """What was posted for whole periods, beside the bills."""
        posted = CommissionEntry.objects.filter(
            conversion=None,
            kind__in=PERIOD_KINDS,
            explanation__day__gte=timezone.localdate(self.job.since).isoformat(),
        )
        if not self.job.everybody:
            posted = posted.filter(enrolment__plan=self.job.plan_id)
        for day, affiliate_id, amount in posted.values_list(
            "explanation__day", "affiliate_id", "amount"
        ):
            self.months[day[:7]][0] += amount
            self.affiliates[affiliate_id][0] += amount


def _pair(texts: Sequence[str]) -> list[Decimal]:
    return [Decimal(text) for text in texts]


def _texts(pair: Sequence[Decimal]) -> list[str]:
    return [str(amount) for amount in pair]
