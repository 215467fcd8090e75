"""Sales with what came back of them, locked for a settlement."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from affiliates.engine import normal_code
from customers.models import Purchase
from loyalty.engine import Bill, remaining_bill
from loyalty.services import load_bills

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Order:
    """A sale with its standing returns, oldest first."""

    sale: Purchase
    returns: tuple[Purchase, ...] = ()

    @property
    def returned_net(self) -> Decimal:
        """Zero or negative."""
        return sum((returned.net for returned in self.returns), NOTHING)

    @property
    def last_returned_at(self) -> datetime | None:
        """When goods came back last."""
        return max((returned.occurred_at for returned in self.returns), default=None)

    @property
    def remaining_net(self) -> Decimal:
        kept = self.sale.net + self.returned_net
        return kept if self.sale.is_active and kept > 0 else NOTHING

    @property
    def day(self) -> date:
        """The bill's day in its store's zone."""
        return self.sale.occurred_at.astimezone(ZoneInfo(self.sale.store.zone)).date()

    @property
    def place(self) -> tuple[datetime, int]:
        """Where the order stands among all others."""
        return self.sale.occurred_at, self.sale.pk

    @property
    def codes(self) -> list[str]:
        return [normal_code(code) for code in self.sale.codes if isinstance(code, str)]


def lock_orders(purchase_ids: Collection[int]) -> dict[int, Order]:
    """The sales of these bills, a return standing for its own, locked in pk order."""
    named = Purchase.objects.filter(pk__in=purchase_ids).values_list("pk", "kind", "sale_id")
    sale_ids = {pk if kind == Purchase.Kind.SALE else sale_id for pk, kind, sale_id in named}
    sales = (
        Purchase.objects.select_for_update(of=("self",), no_key=True)
        .select_related("customer", "store")
        .filter(pk__in=sale_ids - {None})
        .order_by("pk")
    )
    return with_returns(sales)


def with_returns(sales: Iterable[Purchase]) -> dict[int, Order]:
    """Orders by the sale's id; one query for the returns."""
    by_id = {sale.pk: sale for sale in sales}
    returns: dict[int, list[Purchase]] = defaultdict(list)
    for returned in Purchase.objects.filter(
        sale_id__in=by_id, status=Purchase.Status.ACTIVE
    ).order_by("occurred_at", "pk"):
        returns[returned.sale_id or 0].append(returned)
    return {pk: Order(sale, tuple(returns[pk])) for pk, sale in by_id.items()}


def load_kept(orders: Mapping[int, Order]) -> dict[int, Bill]:
    """What is kept of each order, article by article; one query."""
    bills = load_bills((order.sale, order.returns) for order in orders.values())
    return {
        pk: remaining_bill(bills[pk], [bills[returned.pk] for returned in order.returns])
        for pk, order in orders.items()
    }
