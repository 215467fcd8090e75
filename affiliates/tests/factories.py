"""Bills and affiliates for tests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from affiliates.engine import Kind
from affiliates.models import Affiliate, Enrolment, Plan
from affiliates.services import enrol_affiliate, publish_plan
from customers.models import Customer, Purchase, Store

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SALE_AT = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
_numbers = count(1)


def make_store(*, code: str = "S1", zone: str = "Asia/Kolkata") -> Store:
    return Store.objects.get_or_create(code=code, defaults={"name": f"Shop {code}", "zone": zone})[
        0
    ]


def make_customer(*, name: str = "Asha Rao", **fields: Any) -> Customer:
    return Customer.objects.create(name=name, **fields)


def make_sale(
    *,
    net: str = "1000.00",
    codes: tuple[str, ...] = (),
    customer: Customer | None = None,
    occurred_at: datetime = SALE_AT,
    **fields: Any,
) -> Purchase:
    number = f"INV-{next(_numbers)}"
    return Purchase.objects.create(
        **{
            "source": "test",
            "external_id": number,
            "number": number,
            "store": make_store(),
            "customer": customer,
            "occurred_at": occurred_at,
            "currency": "INR",
            "gross": Decimal(net),
            "net": Decimal(net),
            "codes": list(codes),
            "content_hash": number,
            **fields,
        }
    )


def make_return(*, sale: Purchase, net: str, days_later: int = 3, **fields: Any) -> Purchase:
    return make_sale(
        net=net,
        kind=Purchase.Kind.RETURN,
        sale=sale,
        sale_external_id=sale.external_id,
        customer=sale.customer,
        occurred_at=sale.occurred_at + timedelta(days=days_later),
        **fields,
    )


def make_plan(
    *,
    name: str = "Friends",
    kind: Kind = Kind.PERCENT,
    rate: str = "10",
    hold_days: int = 30,
    valid_from: datetime = LONG_AGO,
    **terms: Any,
) -> Plan:
    plan, created = Plan.objects.get_or_create(name=name)
    if created:
        publish_plan(
            plan=plan,
            kind=kind,
            rate=Decimal(rate),
            hold_days=hold_days,
            valid_from=valid_from,
            terms=terms,
        )
    return plan


def make_enrolment(
    *,
    code: str = "ASHA10",
    plan: Plan | None = None,
    valid_from: datetime = LONG_AGO,
    **affiliate: Any,
) -> Enrolment:
    return enrol_affiliate(
        affiliate=Affiliate.objects.create(
            **{"name": f"Affiliate {code}", "state": Affiliate.State.APPROVED, **affiliate}
        ),
        plan=plan or make_plan(),
        code=code,
        valid_from=valid_from,
    )
