"""One person, two records: everything becomes one, in one transaction."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from customers import services as customers
from customers.models import Customer, CustomerMerge
from loyalty.events import TierChanged
from loyalty.ledger import Merge, Separate
from loyalty.models import Account, HouseholdMember, Program, Tier, TierChange
from loyalty.services.accounts import open_accounts
from loyalty.services.points import post_commands
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User


@transaction.atomic
def merge_customers(
    *,
    kept: Customer,
    merged: Customer,
    reason: str,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> CustomerMerge:
    """Let `kept` take over everything of `merged`: bills, contacts, points, the higher tier.

    Points keep their last day, points on their way and debts come along, and the other account
    is closed. It can be undone for 30 days.

    Raises:
        MergeRefusedError: the same record, or one that was erased or merged before.
        PointsHeldError: a redemption of `merged` is under way.
        AccountClosedError: an account of one of them is closed.
    """
    now = now or timezone.now()
    merge = customers.merge_customers(
        kept=kept, merged=merged, reason=reason, acting_user=acting_user, now=now
    )
    tiers: list[dict[str, Any]] = []
    for giver in _open_accounts_of(merged):
        program = giver.program
        taker = open_accounts(program=program, customer_ids=[kept.pk])[kept.pk]
        command = Merge(
            account_id=giver.pk,
            to_account_id=taker.pk,
            reference=f"merge:{merge.pk}",
            reason=f"{merged.name} and {kept.name} are one customer",
            occurred_at=now,
            actor_id=acting_user.pk if acting_user else None,
            details={"merge": merge.pk, "from": merged.pk, "to": kept.pk},
        )
        (outcome,) = post_commands(
            program=program,
            commands=[command],
            customers={giver.pk: merged.pk, taker.pk: kept.pk},
            now=now,
        )
        if outcome.refusal is not None:
            raise outcome.refusal
        if (before := _raise_tier(taker, giver, now)) is not None:
            tiers.append(before)
    places = _move_household(kept, merged, now)
    merge.details = {**merge.details, "tiers": tiers, "households": places}
    merge.save(update_fields=["details"])
    return merge


@transaction.atomic
def separate_customers(
    *, merge: CustomerMerge, acting_user: User | None = None, now: datetime | None = None
) -> CustomerMerge:
    """Undo a merge: what is left of the points that it brought goes back with its bills.

    Points that were spent or expired meanwhile are gone, and what was earned since stays.

    Raises:
        MergeNotFoundError: there is no such merge.
        UnmergeRefusedError: it is undone, too long ago, or its customer was merged on since.
    """
    now = now or timezone.now()
    merge = customers.separate_customers(merge=merge, acting_user=acting_user, now=now)
    accounts = Account.objects.filter(
        customer=merge.merged, merged_into__customer=merge.kept
    ).select_related("program")
    by_program: dict[Program, list[Account]] = defaultdict(list)
    for account in accounts.order_by("pk"):
        by_program[account.program].append(account)
    for program, closed in by_program.items():
        outcomes = post_commands(
            program=program,
            commands=[
                Separate(
                    account_id=account.pk,
                    from_account_id=account.merged_into_id or 0,
                    reference=f"separate:{merge.pk}",
                    reason=f"{merge.merged.name} and {merge.kept.name} are two customers",
                    occurred_at=now,
                    actor_id=acting_user.pk if acting_user else None,
                    details={"merge": merge.pk, "from": merge.kept_id, "to": merge.merged_id},
                )
                for account in closed
            ],
            customers={
                pk: customer
                for account in closed
                for pk, customer in (
                    (account.pk, merge.merged_id),
                    (account.merged_into_id or 0, merge.kept_id),
                )
            },
            now=now,
        )
        for outcome in outcomes:
            if outcome.refusal is not None:
                raise outcome.refusal
    _lower_tiers(merge, now)
    _bring_back_household(merge)
    return merge


def _open_accounts_of(customer: Customer) -> list[Account]:
    accounts = Account.objects.filter(customer=customer, merged_into__isnull=True)
    return list(accounts.select_related("program", "tier").order_by("pk"))


# --- tiers --------------------------------------------------------------------------------------


def _raise_tier(taker: Account, giver: Account, now: datetime) -> dict[str, Any] | None:
    """Keep the higher of two tiers; answers what was before, if anything changed."""
    taker = Account.objects.select_for_update(of=("self",)).select_related("tier").get(pk=taker.pk)
    tier, own = giver.tier, taker.tier
    if tier is None or (own is not None and own.threshold >= tier.threshold):
        return None
    before = {"account": taker.pk, "from": taker.tier_id, "to": tier.pk}
    _change_tier(taker, tier, "Kept the higher tier of two merged customers", now)
    return before


def _lower_tiers(merge: CustomerMerge, now: datetime) -> None:
    """Give the tier back that a merge brought, unless it changed since."""
    for change in merge.details.get("tiers", ()):
        account = (
            Account.objects.select_for_update(of=("self",))
            .select_related("tier")
            .get(pk=change["account"])
        )
        tier = Tier.objects.filter(pk=change["from"]).first()
        if account.tier_id == change["to"] and tier is not None:
            _change_tier(account, tier, "The merge that brought the higher tier was undone", now)


def _change_tier(account: Account, tier: Tier, reason: str, now: datetime) -> None:
    previous = account.tier
    change = TierChange.objects.create(
        account=account,
        tier=tier,
        previous=previous,
        spend=0,
        reason=reason,
        occurred_at=now,
        recorded_at=now,
    )
    account.tier = tier
    account.save(update_fields=["tier"])
    publish(
        [
            TierChanged(
                change_id=change.pk,
                account_id=account.pk,
                customer_id=account.customer_id,
                tier_id=tier.pk,
                previous_tier_id=previous.pk if previous else None,
                is_upgrade=previous is None or tier.threshold > previous.threshold,
                occurred_at=now,
            )
        ]
    )


# --- households ---------------------------------------------------------------------------------


def _move_household(kept: Customer, merged: Customer, now: datetime) -> list[int]:
    """Take the place over if `kept` has none; else the merged record's place is given up."""
    open_states = (HouseholdMember.State.INVITED, HouseholdMember.State.ACTIVE)
    places = HouseholdMember.objects.filter(state__in=open_states).order_by("pk")
    own = list(places.filter(customer=kept).select_for_update())
    moved: list[int] = []
    for place in places.filter(customer=merged).select_for_update():
        is_free = not any(
            mine.household_id == place.household_id
            or (mine.state == place.state == HouseholdMember.State.ACTIVE)
            for mine in own
        )
        if is_free:
            place.customer = kept
            place.save(update_fields=["customer"])
            moved.append(place.pk)
        else:
            place.state, place.left_at = HouseholdMember.State.LEFT, now
            place.save(update_fields=["state", "left_at"])
    return moved


def _bring_back_household(merge: CustomerMerge) -> None:
    HouseholdMember.objects.filter(
        pk__in=merge.details.get("households", ()), customer=merge.kept
    ).update(customer=merge.merged)
