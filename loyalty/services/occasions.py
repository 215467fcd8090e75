"""Points for what customers do beside buying: sign-ups, birthdays, reviews, what the shop names."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from customers.models import Customer
from loyalty.engine import Rule, Step, earn_event
from loyalty.ledger import Award, Command, Outcome, Pend
from loyalty.models import Account, PendingPoints, PointsEntry, Program
from loyalty.services.accounts import local_date, open_accounts
from loyalty.services.expiry import activation, last_day_to_wait, lifetime_of
from loyalty.services.facts import Asked, FactBook
from loyalty.services.points import post_commands
from loyalty.services.rules import RuleBook
from loyalty_site.common.errors import DomainError
from loyalty_site.staff.models import User


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOccasion:
    """Something a customer did, or that came round; `key` names it among his of this event.

    A birthday's key is its year, a sign-up's is always the same, a review's is its number.
    """

    customer_id: int
    key: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventAward:
    """What one occasion came to: all points that it has earned, and those of this call."""

    occasion: EventOccasion
    points: int
    points_moved: int
    refusal: DomainError | None = None


@dataclass(frozen=True, slots=True)
class _Grant:
    """Points of one rule for the occasion at a place of the batch."""

    place: int
    account_id: int
    command: Command


@transaction.atomic
def award_events(
    *,
    program: Program,
    event: str,
    occasions: Sequence[EventOccasion],
    now: datetime | None = None,
    acting_user: User | None = None,
) -> list[EventAward]:
    """Give the points of the rules for an event, once per rule, customer and key.

    Points that waited for this event become usable before that, and no longer wait.
    Repeating an occasion moves nothing. The queries do not grow with the occasions. Customers who
    are unknown or erased get nothing.
    """
    now = now or timezone.now()
    _make_usable(program, event, occasions, now)
    book = RuleBook.load(program)
    rules = [book.for_event(event, occasion.occurred_at) for occasion in occasions]
    rewarded = {
        occasion.customer_id for occasion, those in zip(occasions, rules, strict=True) if those
    }
    if not rewarded:
        return [EventAward(occasion=one, points=0, points_moved=0) for one in occasions]
    known = Customer.objects.live().filter(pk__in=rewarded).values_list("pk", flat=True)
    accounts = open_accounts(program=program, customer_ids=known)
    locked = Account.objects.filter(pk__in=[account.pk for account in accounts.values()])
    list(locked.order_by("pk").select_for_update().values_list("pk"))
    asked = [
        Asked(account=accounts[one.customer_id], at=one.occurred_at, rules=those)
        if one.customer_id in accounts
        else None
        for one, those in zip(occasions, rules, strict=True)
    ]
    return _award(program, event, occasions, asked, now, acting_user)


def _make_usable(
    program: Program, event: str, occasions: Sequence[EventOccasion], now: datetime
) -> None:
    """Make points usable that waited for this event of their customers; two queries at least."""
    first: dict[int, datetime] = {}
    for occasion in sorted(occasions, key=lambda one: one.occurred_at, reverse=True):
        first[occasion.customer_id] = occasion.occurred_at
    waiting = list(
        PendingPoints.objects.filter(
            account__program=program,
            account__customer_id__in=first,
            awaits=event,
            remaining__gt=0,
        )
        .select_related("account")
        .order_by("account_id", "pk")
    )
    post_commands(
        program=program,
        commands=[
            activation(
                pending,
                program=program,
                at=first[pending.account.customer_id],
                reason=f"Points became usable: {event}",
            )
            for pending in waiting
        ],
        customers={one.account_id: one.account.customer_id for one in waiting},
        now=now,
    )


def _award(
    program: Program,
    event: str,
    occasions: Sequence[EventOccasion],
    asked: Sequence[Asked | None],
    now: datetime,
    acting_user: User | None,
) -> list[EventAward]:
    facts = FactBook.load(program, [one for one in asked if one is not None])
    given = _given(event, occasions, asked)
    grants: list[_Grant] = []
    for place, (occasion, one) in enumerate(zip(occasions, asked, strict=True)):
        if one is None:
            continue
        for rule in one.rules:
            reference = _reference(event, rule, occasion)
            if (one.account.pk, reference) in given:
                continue
            day = local_date(program, occasion.occurred_at)
            earning = earn_event(
                [rule], event, facts.facts(one), refusal=rule.conditions.refusal_of_day(day)
            )
            if not earning.points:
                continue
            given[one.account.pk, reference] = 0
            command = _command(program, occasion, rule, earning.steps[0], one.account, now)
            command = replace(
                command, reference=reference, actor_id=acting_user.pk if acting_user else None
            )
            grants.append(_Grant(place, one.account.pk, command))
            if rule.is_counted:
                facts.take(
                    account_id=one.account.pk,
                    purchase_id=None,
                    reference=reference,
                    on=day,
                    per_rule=earning.per_rule,
                    now=now,
                )
    outcomes = post_commands(
        program=program,
        commands=[grant.command for grant in grants],
        customers={one.account.pk: one.account.customer_id for one in asked if one is not None},
        now=now,
    )
    facts.save(
        refused={
            (grant.account_id, grant.command.reference)
            for grant, outcome in zip(grants, outcomes, strict=True)
            if outcome.refusal is not None
        }
    )
    return _answers(event, occasions, asked, given, grants, outcomes)


def _given(
    event: str, occasions: Sequence[EventOccasion], asked: Sequence[Asked | None]
) -> dict[tuple[int, str], int]:
    """What occasions of the batch have earned already, by account and reference."""
    references = {
        _reference(event, rule, occasion)
        for occasion, one in zip(occasions, asked, strict=True)
        if one is not None
        for rule in one.rules
    }
    accounts = {one.account.pk for one in asked if one is not None}
    rows = PointsEntry.objects.filter(
        account_id__in=accounts,
        reference__in=references,
        kind__in=(PointsEntry.Kind.AWARD, PointsEntry.Kind.PEND),
    ).values_list("account_id", "reference", "points", "pending")
    return {
        (account_id, reference): points + pending for account_id, reference, points, pending in rows
    }


def _command(
    program: Program,
    occasion: EventOccasion,
    rule: Rule,
    step: Step,
    account: Account,
    now: datetime,
) -> Award | Pend:
    measures: dict[str, Any] = {}
    if step.desired != step.points:
        measures["desired"] = step.desired
    if not rule.qualifies:
        measures["qualifying"] = 0
    common: dict[str, Any] = {
        "account_id": account.pk,
        "reference": "",
        "reason": rule.name,
        "occurred_at": occasion.occurred_at,
        "points": step.points,
        "details": {"event": rule.event, "key": occasion.key, "steps": [step.to_json()]},
        **measures,
    }
    if rule.awaits:
        return Pend(
            awaits=rule.awaits,
            cancels_on=last_day_to_wait(program, occasion.occurred_at, rule.cancel_days),
            lifetime=dict(rule.expiry or {}),
            **common,
        )
    begins = occasion.occurred_at + timedelta(days=rule.pending_days)
    usable_on = local_date(program, begins)
    if rule.pending_days and usable_on > local_date(program, now):
        return Pend(activates_on=usable_on, lifetime=dict(rule.expiry or {}), **common)
    return Award(**lifetime_of(program, account, rule.expiry, begins), **common)


def _answers(
    event: str,
    occasions: Sequence[EventOccasion],
    asked: Sequence[Asked | None],
    given: dict[tuple[int, str], int],
    grants: Sequence[_Grant],
    outcomes: Sequence[Outcome],
) -> list[EventAward]:
    moved: dict[int, int] = defaultdict(int)
    refusals: dict[int, DomainError] = {}
    for grant, outcome in zip(grants, outcomes, strict=True):
        if outcome.refusal is not None:
            refusals[grant.place] = outcome.refusal
        elif isinstance(grant.command, Award | Pend):
            moved[grant.place] += grant.command.points
    answers: list[EventAward] = []
    for place, (occasion, one) in enumerate(zip(occasions, asked, strict=True)):
        before = sum(
            given.get((one.account.pk, _reference(event, rule, occasion)), 0)
            for rule in (one.rules if one else ())
            if one is not None
        )
        answers.append(
            EventAward(
                occasion=occasion,
                points=before + moved[place],
                points_moved=moved[place],
                refusal=refusals.get(place),
            )
        )
    return answers


def _reference(event: str, rule: Rule, occasion: EventOccasion) -> str:
    return f"event:{event}:{rule.rule_id}:{occasion.key}"
