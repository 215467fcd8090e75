"""What staff fill in; the services decide."""

from affiliates.forms.attribution import (
    AttributeForm,
    BindForm,
    ClaimForm,
    PolicyForm,
    ReasonForm,
    SalesFileForm,
)
from affiliates.forms.people import (
    AffiliateForm,
)
from affiliates.forms.plans import (
    PlanForm,
)

__all__ = [
    "AffiliateForm",
    "AttributeForm",
    "BindForm",
    "ClaimForm",
    "PlanForm",
    "PolicyForm",
    "ReasonForm",
    "SalesFileForm",
]
