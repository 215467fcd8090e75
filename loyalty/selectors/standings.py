"""Where customers stand on the ladder, and where they stood."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from django.db.models import Count, F, OuterRef, Subquery, Sum
from django.utils import timezone

from loyalty.engine.tiers import Demotion, after_period, counted_days, rank_of, with_floor
from loyalty.models import Account, PendingPoints, PointsEntry, Program, Tier, TierChange
from loyalty.selectors.measures import Span, measure_spans

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierKeeping:
    """Until when a tier lasts, and what it takes to keep it.

    Without `missing` more by `last_chance` (the period's end and the days of grace) the customer
    stands on `falls_to` from the day after; None if nothing would be lost.
    """

    ends_on: date
    last_chance: date
    needed: Decimal
    counted: Decimal
    missing: Decimal
    falls_to: Tier | None

    @property
    def falls_on(self) -> date:
        """The first day on the lower tier."""
        return self.last_chance + timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierProgress:
    """Where a customer stands on the ladder; `percent` (0 to 100) leads to `next_tier`.

    `spend` is what the programme measures (money, points or days) since `counted_from`.
    """

    tier: Tier | None
    next_tier: Tier | None
    spend: Decimal
    missing: Decimal
    percent: int
    measure: str = Program.TierMeasure.SPEND
    counted_from: date | None = None
    keeping: TierKeeping | None = None
    given_until: date | None = None
    is_given: bool = False


def joined_on(account: Account) -> date:
    """The programme's day on which a customer joined."""
    return account.program.day_of(account.opened_at)


def tier_progress(account: Account, *, now: datetime | None = None) -> TierProgress:
    """What counts now, what is missing to the next tier, and what to keep this one; 3 queries."""
    program = account.program
    today = program.day_of(now or timezone.now())
    tiers = list(program.tiers.order_by("threshold"))
    joined = joined_on(account)
    since = program.window.first_day(today, joined)
    spans = [_span(account, since, today)]
    if account.tier_ends_on:
        first_day, _ = counted_days(
            program.window,
            ends_on=account.tier_ends_on,
            grace_days=program.tier_grace_days,
            joined_on=joined,
        )
        # What is counted for keeping begins later than today's window, or at the same day.
        spans.append(_span(account, first_day, max(first_day, today)))
    measured, *kept = measure_spans(program, spans)
    by_id = {tier.pk: tier for tier in tiers}
    own_rank = rank_of([tier.step for tier in tiers], account.own_tier_id)
    shown_rank = rank_of([tier.step for tier in tiers], account.tier_id)
    above = tiers[max(own_rank, shown_rank) + 1 :]
    next_tier = above[0] if above else None
    missing, percent = _ZERO, 100
    if next_tier is not None:
        missing = max(_ZERO, next_tier.threshold - measured)
        percent = max(0, min(100, int(measured * 100 / next_tier.threshold)))
    return TierProgress(
        tier=by_id.get(account.tier_id or 0),
        next_tier=next_tier,
        spend=measured,
        missing=missing,
        percent=percent,
        measure=program.tier_measure,
        counted_from=since,
        keeping=_keeping(account, tiers, kept[0], joined) if kept else None,
        given_until=account.floor_ends_on,
        is_given=account.floor_tier_id is not None and account.floor_tier_id == account.tier_id,
    )


def _span(account: Account, first_day: date, last_day: date) -> Span:
    return Span(
        account_id=account.pk,
        customer_id=account.customer_id,
        first_day=first_day,
        last_day=last_day,
    )


def _keeping(
    account: Account, tiers: Sequence[Tier], counted: Decimal, joined: date
) -> TierKeeping | None:
    program, by_id = account.program, {tier.pk: tier for tier in tiers}
    ladder = [tier.step for tier in tiers]
    own = by_id.get(account.own_tier_id or 0)
    if own is None or account.tier_ends_on is None:
        return None
    ended = after_period(
        ladder=ladder,
        tier_id=own.pk,
        measured=counted,
        demotion=Demotion(program.tier_demotion),
        window=program.window,
        ends_on=account.tier_ends_on,
        grace_days=program.tier_grace_days,
        joined_on=joined,
    )
    falls_to = with_floor(ladder, ended.tier_id, account.floor_tier_id)
    is_lost = rank_of(ladder, falls_to) < rank_of(ladder, account.tier_id)
    return TierKeeping(
        ends_on=account.tier_ends_on,
        last_chance=account.tier_ends_on + timedelta(days=program.tier_grace_days),
        needed=own.threshold,
        counted=counted,
        missing=max(_ZERO, own.threshold - counted),
        falls_to=by_id.get(falls_to or 0) if is_lost else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderStep:
    """A tier with the number of customers on it and their share in percent."""

    tier: Tier
    members: int
    percent: Decimal


def ladder_of(program: Program) -> list[LadderStep]:
    """The ladder from the bottom, with how many customers stand where; 2 queries."""
    counts = dict(
        Account.objects.filter(program=program, closed_at=None, tier__isnull=False)
        .values_list("tier_id")
        .annotate(Count("pk"))
        .order_by()
    )
    total = sum(counts.values()) or 1
    return [
        LadderStep(
            tier=tier,
            members=counts.get(tier.pk, 0),
            percent=(Decimal(counts.get(tier.pk, 0)) * 100 / total).quantize(Decimal("0.1")),
        )
        for tier in program.tiers.order_by("threshold")
    ]


def points_on_their_way(account: Account, *, limit: int = 12) -> list[PendingPoints]:
    """Points that cannot be used yet, those with the nearest day first; bounded."""
    if not account.pending:
        return []
    pending = account.pending_points.filter(remaining__gt=0).select_related("entry")
    return list(pending.order_by(F("activates_on").asc(nulls_last=True), "pk")[:limit])


# --- as of an instant ---------------------------------------------------------------------------


class Clock(StrEnum):
    """Which time a question about the past means.

    RECORDED answers what the system said at that instant; OCCURRED what was true then by all
    that is known today, late bills included.
    """

    RECORDED = "recorded"
    OCCURRED = "occurred"


def balance_at(
    account_ids: Iterable[int], at: datetime, *, clock: Clock = Clock.RECORDED
) -> dict[int, int]:
    """The balances of accounts at an instant, 0 for those without entries; one query."""
    wanted = sorted(set(account_ids))
    rows = (
        PointsEntry.objects.filter(account_id__in=wanted, **{f"{clock.value}_at__lte": at})
        .values_list("account_id")
        .annotate(Sum("points"))
        .order_by()
    )
    return dict.fromkeys(wanted, 0) | dict(rows)


def tier_at(
    account_ids: Iterable[int], at: datetime, *, clock: Clock = Clock.OCCURRED
) -> dict[int, int | None]:
    """The tiers of accounts at an instant, by account id; one query.

    A move that was found late (a bill that came after its day) counts from its own time when the
    clock is OCCURRED. Before its first move an account stood where that move began.
    """
    moves = TierChange.objects.filter(account=OuterRef("pk"))
    before = moves.filter(**{f"{clock.value}_at__lte": at}).order_by("-pk")
    after = moves.filter(**{f"{clock.value}_at__gt": at}).order_by("pk")
    rows = Account.objects.filter(pk__in=set(account_ids)).values_list(
        "pk",
        "tier_id",
        Subquery(before.values("tier_id")[:1]),
        Subquery(after.values("pk")[:1]),
        Subquery(after.values("previous_id")[:1]),
    )
    return {
        pk: known or (previous if next_move else tier_id)
        for pk, tier_id, known, next_move, previous in rows
    }
