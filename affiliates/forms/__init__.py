"""What staff fill in; the services decide."""

from affiliates.forms.people import (
    AffiliateForm,
)
from affiliates.forms.plans import (
    PlanForm,
)

__all__ = [
    "AffiliateForm",
    "PlanForm",
]
