"""Mapped rows into the product: items, customers, bills. One result per row, in its order."""

import logging
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from django.db import OperationalError, transaction

from customers.services import (
    LineState,
    ProductState,
    PurchaseState,
    save_products,
)
from erp.engine import Fault
from erp.models import Entity, Stream
from erp.services.people import Person, find_people, import_customers
from loyalty.services import settle_purchases
from loyalty_site.common.errors import DomainError

logger = logging.getLogger(__name__)

Row = dict[str, Any]
Result = int | Fault
T = TypeVar("T")

# Bills are rounded to the rupee; their lines are not.
_ROUNDING = Decimal("1.00")
_ZERO = Decimal("0.00")
_MOST_UNEXPECTED = 5
_UNKNOWN = {"create": "park", "park": "park", "ignore": "ignore"}


def apply_rows(stream: Stream, rows: Sequence[Row]) -> list[Result]:
    """Write mapped rows; gives for each the id of our row, or the fault that kept it out."""
    if not rows:
        return []
    return _APPLIERS[Entity(stream.entity)](stream, rows)


def _apply_items(stream: Stream, rows: Sequence[Row]) -> list[Result]:
    states = [
        ProductState(
            sku=row["erp_id"],
            name=row.get("name") or row["erp_id"],
            category=row.get("category") or "",
            brand=row.get("brand") or "",
        )
        for row in rows
    ]
    return _in_bulk(states, lambda some: [product.pk for product in save_products(products=some)])


def _apply_bills(stream: Stream, rows: Sequence[Row]) -> list[Result]:
    owners = find_people(
        stream,
        [
            Person(
                erp_id=row.get("customer_erp_id"),
                name=row.get("customer_name"),
                phone=row.get("customer_phone"),
                email=row.get("customer_email"),
            )
            for row in rows
        ],
    )
    results: list[Result] = [Fault("unwritten", "Not written.")] * len(rows)
    states: list[PurchaseState] = []
    places: list[int] = []
    for place, (row, owner) in enumerate(zip(rows, owners, strict=True)):
        if isinstance(owner, Fault):
            results[place] = owner
        elif fault := _total_fault(row):
            results[place] = fault
        else:
            places.append(place)
            states.append(_purchase_state(stream, row, owner))
    settled = _in_bulk(states, _settle)
    for place, result in zip(places, settled, strict=True):
        results[place] = result
    return results


def _settle(states: Sequence[PurchaseState]) -> list[int]:
    settlements = settle_purchases(states=states)
    # Returns that waited for a sale of this page come after the bills that were given.
    return [settlement.purchase.pk for settlement in settlements[: len(states)]]


_APPLIERS: dict[Entity, Callable[[Stream, Sequence[Row]], list[Result]]] = {
    Entity.ITEM: _apply_items,
    Entity.CUSTOMER: import_customers,
    Entity.SALE: _apply_bills,
    Entity.RETURN: _apply_bills,
}


def _total_fault(row: Row) -> Fault | None:
    """A bill whose lines do not add up to its total was not received, or not mapped, whole."""
    total = row.get("total")
    if total is None:
        return None
    lines = sum((line["net"] + (line.get("tax") or _ZERO) for line in row["lines"]), _ZERO)
    if abs(lines - total) <= _ROUNDING:
        return None
    return Fault("total_differs", f"The lines come to {lines}, the bill says {total}.", "total")


def _purchase_state(stream: Stream, row: Row, customer_id: int | None) -> PurchaseState:
    return PurchaseState(
        source=stream.connection.source,
        external_id=row["erp_id"],
        number=row["number"],
        kind=stream.entity,
        status="cancelled" if row.get("cancelled") else "active",
        store_code=row["store_code"],
        store_name=row.get("store_name") or row["store_code"],
        customer_id=customer_id,
        customer_phone=(row.get("customer_phone") or "") if customer_id is None else "",
        # Whom this connection wants registered, it has registered by now.
        unknown_customer=_UNKNOWN.get(str(stream.policy.get("unknown_customer")), ""),
        occurred_at=row["occurred_at"],
        currency=row.get("currency") or "INR",
        lines=tuple(
            LineState(
                key=line["key"],
                sku=line["sku"],
                product_name=line.get("product_name") or line["sku"],
                category=line.get("category") or "",
                brand=line.get("brand") or "",
                quantity=line["quantity"],
                gross=line.get("gross") or line["net"],
                discount=line.get("discount") or _ZERO,
                tax=line.get("tax") or _ZERO,
                net=line["net"],
                returns_key=line.get("returns_key") or "",
            )
            for line in row["lines"]
        ),
        codes=row.get("codes") or (),
        sale_external_id=row.get("sale_erp_id") or "",
    )


def _in_bulk(items: Sequence[T], write: Callable[[Sequence[T]], list[int]]) -> list[Result]:
    """Write all in one go; where that is refused, halve until the culprits stand alone.

    What is the database's trouble, not the rows', is passed on, and so is a fault of ours that
    many rows run into: the whole page is tried again later.
    """
    unexpected = 0

    def written(some: Sequence[T]) -> list[Result]:
        nonlocal unexpected
        if not some:
            return []
        try:
            with transaction.atomic():
                return list(write(some))
        except OperationalError:
            raise
        except DomainError as error:
            if len(some) == 1:
                return [Fault(error.code, str(error), getattr(error, "field", None) or "")]
        except Exception as error:
            if len(some) == 1:
                unexpected += 1
                if unexpected > _MOST_UNEXPECTED:
                    raise
                logger.exception("a row could not be written")
                reason = f"The row could not be written ({type(error).__name__})."
                return [Fault("not_writable", reason)]
        middle = len(some) // 2
        return [*written(some[:middle]), *written(some[middle:])]

    return written(items)
