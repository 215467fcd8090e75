"""Bills and affiliates for tests."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from affiliates.engine import Kind
from affiliates.models import (
    Affiliate,
    Click,
    CommissionEntry,
    Enrolment,
    Link,
    Payout,
    PayoutBatch,
    PayoutDetails,
    PayoutLine,
    Plan,
    RiskPolicy,
    Target,
    Touch,
)
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


def make_click(*, enrolment: Enrolment, at: datetime = SALE_AT, **fields: Any) -> Click:
    """A click on a link of the enrolment, an hour before."""
    target, _ = Target.objects.get_or_create(address="/", defaults={"name": "Shop"})
    link, _ = Link.objects.get_or_create(
        code=f"link{enrolment.pk}", defaults={"enrolment": enrolment, "target": target}
    )
    return Click.objects.create(
        **{
            "link": link,
            "kind": Click.Kind.PERSON,
            "visitor_hash": f"visitor-{next(_numbers)}",
            "clicked_at": at - timedelta(hours=1),
            **fields,
        }
    )


def make_touch(*, click: Click, customer: Customer) -> Touch:
    """The buyer came by that click."""
    return Touch.objects.create(
        enrolment=click.link.enrolment,
        way=Touch.Way.CLICK,
        customer=customer,
        click=click,
        place="test",
        touched_at=click.clicked_at,
    )


def make_details(*, affiliate: Affiliate, account: str = "", tax_id: str = "") -> PayoutDetails:
    """Where an affiliate's money goes; indexes are short names here."""
    return PayoutDetails.objects.create(
        affiliate=affiliate,
        method=PayoutDetails.Method.BANK,
        account_index=account,
        tax_id_index=tax_id,
        payable_from=LONG_AGO,
    )


def pay(*entries: CommissionEntry, at: datetime) -> Payout:
    """Put commissions of one affiliate into a payout that was paid."""
    affiliate = entries[0].affiliate
    batch = PayoutBatch.objects.create(
        method=PayoutDetails.Method.BANK, currency="INR", state="paid", made_at=at
    )
    gross = sum((entry.amount for entry in entries), Decimal(0))
    payout = Payout.objects.create(
        batch=batch,
        affiliate=affiliate,
        details=make_details(affiliate=affiliate),
        reference=f"test-{next(_numbers)}",
        state=Payout.State.PAID,
        gross=gross,
        net=gross,
        paid_at=at,
    )
    PayoutLine.objects.bulk_create(PayoutLine(entry=entry, payout=payout) for entry in entries)
    return payout


def lenient(**limits: Any) -> RiskPolicy:
    """A shop whose fraud checks leave many bills of one affiliate alone."""
    most = {"per_hour": 30_000, "per_day": 30_000, "strangers": 30_000, "counter_bills": 30_000}
    return RiskPolicy.objects.create(**{**most, **limits})
