"""Pages for back-office staff."""

from customers.admin.people import (
    CityFilter,
    CustomerAdmin,
    HomeStoreFilter,
)
from customers.admin.purchases import (
    BillPolicyAdmin,
    LineInline,
    ProductAdmin,
    PurchaseAdmin,
    StoreAdmin,
)
from customers.admin.segments import (
    SegmentAdmin,
)

__all__ = [
    "BillPolicyAdmin",
    "CityFilter",
    "CustomerAdmin",
    "HomeStoreFilter",
    "LineInline",
    "ProductAdmin",
    "PurchaseAdmin",
    "SegmentAdmin",
    "StoreAdmin",
]
