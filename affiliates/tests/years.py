"""A year of bills that affiliates brought, and a plan that uses all that plans can say."""

import hashlib
import random
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.apps import apps
from django.utils import timezone

from affiliates.models import Enrolment, Plan, PlanReplay
from affiliates.services import settle_commissions
from affiliates.tests.factories import make_customer, make_enrolment, make_return, make_sale
from customers.models import Product, Purchase, PurchaseLine

_keys = count(1)
DRAFT: dict[str, Any] = {
    "kind": "percent",
    "rate": "5",
    "terms": {
        "customer_rates": {"new": "12", "active": "4"},
        "rules": [
            {"name": "Tea", "kind": "percent", "rate": "9.5", "categories": ["Tea"]},
            {"name": "First", "kind": "fixed", "rate": "60", "first_order": True},
        ],
        "tiers": {
            "mode": "retroactive",
            "by": "net",
            "period": "month",
            "steps": [{"from": "3000", "rate": "7"}, {"from": "6000", "rate": "10"}],
        },
        "cap": {"amount": "900", "period": "month"},
        "goals": [{"by": "orders", "threshold": "6", "period": "month", "bonus": "55.55"}],
        "parent_percent": "10",
    },
}


def make_affiliates(plan: Plan, prefix: str) -> list[Enrolment]:
    """Three on a plan, of whom one was recruited by another."""
    enrolments = [make_enrolment(code=f"{prefix}{number}", plan=plan) for number in range(3)]
    enrolments[1].affiliate.parent = enrolments[0].affiliate
    enrolments[1].affiliate.save()
    return enrolments


def make_year(prefixes: tuple[str, ...], *, bills: int, days: int = 364) -> None:
    """The same bills for each of the prefixes, in the same order, with returns."""
    dice = random.Random(5)
    tea, _ = Product.objects.get_or_create(sku="tea", defaults={"name": "Tea", "category": "Tea"})
    milk, _ = Product.objects.get_or_create(sku="milk", defaults={"name": "M", "category": "Milk"})
    customers = {
        prefix: [None, *(make_customer(name=f"{prefix}{number}") for number in range(8))]
        for prefix in prefixes
    }
    for number in range(bills):
        at = timezone.now() - timedelta(days=days * (bills - number) / bills, seconds=number)
        nets = [Decimal(dice.randint(100, 150_000)) / 100 for _ in range(2)]
        who, shopper = dice.randint(0, 2), dice.randint(0, 8)
        back = nets[0] if dice.random() < 0.2 else Decimal(0)
        for prefix in prefixes:
            bill = make_bill(at, nets, f"{prefix}{who}", customers[prefix][shopper], (tea, milk))
            if back:
                make_return(sale=bill, net=str(-back))


def make_bill(
    at: datetime, nets: list[Decimal], code: str, customer: Any, products: tuple[Product, ...]
) -> Purchase:
    bill = make_sale(net=str(sum(nets)), codes=(code,), customer=customer, occurred_at=at)
    PurchaseLine.objects.bulk_create(
        PurchaseLine(
            purchase=bill,
            key=f"l{next(_keys)}",
            product=product,
            quantity=1,
            gross=net,
            net=net,
        )
        for product, net in zip(products, nets, strict=True)
    )
    return bill


def settle_all() -> None:
    ids = Purchase.objects.values_list("pk", flat=True)
    settle_commissions(purchase_ids=list(ids))


def checksum() -> str:
    """Every row of every table, replays left out."""
    found = hashlib.sha256()
    for model in apps.get_models():
        if model is not PlanReplay and model._meta.managed:
            for row in model._default_manager.order_by("pk").values_list():
                found.update(repr((model._meta.label, row)).encode())
    return found.hexdigest()
