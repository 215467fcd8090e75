"""Reads over bills."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, DecimalField, Max, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from customers.models import Customer, Purchase


def list_purchases() -> QuerySet[Purchase]:
    """Bills with their store, customer and sale, as lists show them."""
    return Purchase.objects.select_related("store", "customer", "sale")


def purchase_details() -> QuerySet[Purchase]:
    """Bills with their lines and articles too: two more queries, however many bills."""
    return list_purchases().prefetch_related("lines__product")


@dataclass(frozen=True, slots=True)
class PurchaseFigures:
    """What a customer bought in all, returns taken off; cancelled bills do not count."""

    bills: int
    net: Decimal
    last_at: datetime | None


def purchase_figures(customer: Customer) -> PurchaseFigures:
    """A customer's figures; one query."""
    figures = customer.purchases.filter(status=Purchase.Status.ACTIVE).aggregate(
        bills=Count("pk", filter=Q(kind=Purchase.Kind.SALE)),
        net=Coalesce(Sum("net"), Decimal(0), output_field=DecimalField()),
        last_at=Max("occurred_at", filter=Q(kind=Purchase.Kind.SALE)),
    )
    return PurchaseFigures(**figures)
