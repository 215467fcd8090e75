"""Birthdays and anniversaries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from django.db.models import QuerySet

from customers.models import Customer
from customers.selectors import Occasion, occasion_indexes
from loyalty.ledger import Award
from loyalty.models import Account, JobRun, Program, Tier
from loyalty.services.expiry import lifetime, policy_for
from loyalty.services.occasions import EventOccasion, award_events
from loyalty.services.periodic.steps import Bite, Step, posted
from loyalty.services.points import post_commands

_CAUGHT_UP_DAYS = 7
_JOBS = {
    Occasion.BIRTHDAY: JobRun.Job.BIRTHDAYS,
    Occasion.ANNIVERSARY: JobRun.Job.ANNIVERSARIES,
}


@dataclass(frozen=True, slots=True)
class Celebration:
    """A customer's day; once a year, whatever the profile says later."""

    account: Account
    day: date

    @property
    def key(self) -> str:
        """The year's occasion."""
        return str(self.day.year)


def _days(program: Program, occasion: Occasion, on: date) -> list[date]:
    """The day, and up to six before it on which the job did not run."""
    previous = (
        JobRun.objects.filter(
            program=program, job=_JOBS[occasion], on__lt=on, state=JobRun.State.DONE
        )
        .order_by("-on")
        .values_list("on", flat=True)
        .first()
    )
    missed = min((on - previous).days, _CAUGHT_UP_DAYS) if previous else 1
    return [on - timedelta(days=ago) for ago in range(missed)]


def _celebrating(
    program: Program, occasion: Occasion, days: Sequence[date]
) -> tuple[QuerySet[Account], Mapping[str, date]]:
    by_index = {index: day for day in days for index in occasion_indexes(occasion, day)}
    accounts = Account.objects.filter(
        program=program,
        closed_at=None,
        customer__status=Customer.Status.ACTIVE,
        **{f"customer__{occasion}_index__in": list(by_index)},
    )
    return accounts, by_index


def _award(
    occasion: Occasion, *, program: Program, on: date, now: datetime, after: int, limit: int
) -> Bite:
    """Give what the tier and the rules promise for the day."""
    accounts, by_index = _celebrating(program, occasion, _days(program, occasion, on))
    due = list(accounts.filter(pk__gt=after).select_related("customer").order_by("pk")[:limit])
    celebrations = [
        Celebration(account, by_index[getattr(account.customer, f"{occasion}_index")])
        for account in due
    ]
    figures = _by_rules(program, occasion, celebrations, now)
    if occasion == Occasion.BIRTHDAY:
        for name, count in _tier_gifts(program, celebrations, now).items():
            figures[name] = figures.get(name, 0) + count
    return Bite(taken=len(due), position=due[-1].pk if due else 0, figures=figures)


def _by_rules(
    program: Program, occasion: Occasion, celebrations: Sequence[Celebration], now: datetime
) -> dict[str, int]:
    """What earning rules give for the day."""
    if not celebrations:
        return {}
    awards = award_events(
        program=program,
        event=occasion.value,
        occasions=[
            EventOccasion(
                customer_id=one.account.customer_id,
                key=one.key,
                occurred_at=program.start_of(one.day),
            )
            for one in celebrations
        ],
        now=now,
    )
    return {
        "entries": sum(award.points_moved > 0 for award in awards),
        "points": sum(award.points_moved for award in awards),
        "refused": sum(award.refusal is not None for award in awards),
    }


def _tier_gifts(
    program: Program, celebrations: Sequence[Celebration], now: datetime
) -> dict[str, int]:
    gifts: dict[int | None, int] = dict(
        Tier.objects.filter(program=program, birthday_points__gt=0).values_list(
            "pk", "birthday_points"
        )
    )
    given = [one for one in celebrations if one.account.tier_id in gifts]
    if not given:
        return {}
    lives = {
        one.account.pk: lifetime(
            policy_for(program, one.account.tier_id), program, program.start_of(one.day)
        )
        for one in given
    }
    commands = [
        Award(
            account_id=one.account.pk,
            points=gifts[one.account.tier_id],
            reference=f"{Occasion.BIRTHDAY}:{one.key}",
            reason="Happy birthday",
            occurred_at=program.start_of(one.day),
            qualifying=0,
            **lives[one.account.pk],
        )
        for one in given
    ]
    customers = {one.account.pk: one.account.customer_id for one in given}
    outcomes = post_commands(program=program, commands=commands, customers=customers, now=now)
    return posted(outcomes, points="points")


def _count(occasion: Occasion, program: Program, on: date) -> int:
    accounts, _ = _celebrating(program, occasion, _days(program, occasion, on))
    return accounts.count()


BIRTHDAYS = Step(count=partial(_count, Occasion.BIRTHDAY), take=partial(_award, Occasion.BIRTHDAY))
ANNIVERSARIES = Step(
    count=partial(_count, Occasion.ANNIVERSARY), take=partial(_award, Occasion.ANNIVERSARY)
)
