"""Customers and segments for tills, web shops and integrators."""

from customers.api.profiles import (
    CustomerFilters,
    CustomerSerializer,
    CustomersView,
    CustomerView,
    ProfileSerializer,
)
from customers.api.segments import (
    SegmentFieldsView,
    SegmentMembersView,
    SegmentPreviewView,
    SegmentsView,
    SegmentView,
)

__all__ = [
    "CustomerFilters",
    "CustomerSerializer",
    "CustomerView",
    "CustomersView",
    "ProfileSerializer",
    "SegmentFieldsView",
    "SegmentMembersView",
    "SegmentPreviewView",
    "SegmentView",
    "SegmentsView",
]
