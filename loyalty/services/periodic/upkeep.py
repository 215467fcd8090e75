"""Ends of tier periods, expiry, and the review of tiers."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from django.db.models import Q

from loyalty.models import Account, Lot, Program, TierChange
from loyalty.services.periodic.steps import Bite, Step, posted
from loyalty.services.points import expire_accounts
from loyalty.services.tiers import end_tier_periods, review_tiers


def _tier_periods(*, program: Program, on: date, now: datetime, after: int, limit: int) -> Bite:
    """Renew or lower tiers whose period is over."""
    taken, moves = end_tier_periods(program=program, on=on, now=now, after=after, limit=limit)
    return _tier_bite(taken, moves)


def _tier_review(*, program: Program, on: date, now: datetime, after: int, limit: int) -> Bite:
    """Raise who reached a tier without a bill that told so."""
    taken, moves = review_tiers(program=program, on=on, now=now, after=after, limit=limit)
    return _tier_bite(taken, moves)


def _tier_bite(taken: Sequence[int], moves: Sequence[TierChange]) -> Bite:
    return Bite(taken=len(taken), position=taken[-1] if taken else 0, figures={"moves": len(moves)})


def _expire(*, program: Program, on: date, now: datetime, after: int, limit: int) -> Bite:
    """Close what was last usable before today."""
    outcomes = expire_accounts(program=program, on=on, now=now, after=after, limit=limit)
    return Bite(
        taken=len(outcomes),
        position=max(outcomes, default=0),
        figures=posted(outcomes.values(), points="points") if outcomes else {},
    )


def _count_periods(program: Program, on: date) -> int:
    grace = timedelta(days=program.tier_grace_days)
    return Account.objects.filter(
        Q(tier_ends_on__lt=on - grace) | Q(floor_ends_on__lt=on), program=program, closed_at=None
    ).count()


def _count_due(program: Program, on: date) -> int:
    due = Lot.objects.filter(remaining__gt=0, expires_on__lt=on, account__program=program)
    return due.values("account_id").distinct().count()


def _count_accounts(program: Program, on: date) -> int:
    return Account.objects.filter(program=program, closed_at=None).count()


TIER_PERIODS = Step(count=_count_periods, take=_tier_periods)
EXPIRE = Step(count=_count_due, take=_expire)
TIER_REVIEW = Step(count=_count_accounts, take=_tier_review)
