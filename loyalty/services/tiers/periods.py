"""What follows when a tier's period, or a given tier, has ended."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Q

from loyalty.engine.tiers import (
    Demotion,
    after_period,
    counted_days,
)
from loyalty.models import Account, Program, TierChange
from loyalty.selectors import measure_spans
from loyalty.services.tiers.moving import (
    Mover,
    Reason,
    clear_floor,
    figure_text,
    locked_accounts,
    span_of,
)


@transaction.atomic
def end_tier_periods(
    *, program: Program, on: date, now: datetime, after: int = 0, limit: int = 1000
) -> tuple[list[int], list[TierChange]]:
    """Renew or lower accounts whose period and grace ended before `on`, and end given tiers.

    Takes up to `limit` accounts with a higher id than `after`; returns them, and the moves. An
    account that is several periods behind goes through them one after another, so a run that
    comes late leaves the same standing as runs in time.
    """
    mover = Mover(program, now)
    grace = timedelta(days=program.tier_grace_days)
    due = list(
        Account.objects.filter(
            Q(tier_ends_on__lt=on - grace) | Q(floor_ends_on__lt=on),
            program=program,
            closed_at=None,
            pk__gt=after,
        )
        .order_by("pk")
        .values_list("pk", flat=True)[:limit]
    )
    accounts = locked_accounts(due)
    while behind := _behind(accounts, on, grace):
        periods: dict[Account, date] = {}
        for account, (period_end, floor_end) in behind.items():
            # What ended first is judged first: a given tier shields until its own last day.
            if floor_end and (period_end is None or floor_end < period_end + grace):
                _end_floor(mover, account, floor_end)
            elif period_end:
                periods[account] = period_end
        _end_periods(mover, periods)
    mover.save()
    return due, mover.moves


def _behind(
    accounts: Sequence[Account], on: date, grace: timedelta
) -> dict[Account, tuple[date | None, date | None]]:
    """Accounts with the ends of their period and given tier, where one of them has passed."""
    found = {}
    for account in accounts:
        period_end, floor_end = account.tier_ends_on, account.floor_ends_on
        over = (
            period_end if period_end and period_end + grace < on else None,
            floor_end if floor_end and floor_end < on else None,
        )
        if any(over):
            found[account] = over
    return found


def _end_floor(mover: Mover, account: Account, ended_on: date) -> None:
    own_id = account.own_tier_id
    clear_floor(account)
    mover.stand(
        account,
        own_id=own_id,
        ends_on=account.tier_ends_on,
        reason=Reason(
            cause=TierChange.Cause.GIVEN_ENDED,
            words=f"The tier was given until {ended_on:%-d %b %Y}",
            occurred_at=mover.program.start_of(ended_on + timedelta(days=1)),
        ),
    )


def _end_periods(mover: Mover, ends: Mapping[Account, date]) -> None:
    program, window = mover.program, mover.program.window
    spans = []
    for account, ends_on in ends.items():
        first_day, last_day = counted_days(
            window,
            ends_on=ends_on,
            grace_days=program.tier_grace_days,
            joined_on=mover.joined_on(account),
        )
        spans.append(span_of(account, first_day, last_day))
    measures = measure_spans(program, spans)
    for (account, ends_on), span, measured in zip(ends.items(), spans, measures, strict=True):
        ended = after_period(
            ladder=mover.ladder,
            tier_id=account.own_tier_id,
            measured=measured,
            demotion=Demotion(program.tier_demotion),
            window=window,
            ends_on=ends_on,
            grace_days=program.tier_grace_days,
            joined_on=mover.joined_on(account),
        )
        mover.stand(
            account,
            own_id=ended.tier_id,
            ends_on=ended.ends_on,
            reason=Reason(
                cause=TierChange.Cause.PERIOD_END,
                words=f"{figure_text(program, measured)} from {span.first_day:%-d %b %Y}"
                f" to {span.last_day:%-d %b %Y}",
                occurred_at=program.start_of(span.last_day + timedelta(days=1)),
                measured=measured,
                first_day=span.first_day,
                last_day=span.last_day,
            ),
        )
