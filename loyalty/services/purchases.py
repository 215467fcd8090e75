"""From bills to points: the one way in for ERP, tills and the API."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from customers.models import MergedPurchase, Purchase
from customers.services import PurchaseChange, PurchaseState, upsert_purchases
from loyalty.ledger import Outcome
from loyalty.models import Account, PointsEntry, Program, Tier
from loyalty.selectors import earned_of_sales
from loyalty.services.accounts import default_program, open_accounts
from loyalty.services.decisions import Decision, Move, Sale
from loyalty.services.points import post_commands
from loyalty.services.referrals import announce_friend_bills
from loyalty.services.returns import give_back_spent
from loyalty.services.tiers import move_tiers
from loyalty_site.common.errors import DomainError
from loyalty_site.staff.models import User


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What one bill came to: points moved now, and where the customer stands after it.

    A repeated bill moves nothing and answers with the same standing. `refusal` says why an
    account did not take the points; the bill itself is recorded all the same.
    """

    purchase: Purchase
    is_changed: bool
    points_moved: int
    points_of_bill: int
    account: Account | None
    tier: Tier | None
    refusal: DomainError | None


@transaction.atomic
def settle_purchases(
    *,
    states: Sequence[PurchaseState],
    acting_user: User | None = None,
    now: datetime | None = None,
) -> list[Settlement]:
    """Record bills in their current state and move the points that follow, exactly once.

    The points of a sale are what its rules give on what the customer kept; only the difference
    to what was posted before is posted, so sending a bill again changes nothing. The number of
    queries does not depend on the number of bills.

    Raises:
        InvalidPurchaseError: a bill is not plausible; nothing of the batch was written.
    """
    changes = upsert_purchases(states=states)
    settlements = settle_changes(changes=changes, acting_user=acting_user, now=now)
    # Returns that waited for a sale of this batch changed too, but nobody asked about them.
    return settlements[: len(states)]


def settle_changes(
    *,
    changes: Sequence[PurchaseChange],
    acting_user: User | None = None,
    now: datetime | None = None,
) -> list[Settlement]:
    """Move the points that follow from changed bills, in the transaction that changed them."""
    now = now or timezone.now()
    program = default_program()
    sales = _load_sales(changes)
    accounts = open_accounts(program=program, customer_ids=_owners(sales, changes))
    decision = Decision(program, sales, accounts, now=now, acting_user=acting_user)
    if decision.needs_tiers:
        # The tier of a bill's own time matters, also of one that an earlier bill here reached.
        move_tiers(program=program, accounts=accounts, changes=changes, now=now)
    moves = [
        *decision.decide(changes),
        *give_back_spent(
            program=program, sales=sales, changes=changes, now=now, acting_user=acting_user
        ),
    ]
    customers = {account.pk: account.customer_id for account in accounts.values()}
    outcomes = post_commands(
        program=program,
        commands=[move.command for move in moves],
        customers=customers,
        now=now,
    )
    decision.write_grants(moves, outcomes)
    move_tiers(program=program, accounts=accounts, changes=changes, now=now)
    announce_friend_bills(
        changes=changes,
        owners={sale.purchase.pk: sale.purchase.customer_id for sale in sales.values()},
    )
    return _settlements(program, changes, accounts, moves, outcomes)


# --- reading what decides -----------------------------------------------------------------------


def _load_sales(changes: Sequence[PurchaseChange]) -> dict[int, Sale]:
    """The sales that changed, or whose returns did, locked in id order, with their returns."""
    changed = [change for change in changes if change.is_changed]
    sale_ids = {
        change.purchase.sale_id or change.purchase.pk
        for change in changed
        if change.purchase.sale_id or _is_sale(change.purchase)
    }
    sale_ids |= {change.previous_sale_id for change in changed if change.previous_sale_id}
    if not sale_ids:
        return {}
    sales = {
        purchase.pk: Sale(purchase)
        for purchase in Purchase.objects.filter(pk__in=sale_ids)
        .select_related("store")
        .order_by("pk")
        .select_for_update(of=("self",))
    }
    for returned in Purchase.objects.filter(
        sale_id__in=sale_ids, standing=Purchase.Standing.APPLIED
    ).order_by("occurred_at", "pk"):
        sales[returned.sale_id or 0].returns.append(returned)
    for earned in earned_of_sales(sale_ids):
        sale = sales[earned.purchase_id]
        sale.posted[earned.customer_id] = earned.points
        sale.qualifying[earned.customer_id] = earned.qualifying
        sale.is_reversed_by_hand |= earned.is_reversed_by_hand
        sale.paid_at = min(sale.paid_at or earned.paid_at, earned.paid_at)
    _fold_separated(sales)
    return sales


def _fold_separated(sales: dict[int, Sale]) -> None:
    """What a bill moved while its customer was merged into another belongs to the bill's owner.

    One query, and only where points of a bill stand with somebody who is not its owner.
    """
    foreign = [
        sale.purchase.pk
        for sale in sales.values()
        if any(
            points for owner, points in sale.posted.items() if owner != sale.purchase.customer_id
        )
    ]
    if not foreign:
        return
    for purchase_id, kept_id, merged_id in MergedPurchase.objects.filter(
        purchase_id__in=foreign, merge__undone_at__isnull=False
    ).values_list("purchase_id", "merge__kept_id", "merge__merged_id"):
        sale = sales[purchase_id]
        if sale.purchase.customer_id == merged_id and kept_id in sale.posted:
            for figures in (sale.posted, sale.qualifying):
                figures[merged_id] = figures.get(merged_id, 0) + figures.pop(kept_id, 0)


def _is_sale(purchase: Purchase) -> bool:
    return purchase.kind == Purchase.Kind.SALE


def _owners(sales: dict[int, Sale], changes: Sequence[PurchaseChange]) -> set[int]:
    owners = {change.purchase.customer_id for change in changes}
    for sale in sales.values():
        owners.add(sale.purchase.customer_id)
        owners.update(sale.posted)
    return {owner for owner in owners if owner is not None}


# --- answering ----------------------------------------------------------------------------------


def _settlements(
    program: Program,
    changes: Sequence[PurchaseChange],
    accounts: dict[int, Account],
    moves: Sequence[Move],
    outcomes: Sequence[Outcome],
) -> list[Settlement]:
    moved: dict[int, int] = defaultdict(int)
    refusals: dict[int, DomainError] = {}
    for move, outcome in zip(moves, outcomes, strict=True):
        if outcome.refusal is not None:
            refusals[move.cause_id] = outcome.refusal
        elif not outcome.replayed:
            moved[move.cause_id] += sum(entry.points for entry in outcome.entries)
    sale_ids = {change.purchase.sale_id or change.purchase.pk for change in changes}
    totals: dict[int | None, int] = dict(
        PointsEntry.objects.filter(purchase_id__in=sale_ids)
        .values_list("purchase_id")
        .annotate(Sum("points"))
        .order_by()
    )
    fresh = {
        account.customer_id: account
        for account in Account.objects.filter(
            program=program, customer_id__in=accounts
        ).select_related("tier")
    }
    settlements: list[Settlement] = []
    for change in changes:
        purchase = change.purchase
        account = fresh.get(purchase.customer_id or 0)
        settlements.append(
            Settlement(
                purchase=purchase,
                is_changed=change.is_changed,
                points_moved=moved[purchase.pk],
                points_of_bill=totals.get(purchase.sale_id or purchase.pk, 0),
                account=account,
                tier=account.tier if account else None,
                refusal=refusals.get(purchase.pk),
            )
        )
    return settlements
