"""Shoppers, what they allow and bought, where, and how they are grouped."""

from customers.models.merging import (
    CustomerMerge,
    MergedPurchase,
)
from customers.models.people import (
    Consent,
    Customer,
    CustomerQuerySet,
    SignInChallenge,
)
from customers.models.purchases import (
    BillPolicy,
    ClaimAttempt,
    Purchase,
    PurchaseLine,
)
from customers.models.segments import (
    RfmScore,
    Segment,
)
from customers.models.stores import (
    Product,
    Store,
)

__all__ = [
    "BillPolicy",
    "ClaimAttempt",
    "Consent",
    "Customer",
    "CustomerMerge",
    "CustomerQuerySet",
    "MergedPurchase",
    "Product",
    "Purchase",
    "PurchaseLine",
    "RfmScore",
    "Segment",
    "SignInChallenge",
    "Store",
]
