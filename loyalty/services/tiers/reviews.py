"""The nightly review: who reached a tier without a bill that told so."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db import transaction

from loyalty.engine.tiers import (
    rank_of,
    reached,
)
from loyalty.models import Account, Program, TierChange
from loyalty.selectors import Span, measure_spans
from loyalty.services.tiers.moving import (
    STANDING,
    Mover,
    Reason,
    locked_accounts,
    reached_words,
    span_of,
)


@transaction.atomic
def review_tiers(
    *, program: Program, on: date, now: datetime, after: int = 0, limit: int = 1000
) -> tuple[list[int], list[TierChange]]:
    """Raise accounts that reached a tier by the day before `on` without a bill that told so.

    Such are a threshold that was lowered, points given by hand, or a programme that measures
    anew. Also dates the period of a tier that has none yet. Never demotes. Takes up to `limit`
    accounts with a higher id than `after`; returns them, and the moves.
    """
    mover = Mover(program, now)
    page = list(
        Account.objects.filter(program=program, closed_at=None, pk__gt=after)
        .order_by("pk")
        .only(*STANDING, "customer_id", "opened_at", "program_id")[:limit]
    )
    day = on - timedelta(days=1)
    spans = [
        span_of(account, program.window.first_day(day, mover.joined_on(account)), day)
        for account in page
    ]
    found: dict[int, tuple[Span, Decimal]] = {}
    for account, span, measured in zip(page, spans, measure_spans(program, spans), strict=True):
        rank = rank_of(mover.ladder, account.own_tier_id)
        is_undated = rank > 0 and account.tier_ends_on is None
        if reached(mover.ladder, measured) > rank or is_undated:
            found[account.pk] = span, measured
    for account in locked_accounts(found):
        span, measured = found[account.pk]
        own_id = account.own_tier_id
        rank, place = rank_of(mover.ladder, own_id), reached(mover.ladder, measured)
        if place > rank:
            own_id = mover.ladder[place].tier_id
        elif rank <= 0 or account.tier_ends_on is not None:
            continue
        mover.stand(
            account,
            own_id=own_id,
            ends_on=mover.lasts_until(account, own_id or 0, day),
            reason=Reason(
                cause=TierChange.Cause.REVIEW,
                words=reached_words(program, measured, span.first_day),
                occurred_at=program.start_of(on),
                measured=measured,
                first_day=span.first_day,
                last_day=span.last_day,
            ),
        )
    mover.save()
    return [account.pk for account in page], mover.moves
