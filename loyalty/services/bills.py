"""Recorded bills in the form that the engine reads."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from zoneinfo import ZoneInfo

from customers.models import Purchase, PurchaseLine, Store
from loyalty.engine import Bill, BillLine

_LINE = (
    "purchase_id",
    "key",
    "product__sku",
    "product__category",
    "product__brand",
    "quantity",
    "net",
    "discount",
    "tax",
    "returns_key",
)


def load_bills(sales: Iterable[tuple[Purchase, Iterable[Purchase]]]) -> dict[int, Bill]:
    """The engine's form of sales (with their stores) and their returns, by id; one query."""
    sale_of: dict[int, Purchase] = {}
    for sale, returns in sales:
        sale_of[sale.pk] = sale
        sale_of.update((returned.pk, sale) for returned in returns)
    lines: dict[int, list[BillLine]] = defaultdict(list)
    rows = PurchaseLine.objects.filter(purchase_id__in=sale_of).order_by("purchase_id", "id")
    for (
        purchase_id,
        key,
        sku,
        category,
        brand,
        quantity,
        net,
        discount,
        tax,
        returns_key,
    ) in rows.values_list(*_LINE):
        lines[purchase_id].append(
            BillLine(
                key=key,
                sku=sku,
                category=category,
                brand=brand,
                quantity=quantity,
                net=net,
                discount=discount,
                tax=tax,
                returns_key=returns_key,
            )
        )
    return {
        purchase_id: _bill(sale, sale.store, tuple(lines[purchase_id]))
        for purchase_id, sale in sale_of.items()
    }


def _bill(sale: Purchase, store: Store, lines: tuple[BillLine, ...]) -> Bill:
    """A sale or a return of it; what is said about the bill itself is the sale's."""
    return Bill(
        store=store.code,
        at=sale.occurred_at.astimezone(ZoneInfo(store.zone)),
        channel=sale.source,
        codes=frozenset(sale.codes),
        tenders=tuple((tender["kind"], Decimal(tender["amount"])) for tender in sale.tenders),
        lines=lines,
    )
