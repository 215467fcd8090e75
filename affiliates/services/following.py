"""What becomes of affiliates and their bills when records of customers are merged or separated.

Bindings and touches stay with the record they were made for: whoever decides a bill looks at all
records of its customer, so they follow a merge and go back by themselves.
"""

from collections.abc import Collection

from django.db import transaction
from django.db.models import Q

from affiliates.models import Affiliate
from affiliates.services.settling import settle_commissions
from customers.models import CustomerMerge, MergedPurchase

_BATCH = 500


@transaction.atomic
def follow_customers(*, merge_ids: Collection[int]) -> None:
    """Let affiliates be the customers that they are after these merges, or after undoing them.

    An affiliate whose customer was merged into one who is an affiliate too stays with the old
    record. The bills that moved are settled: a purchase may turn out to be the affiliate's own.
    """
    pairs = CustomerMerge.objects.filter(pk__in=merge_ids).values_list("kept_id", "merged_id")
    _move_affiliates({pk for pair in pairs for pk in pair})
    bills = list(
        MergedPurchase.objects.filter(merge__in=merge_ids, purchase__conversion__isnull=False)
        .order_by("purchase_id")
        .values_list("purchase_id", flat=True)
    )
    for start in range(0, len(bills), _BATCH):
        settle_commissions(purchase_ids=bills[start : start + _BATCH])


def _move_affiliates(customer_ids: Collection[int]) -> None:
    concerned = (
        Affiliate.objects.filter(
            Q(customer__in=customer_ids)
            | Q(joined_as__in=customer_ids)
            | Q(joined_as__merged_into__in=customer_ids)
        )
        .select_related("customer", "joined_as")
        .select_for_update(of=("self",))
        .order_by("pk")
    )
    for affiliate in concerned:
        joined_as = affiliate.joined_as or affiliate.customer
        if joined_as is None or joined_as.survivor_id == affiliate.customer_id:
            continue
        if Affiliate.objects.filter(customer=joined_as.survivor_id).exists():
            continue
        affiliate.customer_id = joined_as.survivor_id
        affiliate.joined_as = None if affiliate.customer_id == joined_as.pk else joined_as
        affiliate.save(update_fields=["customer", "joined_as"])
