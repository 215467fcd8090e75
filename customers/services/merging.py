"""Two records of one person become one, and apart again if that was a mistake."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from customers.errors import (
    CustomerNotFoundError,
    MergeNotFoundError,
    MergeRefusedError,
    UnmergeRefusedError,
)
from customers.events import CustomersMerged, CustomersSeparated
from customers.models import Consent, Customer, CustomerMerge, MergedPurchase, Purchase
from customers.selectors import current_consents
from customers.services.consents import ConsentStatement, record_consents
from loyalty_site.common.rows import insert_rows
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User

UNDO_DAYS = 30
_SOURCE = "merge"
# A phone or an address belongs to one record, so it moves; the rest is copied.
_MOVED: dict[str, tuple[str, ...]] = {
    "phone": ("phone", "phone_index", "phone_tail_index", "phone_reachable"),
    "email": ("email", "email_index"),
}
_COPIED: dict[str, tuple[str, ...]] = {
    "birth_date": ("birth_date", "birthday_index"),
    "anniversary_on": ("anniversary_on", "anniversary_index"),
    "city": ("city",),
    "home_store": ("home_store_id",),
}
_BLANK: dict[str, Any] = {
    "phone_index": None,
    "phone_reachable": True,
    "email_index": None,
    "anniversary_on": None,
    "home_store_id": None,
}
_CHANNEL_OF = {Consent.Channel.WHATSAPP: "phone", Consent.Channel.EMAIL: "email"}


@transaction.atomic
def merge_customers(
    *,
    kept: Customer,
    merged: Customer,
    reason: str,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> CustomerMerge:
    """Let `kept` take over the bills of `merged`, and the contacts that it lacks itself.

    What `merged` refused later than `kept` said anything is refused from now on; what it allowed
    holds only where the phone or address moved along. Its old contacts and numbers find `kept`.

    Raises:
        MergeRefusedError: the same record, or one that was erased or merged before.
    """
    now = now or timezone.now()
    kept, merged = _lock(kept.pk, merged.pk)
    if kept.pk == merged.pk:
        raise MergeRefusedError(reason="Choose two different customers.")
    for customer in (kept, merged):
        if customer.status in (Customer.Status.ERASED, Customer.Status.MERGED):
            raise MergeRefusedError(
                reason=f"Customer {customer.pk} is {customer.get_status_display().lower()} already."
            )
    merge = CustomerMerge(
        kept=kept,
        merged=merged,
        reason=reason.strip()[:200],
        merged_at=now,
        merged_by=acting_user,
        details={"status": merged.status},
    )
    merge.taken_over = _take_over(kept, merged)
    merge.repointed = list(
        Customer.objects.filter(merged_into=merged).order_by("pk").values_list("pk", flat=True)
    )
    Customer.objects.filter(pk__in=merge.repointed).update(merged_into=kept)
    statements = _consents_to_carry(kept, merged, merge.taken_over)
    merged.status = Customer.Status.MERGED
    merged.merged_into = kept
    _save(merged)
    _save(kept)
    merge.save()
    _move_purchases(merge, now)
    if statements:
        record_consents(statements=statements, source=_SOURCE, acting_user=acting_user, now=now)
    publish([CustomersMerged(merge_id=merge.pk, customer_id=kept.pk, merged_customer_id=merged.pk)])
    return merge


@transaction.atomic
def separate_customers(
    *, merge: CustomerMerge, acting_user: User | None = None, now: datetime | None = None
) -> CustomerMerge:
    """Undo a merge: the bills that came with it go back, and the contacts that moved.

    What happened since the merge stays where it is.

    Raises:
        MergeNotFoundError: there is no such merge.
        UnmergeRefusedError: it is undone, too long ago, or `kept` was merged on or erased since.
    """
    now = now or timezone.now()
    ids = CustomerMerge.objects.filter(pk=merge.pk).values_list("kept_id", "merged_id").first()
    if ids is None:
        raise MergeNotFoundError()
    kept, merged = _lock(*ids)
    merge = CustomerMerge.objects.select_for_update().get(pk=merge.pk)
    if merge.undone_at is not None:
        raise UnmergeRefusedError(reason="This merge was undone already.")
    if now - merge.merged_at > timedelta(days=UNDO_DAYS):
        raise UnmergeRefusedError(reason=f"A merge can be undone for {UNDO_DAYS} days only.")
    if kept.status == Customer.Status.MERGED:
        raise UnmergeRefusedError(reason=f"Customer {kept.pk} was merged since; undo that first.")
    if kept.status == Customer.Status.ERASED:
        raise UnmergeRefusedError(reason=f"Customer {kept.pk} was erased since.")
    merge.kept, merge.merged = kept, merged
    _give_back(merge)
    merged.status = str(merge.details.get("status") or Customer.Status.ACTIVE)
    merged.merged_into = None
    _save(kept)
    _save(merged)
    Customer.objects.filter(pk__in=merge.repointed, merged_into=kept).update(merged_into=merged)
    Purchase.objects.filter(pk__in=merge.moved.values("purchase_id"), customer=kept).update(
        customer=merged, updated_at=now
    )
    merge.undone_at = now
    merge.undone_by = acting_user
    merge.save(update_fields=["undone_at", "undone_by"])
    publish(
        [
            CustomersSeparated(
                merge_id=merge.pk, customer_id=kept.pk, separated_customer_id=merged.pk
            )
        ]
    )
    return merge


def _lock(kept_id: int, merged_id: int) -> tuple[Customer, Customer]:
    """Both rows, so that nobody records a bill for either meanwhile."""
    rows = {
        customer.pk: customer
        for customer in Customer.objects.filter(pk__in={kept_id, merged_id})
        .order_by("pk")
        .select_for_update()
    }
    if not {kept_id, merged_id} <= rows.keys():
        raise CustomerNotFoundError()
    return rows[kept_id], rows[merged_id]


def _take_over(kept: Customer, merged: Customer) -> dict[str, str]:
    """Fill what `kept` lacks; tells which parts, with the hash of a contact that moved."""
    taken: dict[str, str] = {}
    for name, columns in {**_MOVED, **_COPIED}.items():
        if getattr(kept, columns[0]) or not getattr(merged, columns[0]):
            continue
        taken[name] = str(getattr(merged, columns[1])) if name in _MOVED else ""
        for column in columns:
            setattr(kept, column, getattr(merged, column))
            if name in _MOVED:
                setattr(merged, column, _BLANK.get(column, ""))
    missing = {key: value for key, value in merged.attributes.items() if key not in kept.attributes}
    kept.attributes = {**kept.attributes, **missing}
    return {**taken, **{f"attribute:{key}": "" for key in missing}}


def _give_back(merge: CustomerMerge) -> None:
    """Undo `_take_over`, as far as `kept` still has what it took."""
    kept, merged = merge.kept, merge.merged
    for name, columns in {**_MOVED, **_COPIED}.items():
        if name not in merge.taken_over:
            continue
        if name in _MOVED:
            if getattr(kept, columns[1]) != merge.taken_over[name]:
                continue
            for column in columns:
                setattr(merged, column, getattr(kept, column))
        elif getattr(kept, columns[0]) != getattr(merged, columns[0]):
            continue
        for column in columns:
            setattr(kept, column, _BLANK.get(column, ""))
    kept.attributes = {
        key: value
        for key, value in kept.attributes.items()
        if f"attribute:{key}" not in merge.taken_over or value != merged.attributes.get(key)
    }


def _save(customer: Customer) -> None:
    columns = [column for group in (*_MOVED.values(), *_COPIED.values()) for column in group]
    customer.save(update_fields=[*columns, "attributes", "status", "merged_into", "updated_at"])


def _consents_to_carry(
    kept: Customer, merged: Customer, taken_over: dict[str, str]
) -> list[ConsentStatement]:
    own = {(one.channel, one.purpose): one for one in current_consents(kept)}
    statements: list[ConsentStatement] = []
    for said in current_consents(merged):
        before = own.get((said.channel, said.purpose))
        if before is not None and (
            before.granted == said.granted or before.recorded_at >= said.recorded_at
        ):
            continue
        moved_along = _CHANNEL_OF[Consent.Channel(said.channel)] in taken_over
        if said.granted and not moved_along:
            continue
        statements.append(
            ConsentStatement(
                customer_id=kept.pk,
                channel=said.channel,
                purpose=said.purpose,
                granted=said.granted,
                wording=said.wording,
            )
        )
    return statements


def _move_purchases(merge: CustomerMerge, now: datetime) -> None:
    bills = list(
        Purchase.objects.filter(customer=merge.merged)
        .order_by("pk")
        .select_for_update(no_key=True)
        .values_list("pk", flat=True)
    )
    insert_rows(MergedPurchase, ("merge_id", "purchase_id"), [(merge.pk, bill) for bill in bills])
    Purchase.objects.filter(customer=merge.merged).update(customer=merge.kept, updated_at=now)
