"""What staff fill in; the services decide."""

from affiliates.forms.payouts import (
    MethodForm,
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
    "MethodForm",
    "PayoutDetailsForm",
    "PlanForm",
    "ReasonForm",
    "StaffPayoutDetailsForm",
]
