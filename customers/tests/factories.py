"""Customers, stores, products and bills to test with."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from customers.models import Customer, Product, Purchase, Segment, Store
from customers.services import (
    LineState,
    PurchaseState,
    register_customer,
    save_products,
    save_segment,
    upsert_purchases,
)
from customers.services.catalog import ProductState

NOW = datetime(2026, 6, 15, 6, 30, tzinfo=UTC)
_numbers = count(1)


def make_customer(*, name: str = "Asha Patel", phone: str | None = None, **fields: Any) -> Customer:
    """A customer with a phone of her own from the range reserved for fiction.

    Pass `phone=""` for none; `status` and other columns may be given too.
    """
    profile = {
        key: fields.pop(key)
        for key in ("email", "birth_date", "anniversary_on", "city", "language", "home_store_code")
        if key in fields
    }
    if phone is None:
        phone = f"+4477009{next(_numbers) % 100_000:05d}"
    customer = register_customer(name=name, phone=phone, source="test", **profile)
    if fields:
        Customer.objects.filter(pk=customer.pk).update(**fields)
        customer.refresh_from_db()
    return customer


def make_store(*, code: str | None = None, name: str = "High Street", **fields: Any) -> Store:
    """A branch."""
    return Store.objects.create(code=code or f"S{next(_numbers)}", name=name, **fields)


def make_product(*, sku: str | None = None, **texts: str) -> Product:
    """An article."""
    (product,) = save_products(products=[ProductState(sku or f"A{next(_numbers)}", **texts)])
    return product


def make_line_state(*, key: str = "1", net: str = "100.00", **fields: Any) -> LineState:
    """A line; without other figures its gross is its net."""
    amount = Decimal(net)
    return LineState(
        **{
            "key": key,
            "sku": "TEA-1",
            "product_name": "Assam tea",
            "category": "Grocery/Tea",
            "brand": "Leaf",
            "quantity": Decimal("-1" if amount < 0 else "1"),
            "gross": amount,
            "discount": Decimal(0),
            "tax": Decimal(0),
            "net": amount,
            **fields,
        }
    )


def make_purchase_state(
    *, customer: Customer | None = None, net: str = "100.00", **fields: Any
) -> PurchaseState:
    """A bill with one line; pass `lines` for others, `kind="return"` with a negative net."""
    number = f"B{next(_numbers)}"
    return PurchaseState(
        **{
            "source": "till",
            "external_id": number,
            "number": number,
            "kind": Purchase.Kind.SALE.value,
            "status": Purchase.Status.ACTIVE.value,
            "store_code": "S1",
            "store_name": "High Street",
            "customer_id": customer.pk if customer else None,
            "occurred_at": NOW,
            "currency": "INR",
            "lines": (make_line_state(net=net),),
            **fields,
        }
    )


def make_purchase(
    *, customer: Customer | None = None, net: str = "100.00", **fields: Any
) -> Purchase:
    """A recorded bill."""
    state = make_purchase_state(customer=customer, net=net, **fields)
    return upsert_purchases(states=[state])[0].purchase


def make_segment(*, name: str | None = None, definition: dict[str, Any] | None = None) -> Segment:
    """A segment; without a condition it holds everybody."""
    everybody = {"field": "bills", "operator": "at_least", "value": 0}
    return save_segment(
        name=name or f"Segment {next(_numbers)}", definition=definition or everybody
    )
