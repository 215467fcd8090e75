"""From bills to commissions: attribute each order once, post only differences."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Count, Max, Sum

from affiliates.engine import (
    MINOR_UNIT,
    Commission,
    Kind,
    Terms,
    commission,
    correction,
)
from affiliates.events import CommissionPosted
from affiliates.models import CommissionEntry, Conversion, Enrolment, PlanVersion
from affiliates.services.attributing import attribute_orders, hold_end
from affiliates.services.orders import NOTHING, Order, lock_orders
from affiliates.services.screening import screen_conversions
from loyalty_site.outbox.services import publish


@transaction.atomic
def settle_commissions(*, purchase_ids: Collection[int]) -> list[CommissionEntry]:
    """Bring the commissions of these bills to their present state; returns the new entries.

    A return settles the sale it belongs to. Each sale is recomputed from its current state and
    all its returns, and only the difference to what was credited is posted, so repeated and
    out-of-order calls change nothing. The number of queries does not depend on the bills.
    """
    orders = lock_orders(purchase_ids)
    conversions = attribute_orders(orders)
    screen_conversions(conversions=conversions.values(), orders=orders)
    entries = CommissionEntry.objects.bulk_create(_corrections(conversions, orders))
    publish(
        CommissionPosted(
            entry_id=entry.pk,
            affiliate_id=entry.affiliate_id,
            customer_id=entry.affiliate.customer_id,
            amount=entry.amount,
            currency=entry.currency,
            purchase_number=entry.conversion.purchase.number if entry.conversion else "",
            occurred_at=entry.occurred_at,
        )
        for entry in entries
    )
    return entries


@dataclass(frozen=True, slots=True)
class _Credit:
    """What an enrolment was credited for a conversion so far."""

    enrolment: Enrolment
    amount: Decimal = NOTHING
    held_until: datetime | None = None
    lines: int = 0


def _corrections(
    conversions: Mapping[int, Conversion], orders: Mapping[int, Order]
) -> list[CommissionEntry]:
    """The entries that take each conversion from what was credited to what is earned now."""
    credits = _credits(conversions.values())
    entries = []
    for pk, conversion in conversions.items():
        order = orders[pk]
        of_one = credits[conversion.pk]
        lines = sum(credit.lines for credit in of_one.values())
        winner, version = conversion.enrolment, conversion.plan_version
        is_refused = conversion.review == Conversion.Review.REFUSED
        if winner is not None:
            of_one.setdefault(winner.pk, _Credit(winner))
        for credit in of_one.values():
            wins = winner is not None and credit.enrolment.pk == winner.pk and not is_refused
            paid = commission(_terms(version), order.remaining_net) if wins and version else None
            amount = correction(credited=credit.amount, earned=paid.amount if paid else NOTHING)
            if amount:
                lines += 1
                entries.append(_entry(conversion, order, credit, paid, amount, line=lines))
    return entries


def _credits(conversions: Collection[Conversion]) -> dict[int, dict[int, _Credit]]:
    sums = list(
        CommissionEntry.objects.filter(conversion__in=conversions)
        .values_list("conversion_id", "enrolment_id")
        .annotate(amount=Sum("amount"), held_until=Max("held_until"), lines=Count("pk"))
    )
    enrolments = Enrolment.objects.select_related("affiliate").in_bulk({row[1] for row in sums})
    credits: dict[int, dict[int, _Credit]] = defaultdict(dict)
    for conversion_id, enrolment_id, amount, held_until, lines in sums:
        credits[conversion_id][enrolment_id] = _Credit(
            enrolments[enrolment_id], amount.quantize(MINOR_UNIT), held_until, lines
        )
    return credits


def _terms(version: PlanVersion) -> Terms:
    return Terms(kind=Kind(version.kind), rate=version.rate)


def _entry(
    conversion: Conversion,
    order: Order,
    credit: _Credit,
    paid: Commission | None,
    amount: Decimal,
    *,
    line: int,
) -> CommissionEntry:
    version = conversion.plan_version if paid else None
    is_refused = conversion.review == Conversion.Review.REFUSED
    cause = "refused" if is_refused else _cause(order, credit, paid, amount)
    sale = order.sale
    return CommissionEntry(
        conversion=conversion,
        enrolment=credit.enrolment,
        affiliate=credit.enrolment.affiliate,
        kind=CommissionEntry.Kind.CORRECT if credit.lines else CommissionEntry.Kind.EARN,
        amount=amount,
        currency=sale.currency,
        reference=f"purchase:{sale.pk}:{line}",
        explanation={
            "cause": cause,
            "plan": str(version) if version else "",
            "kind": version.kind if version else "",
            "rate": _plain(version.rate) if version else "",
            "sale_net": str(sale.net),
            "returned_net": str(order.returned_net),
            "remaining_net": str(order.remaining_net),
            "exact": _plain(paid.exact) if paid else "0",
            "earned": str(paid.amount if paid else NOTHING),
            "credited_before": str(credit.amount),
            "review_reason": conversion.review_reason,
        },
        occurred_at={"earned": sale.occurred_at, "returned": order.last_returned_at}.get(cause)
        or sale.updated_at,
        held_until=credit.held_until or hold_end(sale, credit.enrolment),
    )


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _cause(order: Order, credit: _Credit, paid: Commission | None, amount: Decimal) -> str:
    if paid is None:
        return "lost"
    if not credit.lines:
        return "earned"
    if not order.sale.is_active:
        return "cancelled"
    return "returned" if order.returned_net and amount < 0 else "changed"
