"""Bills that find their customer afterwards, and the points that follow."""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from customers import services as customers
from customers.errors import BillTakenError
from customers.models import Customer, Purchase, Store
from customers.services import PurchaseChange, claimable_by_phone, find_bill
from loyalty.services.purchases import Settlement, settle_changes
from loyalty_site.staff.models import User


@transaction.atomic
def claim_purchases(
    *, owners: Mapping[int, int], acting_user: User | None = None, now: datetime | None = None
) -> list[Settlement]:
    """Give waiting bills to their customers (purchase id to customer id) and settle them.

    They earn as of their own dates. Answers the bills that were given; one that waits no more is
    left out, so repeating a call changes nothing.
    """
    changes = customers.claim_purchases(owners=owners, now=now)
    settlements = settle_changes(changes=changes, acting_user=acting_user, now=now)
    return [one for one in settlements if one.purchase.pk in owners]


def claim_bill(
    *,
    customer: Customer,
    number: str,
    store: Store,
    bought_on: date,
    total: Decimal,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Settlement:
    """Let a customer claim a bill by what stands on its receipt; `total` includes tax.

    Claiming an own bill again answers as the first time. Must not run inside a transaction.

    Raises:
        BillNotFoundError: no waiting bill fits.
        BillTakenError: the bill belongs to somebody else.
        TooManyClaimsError: too many were not found today.
    """
    bill = find_bill(
        customer=customer,
        number=number,
        store=store,
        bought_on=bought_on,
        total=total,
        now=now,
    )
    with transaction.atomic():
        claimed = claim_purchases(owners={bill.pk: customer.pk}, acting_user=acting_user, now=now)
        if claimed:
            return claimed[0]
        bill = Purchase.objects.select_related("store").get(pk=bill.pk)
        if bill.customer_id != customer.pk:
            raise BillTakenError()
        unchanged = PurchaseChange(purchase=bill, is_new=False, is_changed=False)
        return settle_changes(changes=[unchanged], now=now)[0]


def claim_waiting_bills(
    *,
    customer_ids: Collection[int] | None = None,
    limit: int = 1000,
    now: datetime | None = None,
) -> int:
    """Give waiting bills to those whose phone is on them; of everybody, or of some.

    Returns how many were given; call again until it is 0.
    """
    owners = claimable_by_phone(customer_ids=customer_ids, limit=limit)
    return len(claim_purchases(owners=owners, now=now)) if owners else 0
