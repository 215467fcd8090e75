"""Reads over one customer's standing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import Sum

from loyalty.engine import NEVER
from loyalty.errors import AccountNotFoundError
from loyalty.models import Account, Lot, PointsEntry
from loyalty.selectors.standings import TierProgress, tier_progress

_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiringPoints:
    """Points that end together after their last usable day."""

    points: int
    last_day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOverview:
    """All that a customer's first screen and the customer page show of an account."""

    account: Account
    worth: Decimal
    expiring: Sequence[ExpiringPoints]
    progress: TierProgress


def get_account(customer_id: int) -> Account:
    """A customer's account.

    Raises:
        AccountNotFoundError: the customer has none.
    """
    account = find_account(customer_id)
    if account is None:
        raise AccountNotFoundError()
    return account


def find_account(customer_id: int) -> Account | None:
    """A customer's account, or None."""
    return (
        Account.objects.filter(customer_id=customer_id)
        .select_related("program", "tier", "customer")
        .order_by("pk")
        .first()
    )


def account_overview(account: Account) -> AccountOverview:
    """The account's figures; 3 queries at most."""
    return AccountOverview(
        account=account,
        worth=worth(account, account.available),
        expiring=expiring_points(account),
        progress=tier_progress(account),
    )


def worth(account: Account, points: int) -> Decimal:
    """What points are worth to the customer, in the programme's currency."""
    return (points * account.program.point_value).quantize(_CENT)


def expiring_points(account: Account, *, limit: int = 12) -> list[ExpiringPoints]:
    """Open points by their last usable day, soonest first; never-ending ones left out."""
    rows = (
        Lot.objects.filter(account=account, remaining__gt=0, expires_on__lt=NEVER)
        .values("expires_on")
        .annotate(points=Sum("remaining"))
        .order_by("expires_on")[:limit]
    )
    return [ExpiringPoints(points=row["points"], last_day=row["expires_on"]) for row in rows]


def recent_entries(
    account: Account, *, limit: int = 50, before: int | None = None
) -> list[PointsEntry]:
    """The newest entries of an account, or those before a number; bounded."""
    entries = account.entries.select_related("account__program", "purchase__store")
    if before is not None:
        entries = entries.filter(seq__lt=before)
    return list(entries.order_by("-seq")[:limit])


def points_of_purchases(purchase_ids: Iterable[int]) -> dict[int, int]:
    """What bills earned, less what was taken back, by purchase id."""
    rows = (
        PointsEntry.objects.filter(purchase_id__in=purchase_ids)
        .values_list("purchase_id")
        .annotate(Sum("points"))
        .order_by()
    )
    return {purchase_id: points for purchase_id, points in rows if purchase_id}
