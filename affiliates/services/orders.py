"""Sales with what came back of them, locked for a settlement."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Max, Sum

from affiliates.engine import (
    MINOR_UNIT,
    normal_code,
)
from customers.models import Purchase

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Order:
    """A sale with what came back of it; `returned_net` is zero or negative."""

    sale: Purchase
    returned_net: Decimal = NOTHING
    last_returned_at: datetime | None = None

    @property
    def remaining_net(self) -> Decimal:
        kept = self.sale.net + self.returned_net
        return kept if self.sale.is_active and kept > 0 else NOTHING

    @property
    def codes(self) -> list[str]:
        return [normal_code(code) for code in self.sale.codes if isinstance(code, str)]


def lock_orders(purchase_ids: Collection[int]) -> dict[int, Order]:
    named = Purchase.objects.filter(pk__in=purchase_ids).values_list("pk", "kind", "sale_id")
    sale_ids = {pk if kind == Purchase.Kind.SALE else sale_id for pk, kind, sale_id in named}
    sales = (
        Purchase.objects.select_for_update(of=("self",), no_key=True)
        .select_related("customer")
        .filter(pk__in=sale_ids - {None})
        .order_by("pk")
    )
    orders = {sale.pk: Order(sale) for sale in sales}
    returns = (
        Purchase.objects.filter(sale_id__in=orders, status=Purchase.Status.ACTIVE)
        .values_list("sale_id")
        .annotate(net=Sum("net"), last=Max("occurred_at"))
    )
    for sale_id, net, last in returns:
        orders[sale_id] = Order(orders[sale_id].sale, net.quantize(MINOR_UNIT), last)
    return orders
