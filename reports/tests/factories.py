"""A small shop that really works: bills settle, events are delivered, figures follow."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from django.db.models import Model

from affiliates.events import ReachCounted
from affiliates.models import Enrolment, Link, ReachDay, Target, Touch
from affiliates.tests.factories import make_enrolment, make_plan
from customers.models import Customer, Store
from customers.services import LineState, PurchaseState, register_customer
from loyalty.models import Account
from loyalty.services import redeem_points, settle_purchases
from loyalty.tests.factories import make_program, make_rule
from loyalty_site.outbox.services import deliver, handler_names, publish
from messaging.models import Channel, Message
from reports.engine import local_day
from reports.models import (
    AffiliateDay,
    MemberDay,
    PointsDay,
    RegistrationDay,
    SalesDay,
    TemplateDay,
)
from reports.services import recompute_dirty_days

ROLLUPS: tuple[type[Model], ...] = (
    SalesDay,
    MemberDay,
    RegistrationDay,
    PointsDay,
    AffiliateDay,
    TemplateDay,
)
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def make_state(
    *,
    number: str,
    net: str = "100.00",
    store: str = "S1",
    customer: Customer | None = None,
    occurred_at: datetime = START,
    lines: int = 1,
    **fields: Any,
) -> PurchaseState:
    share = (Decimal(net) / lines).quantize(Decimal("0.01"))
    amounts = [share] * (lines - 1) + [Decimal(net) - share * (lines - 1)]
    return PurchaseState(
        **{
            "source": "test",
            "external_id": number,
            "number": number,
            "kind": "sale" if Decimal(net) > 0 else "return",
            "status": "active",
            "store_code": store,
            "store_name": f"Shop {store}",
            "customer_id": customer.pk if customer else None,
            "occurred_at": occurred_at,
            "currency": "INR",
            "lines": tuple(
                LineState(
                    key=str(index),
                    sku=f"SKU-{index}",
                    product_name=f"Article {index}",
                    category="Food",
                    brand="",
                    quantity=Decimal(1 if amount > 0 else -1),
                    gross=amount,
                    discount=Decimal(0),
                    tax=Decimal(0),
                    net=amount,
                )
                for index, amount in enumerate(amounts)
            ),
            **fields,
        }
    )


def settle(*states: PurchaseState) -> None:
    settle_purchases(states=states)


def deliver_events() -> None:
    """Hand every waiting event to its handlers, and what those publish as well."""
    while sum(deliver(name).done for name in handler_names()):
        pass


def bring_up_to_date() -> None:
    deliver_events()
    while recompute_dirty_days():
        pass


def rollups() -> dict[str, list[tuple[Any, ...]]]:
    """Every rollup row without its id, in a fixed order."""
    tables = {}
    for model in ROLLUPS:
        names = [field.attname for field in model._meta.concrete_fields if field.name != "id"]
        rows = model._default_manager.values_list(*names)
        tables[model.__name__] = sorted(rows, key=repr)
    return tables


class Shop:
    """A shop in two zones where chance buys, returns, edits, cancels and redeems."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        make_program()
        make_rule()
        Store.objects.create(code="S1", name="Pune", zone="Asia/Kolkata")
        Store.objects.create(code="S2", name="New York", zone="America/New_York")
        self.enrolment = make_enrolment(code="ASHA10", plan=make_plan(rate="7.5"))
        self.customers = [
            register_customer(name=f"Customer {index}", source="test") for index in range(4)
        ]
        self.states: dict[str, PurchaseState] = {}

    def act(self) -> None:
        """One thing that happens in a shop."""
        action = self.random.choice([self._sell, self._sell, self._give_back, self._edit])
        action()
        if self.random.random() < 0.3:
            self._redeem()
        if self.random.random() < 0.2:
            make_reach(self.enrolment, at=self._moment())

    def _record(self, state: PurchaseState) -> None:
        self.states[state.external_id] = state
        settle(state)

    def _moment(self) -> datetime:
        return START + timedelta(minutes=self.random.randrange(20 * 24 * 60))

    def _sell(self) -> None:
        self._record(
            make_state(
                number=f"B{len(self.states)}",
                net=f"{self.random.randrange(1, 500_00) / 100:.2f}",
                store=self.random.choice(["S1", "S2"]),
                customer=self.random.choice([None, *self.customers]),
                occurred_at=self._moment(),
                lines=self.random.randrange(1, 4),
                codes=self.random.choice([(), ("ASHA10",)]),
            )
        )

    def _give_back(self) -> None:
        sales = [state for state in self.states.values() if state.kind == "sale"]
        if not sales:
            return
        sale = self.random.choice(sales)
        net = sum(line.net for line in sale.lines) / self.random.choice([1, 2, 4])
        if not round(net, 2):
            return
        self._record(
            make_state(
                number=f"R{len(self.states)}",
                net=f"{-net:.2f}",
                store=sale.store_code,
                occurred_at=self._moment(),
                sale_external_id=sale.external_id,
            )
        )

    def _edit(self) -> None:
        sales = [state for state in self.states.values() if state.kind == "sale"]
        if not sales:
            return
        sale = self.random.choice(sales)
        changes: dict[str, Any] = self.random.choice(
            [
                {"status": "cancelled"},
                {"status": "active"},
                {"store_code": self.random.choice(["S1", "S2"])},
                {"occurred_at": self._moment()},
                {"customer_id": self.random.choice(self.customers).pk},
                {"codes": ()},
            ]
        )
        self._record(replace(sale, **changes))

    def _redeem(self) -> None:
        account = Account.objects.filter(balance__gt=10).order_by("?").first()
        if account is not None and account.available >= 5:
            redeem_points(
                account=account, points=5, reference=f"r:{self.random.random()}", reason="test"
            )


def make_reach(enrolment: Enrolment, *, at: datetime = START) -> None:
    """An affiliate's link was shared and opened, and somebody wrote; told as it is counted."""
    target, _ = Target.objects.get_or_create(address="https://shop.example", name="Shop")
    link, _ = Link.objects.get_or_create(enrolment=enrolment, code="asha", target=target)
    day = local_day(at, "Asia/Kolkata")
    for kind, count in (("share", 3), ("person", 20), ("repeat", 9), ("bot", 500)):
        of_day, _ = ReachDay.objects.get_or_create(link=link, day=day, kind=kind)
        of_day.count += count
        of_day.save()
    Touch.objects.create(
        enrolment=enrolment,
        way=Touch.Way.CLAIM,
        place="whatsapp",
        order_key="x",
        touched_at=at,
    )
    publish([ReachCounted(day=day)])


def make_message(*, state: str, template: str = "welcome", at: datetime = START) -> Message:
    channel, _ = Channel.objects.get_or_create(
        phone_number_id="1",
        defaults={"base_url": "http://localhost", "api_version": "v1", "business_account_id": "1"},
    )
    return Message.objects.create(
        dedup_key=f"test:{Message.objects.count()}",
        customer=Customer.objects.create(name="Asha"),
        channel=channel,
        template_name=template,
        lane=3,
        state=state,
        expires_at=at + timedelta(days=1),
        occurred_at=at,
        created_at=at,
    )
