"""Bills that found their customer afterwards."""

from collections.abc import Collection, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from customers.errors import BillNotFoundError, BillTakenError, TooManyClaimsError
from customers.models import ClaimAttempt, Customer, Purchase, Store
from customers.services.purchases import PurchaseChange, change_of, event_of
from customers.services.strangers import bill_policy
from loyalty_site.common.rows import update_rows
from loyalty_site.outbox.services import publish

_DAY = timedelta(days=1)
_ROUNDING = Decimal("1.00")
_MOST_FITTING = 20


@transaction.atomic
def claim_purchases(
    *, owners: Mapping[int, int], now: datetime | None = None
) -> list[PurchaseChange]:
    """Give waiting bills to their customers (purchase id to customer id), each bill once.

    Bills that do not wait any more are left out, so repeating a call changes nothing. Returns
    of a bill follow it, after all bills. The number of queries does not depend on the number of
    bills.
    """
    now = now or timezone.now()
    waiting = Q(pk__in=owners, standing=Purchase.Standing.NO_CUSTOMER)
    following = Q(sale__in=owners, customer__isnull=True)
    people = set(
        Customer.objects.live().filter(pk__in=set(owners.values())).values_list("pk", flat=True)
    )
    rows = list(
        Purchase.objects.filter(waiting | following).order_by("pk").select_for_update(no_key=True)
    )
    claimed = {bill.pk: bill for bill in rows if bill.pk in owners and owners[bill.pk] in people}
    followers = [bill for bill in rows if bill.sale_id in claimed]
    changes: list[PurchaseChange] = []
    for bill in [*claimed.values(), *followers]:
        changes.append(change_of(bill, is_changed=True))
        bill.customer_id = owners[bill.sale_id if bill.sale_id in claimed else bill.pk]
        if bill.standing == Purchase.Standing.NO_CUSTOMER:
            bill.standing = Purchase.Standing.APPLIED
        bill.claimed_at = bill.updated_at = now
        bill.version += 1
    columns = ("id", "customer_id", "standing", "claimed_at", "updated_at", "version")
    update_rows(
        Purchase,
        columns,
        [[getattr(change.purchase, column) for column in columns] for change in changes],
    )
    publish(event_of(change) for change in changes)
    return changes


def find_bill(
    *,
    customer: Customer,
    number: str,
    store: Store,
    bought_on: date,
    total: Decimal,
    now: datetime | None = None,
) -> Purchase:
    """The waiting bill that a customer describes from its receipt.

    `total` is what was paid, tax included, to the rupee. Each try is counted and committed
    before it is answered, so guessing is bounded however many tries come at once. Must not run
    inside a transaction. A bill that is the customer's already is answered again.

    Raises:
        BillNotFoundError: no bill fits, or it is too old.
        BillTakenError: the bill belongs to somebody else.
        TooManyClaimsError: too many were not found today.
    """
    now = now or timezone.now()
    policy = bill_policy()
    with transaction.atomic(durable=True):
        Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
        wrong = ClaimAttempt.objects.filter(
            customer=customer, purchase__isnull=True, tried_at__gt=now - _DAY
        )
        if wrong.count() >= policy.claim_tries:
            first = wrong.order_by("tried_at").values_list("tried_at", flat=True)[0]
            wait = first + _DAY - now
            raise TooManyClaimsError(retry_after=max(1, round(wait.total_seconds())))
        oldest = now - timedelta(days=policy.claim_days)
        bill = _fitting(customer, number.strip(), store, bought_on, total, oldest)
        is_free = bill is not None and bill.standing == Purchase.Standing.NO_CUSTOMER
        is_own = bill is not None and bill.customer_id == customer.pk
        ClaimAttempt.objects.create(
            customer=customer,
            number=number.strip()[:60],
            purchase=bill if is_free or is_own else None,
            tried_at=now,
        )
    if bill is None:
        raise BillNotFoundError()
    if not (is_free or is_own):
        raise BillTakenError()
    return bill


def _fitting(
    customer: Customer,
    number: str,
    store: Store,
    bought_on: date,
    total: Decimal,
    oldest: datetime,
) -> Purchase | None:
    """The bill of these figures; one that waits, or is the customer's own, before others."""
    start = datetime.combine(bought_on, time.min, tzinfo=ZoneInfo(store.zone))
    bills = Purchase.objects.filter(
        number=number,
        store=store,
        kind=Purchase.Kind.SALE,
        status=Purchase.Status.ACTIVE,
        standing__in=(Purchase.Standing.NO_CUSTOMER, Purchase.Standing.APPLIED),
        occurred_at__gte=max(start, oldest),
        occurred_at__lt=start + _DAY,
    )
    fitting = [
        bill
        for bill in bills.order_by("pk")[:_MOST_FITTING]
        if abs(Decimal(bill.net + bill.tax) - total) <= _ROUNDING
    ]
    return next(
        iter(sorted(fitting, key=lambda bill: bill.customer_id not in (None, customer.pk))), None
    )


def claimable_by_phone(
    *, customer_ids: Collection[int] | None = None, limit: int = 1000
) -> dict[int, int]:
    """Waiting bills whose phone belongs to somebody now: purchase id to customer id.

    Of everybody, or only of the given customers; two queries.
    """
    people = Customer.objects.exclude(status=Customer.Status.ERASED).filter(
        phone_index__isnull=False
    )
    if customer_ids is not None:
        people = people.filter(Q(pk__in=customer_ids) | Q(merged_into__in=customer_ids))
    bills = dict(
        Purchase.objects.filter(
            standing=Purchase.Standing.NO_CUSTOMER, phone_index__in=people.values("phone_index")
        )
        .exclude(phone_index="")
        .order_by("pk")
        .values_list("pk", "phone_index")[:limit]
    )
    owners = {
        customer.phone_index: customer.survivor_id
        for customer in people.filter(phone_index__in=set(bills.values())).only(
            "phone_index", "merged_into_id"
        )
    }
    return {bill: owners[index] for bill, index in bills.items() if index in owners}
