"""What staff fill in; the services decide."""

from affiliates.forms.granting import GrantForm
from affiliates.forms.people import (
    AffiliateForm,
)
from affiliates.forms.plan_fields import groups_of
from affiliates.forms.plans import (
    PlanForm,
    PublishPlanForm,
    ReplayPlanForm,
    TryPlanForm,
)

__all__ = [
    "AffiliateForm",
    "GrantForm",
    "PlanForm",
    "PublishPlanForm",
    "ReplayPlanForm",
    "TryPlanForm",
    "groups_of",
]
