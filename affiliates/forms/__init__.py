"""What staff fill in; the services decide."""

from affiliates.forms.payouts import (
    BatchForm,
    PayoutDetailsForm,
    ReasonForm,
    StaffPayoutDetailsForm,
)
from affiliates.forms.people import (
    AffiliateForm,
)
from affiliates.forms.plans import (
    PlanForm,
)

__all__ = [
    "AffiliateForm",
    "BatchForm",
    "PayoutDetailsForm",
    "PlanForm",
    "ReasonForm",
    "StaffPayoutDetailsForm",
]
