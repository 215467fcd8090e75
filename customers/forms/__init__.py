"""What people fill in."""

from customers.forms.people import (
    CodeForm,
    ConsentForm,
    ContactForm,
    CustomerForm,
)
from customers.forms.segments import (
    RowForm,
    SegmentForm,
)

__all__ = [
    "CodeForm",
    "ConsentForm",
    "ContactForm",
    "CustomerForm",
    "RowForm",
    "SegmentForm",
]
