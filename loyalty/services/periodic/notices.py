"""Word of points that expire soon."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.db.models import QuerySet, Sum

from loyalty.events import PointsExpiringSoon
from loyalty.models import ExpiryNotice, Lot, Program
from loyalty.services.periodic.steps import Bite, Step
from loyalty_site.outbox.services import publish


def _ending(program: Program, on: date) -> QuerySet[Lot]:
    """Open points that end within the longest distance."""
    farthest = on + timedelta(days=max(program.notice_days, default=-1))
    return Lot.objects.filter(
        remaining__gt=0,
        expires_on__gte=on,
        expires_on__lte=farthest,
        account__program=program,
        account__closed_at=None,
    )


def distance_of(days_left: int, distances: Iterable[int]) -> int:
    """The nearest of the programme's distances that days still to come have reached."""
    return min(distance for distance in distances if distance >= days_left)


def _tell(*, program: Program, on: date, now: datetime, after: int, limit: int) -> Bite:
    """Tell of points ending soon, once per account, last day and distance.

    A programme has at most five distances, so an account has few last days; those of one account
    are taken together.
    """
    page = list(
        _ending(program, on)
        .filter(account_id__gt=after)
        .order_by("account_id")
        .values_list("account_id", flat=True)
        .distinct()[:limit]
    )
    if not page:
        return Bite(taken=0, position=0)
    rows = (
        _ending(program, on)
        .filter(account_id__in=page)
        .values("account_id", "account__customer_id", "expires_on")
        .annotate(points=Sum("remaining"))
        .order_by("account_id", "expires_on")
    )
    told = set(
        ExpiryNotice.objects.filter(account_id__in=page, last_day__gte=on).values_list(
            "account_id", "last_day", "days_before"
        )
    )
    events = []
    for row in rows:
        days_left = (row["expires_on"] - on).days
        distance = distance_of(days_left, program.notice_days)
        if (row["account_id"], row["expires_on"], distance) in told:
            continue
        events.append(
            PointsExpiringSoon(
                account_id=row["account_id"],
                customer_id=row["account__customer_id"],
                points=row["points"],
                last_day=row["expires_on"],
                days_before=distance,
                days_left=days_left,
            )
        )
    ExpiryNotice.objects.bulk_create(
        ExpiryNotice(
            account_id=event.account_id,
            last_day=event.last_day,
            days_before=event.days_before,
            points=event.points,
            told_at=now,
        )
        for event in events
    )
    publish(events)
    return Bite(taken=len(page), position=page[-1], figures={"told": len(events)})


def _count(program: Program, on: date) -> int:
    return _ending(program, on).values("account_id").distinct().count()


NOTICES = Step(count=_count, take=_tell)
