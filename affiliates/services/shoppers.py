"""What is known of the customers on bills: what they bought, and which orders were brought."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from zoneinfo import ZoneInfo

from affiliates.engine import CustomerKind, Known, Terms
from affiliates.models import Conversion
from affiliates.services.orders import Order
from customers.models import Purchase

Place = tuple[datetime, int]


@dataclass(slots=True)
class Brought:
    """An order that somebody brought; `pinned` tells as what its customer was paid for."""

    place: Place
    enrolment_ids: frozenset[int]
    pinned: CustomerKind | None


@dataclass(slots=True)
class Shoppers:
    """The purchases of a set of customers, and their orders that affiliates brought."""

    bought: dict[int, list[Place]] = field(default_factory=lambda: defaultdict(list))
    brought: dict[int, dict[int, Brought]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def load(cls, orders: Collection[Order], terms: Collection[Terms]) -> Self:
        """Read what any of the terms needs; at most two queries."""
        known = cls()
        ids = {order.sale.customer_id for order in orders if order.sale.customer_id}
        by_kind = any(one.knows_customers for one in terms)
        if ids and by_kind:
            sales = Purchase.objects.filter(
                customer_id__in=ids,
                kind=Purchase.Kind.SALE,
                status=Purchase.Status.ACTIVE,
                net__gt=0,
            )
            for customer_id, at, pk in sales.order_by("occurred_at", "pk").values_list(
                "customer_id", "occurred_at", "pk"
            ):
                known.bought[customer_id].append((at, pk))
        if ids and (by_kind or any(one.knows_first_orders for one in terms)):
            known._load_brought(ids)
        return known

    def _load_brought(self, ids: Iterable[int]) -> None:
        conversions = (
            Conversion.objects.filter(
                purchase__customer_id__in=ids,
                state__in=[Conversion.State.QUALIFIED, Conversion.State.TRACKED],
            )
            .exclude(review=Conversion.Review.REFUSED)
            .values_list(
                "purchase__customer_id",
                "purchase_id",
                "purchase__occurred_at",
                "enrolment_id",
                "shares",
            )
        )
        for customer_id, purchase_id, at, enrolment_id, shares in conversions:
            pinned = [share["pinned"]["customer"] for share in shares if "pinned" in share]
            self.brought[customer_id][purchase_id] = Brought(
                place=(at, purchase_id),
                enrolment_ids=frozenset({enrolment_id, *(one["enrolment_id"] for one in shares)}),
                pinned=CustomerKind(pinned[0]) if pinned else None,
            )

    def forget_what_was_paid(self) -> None:
        """As if nothing had been priced yet: only dates decide."""
        for orders in self.brought.values():
            for one in orders.values():
                one.pinned = None

    def note(self, order: Order, kind: CustomerKind) -> None:
        """An order was priced, its customer being of that kind."""
        if one := self.brought.get(order.sale.customer_id or 0, {}).get(order.sale.pk):
            one.pinned = kind

    def known(self, order: Order, enrolment_id: int, terms: Terms) -> Known:
        """What is known of an order's customer, for an affiliate; later bills do not count.

        A customer is new once and has one first order, also when bills arrive out of order.
        """
        customer_id = order.sale.customer_id
        if customer_id is None:
            return Known()
        zone = ZoneInfo(order.sale.store.zone)
        others = [one for pk, one in self.brought[customer_id].items() if pk != order.sale.pk]
        kind, since = CustomerKind.UNKNOWN, None
        if terms.knows_customers:
            kind = self._kind(order, terms.lapsed_days)
        if kind is CustomerKind.NEW and any(one.pinned is CustomerKind.NEW for one in others):
            kind = CustomerKind.ACTIVE
        if bought := self.bought[customer_id]:
            since = bought[0][0].astimezone(zone).date()
        own = [one for one in others if enrolment_id in one.enrolment_ids]
        earlier = [one.place for one in own if one.place < order.place]
        first = min([order.place, *earlier])
        return Known(
            customer_id=customer_id,
            customer=kind,
            since=since if kind in (CustomerKind.LAPSED, CustomerKind.ACTIVE) else None,
            is_first=not earlier and all(one.pinned is None for one in own),
            first_on=first[0].astimezone(zone).date(),
        )

    def _kind(self, order: Order, lapsed_days: int) -> CustomerKind:
        bought = self.bought[order.sale.customer_id or 0]
        before = bisect_left(bought, order.place)
        if before == 0:
            return CustomerKind.NEW
        gap = order.sale.occurred_at - bought[before - 1][0]
        return CustomerKind.LAPSED if gap.days >= lapsed_days else CustomerKind.ACTIVE
