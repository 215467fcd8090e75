"""Moves up, at the bill that reaches a tier."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from customers.models import Purchase
from customers.services import PurchaseChange
from loyalty.engine.tiers import (
    Measure,
    MeasuredPoint,
    upgrades,
)
from loyalty.models import Account, PointsEntry, Program, TierChange
from loyalty.services.tiers.moving import (
    Mover,
    Reason,
    locked_accounts,
    reached_words,
)


@transaction.atomic
def move_tiers(
    *,
    program: Program,
    accounts: Mapping[int, Account],
    changes: Sequence[PurchaseChange],
    now: datetime,
) -> list[TierChange]:
    """Raise customers whose changed bills lift them to a higher tier.

    `accounts` are by customer id. Spending never demotes.
    """
    changed = {change.purchase.pk: change.purchase for change in changes if change.is_changed}
    if not changed:
        return []
    mover = Mover(program, now)
    if not mover.ladder:
        return []
    top_id = mover.ladder[-1].tier_id
    days: dict[int, date] = {}
    for purchase in changed.values():
        account = accounts.get(purchase.customer_id or 0)
        if account is None or account.own_tier_id == top_id:
            continue
        day = program.day_of(purchase.occurred_at)
        days[account.pk] = min(days.get(account.pk, day), day)
    if not days:
        return []
    climbing = {account.pk: account for account in accounts.values() if account.pk in days}
    since = min(
        program.window.first_day(day, mover.joined_on(climbing[account_id]))
        for account_id, day in days.items()
    )
    points = _points(program, climbing, changed, since)
    for account in locked_accounts(points):
        reached_tiers = upgrades(
            points[account.pk],
            ladder=mover.ladder,
            tier_id=account.own_tier_id,
            window=program.window,
            joined_on=mover.joined_on(account),
        )
        for move in reached_tiers:
            mover.stand(
                account,
                own_id=move.tier_id,
                ends_on=mover.lasts_until(account, move.tier_id, move.day),
                reason=Reason(
                    cause=TierChange.Cause.BILL,
                    words=reached_words(program, move.measured, move.first_day),
                    occurred_at=move.at,
                    measured=move.measured,
                    first_day=move.first_day,
                    last_day=move.day,
                ),
            )
    return mover.save()


def _points(
    program: Program, accounts: Mapping[int, Account], changed: Mapping[int, Purchase], since: date
) -> dict[int, list[MeasuredPoint]]:
    """What counts for these accounts from a day on, by account id and time."""
    found: dict[int, list[MeasuredPoint]] = defaultdict(list)
    start = program.start_of(since)
    if program.tier_measure == Measure.POINTS:
        sales = {purchase.sale_id or pk for pk, purchase in changed.items()}
        entries = PointsEntry.objects.filter(account_id__in=accounts, occurred_at__gte=start)
        for account_id, at, qualifying, purchase_id in (
            entries.exclude(qualifying=0)
            .order_by("account_id", "occurred_at", "seq")
            .values_list("account_id", "occurred_at", "qualifying", "purchase_id")
        ):
            found[account_id].append(
                MeasuredPoint(
                    at=at,
                    day=program.day_of(at),
                    amount=Decimal(qualifying),
                    is_new=purchase_id in sales,
                )
            )
        return found
    by_customer = {account.customer_id: account.pk for account in accounts.values()}
    bought: set[tuple[int, date]] = set()
    for pk, customer_id, at, kind, net in (
        Purchase.objects.filter(
            customer_id__in=by_customer,
            status=Purchase.Status.ACTIVE,
            standing=Purchase.Standing.APPLIED,
            occurred_at__gte=start,
        )
        .order_by("customer_id", "occurred_at", "pk")
        .values_list("pk", "customer_id", "occurred_at", "kind", "net")
    ):
        account_id, day = by_customer[customer_id or 0], program.day_of(at)
        amount = net
        if program.tier_measure == Measure.VISITS:
            is_visit = kind == Purchase.Kind.SALE and net > 0 and (account_id, day) not in bought
            amount = Decimal(is_visit)
            if is_visit:
                bought.add((account_id, day))
        found[account_id].append(MeasuredPoint(at=at, day=day, amount=amount, is_new=pk in changed))
    return found
