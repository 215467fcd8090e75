"""What staff and affiliates fill in; the services decide."""

from affiliates.forms.granting import (
    GrantForm,
)
from affiliates.forms.people import (
    AffiliateForm,
    ApplicationForm,
    CodeForm,
    DecisionForm,
    EnrolForm,
    OverridesForm,
    ProfileForm,
    RecruiterForm,
    VisitorForm,
)
from affiliates.forms.plan_fields import (
    groups_of,
)
from affiliates.forms.plans import (
    PlanForm,
    PublishPlanForm,
    ReplayPlanForm,
    TryPlanForm,
)
from affiliates.forms.reach import (
    LinkForm,
    NewLinkForm,
)

__all__ = [
    "AffiliateForm",
    "ApplicationForm",
    "CodeForm",
    "DecisionForm",
    "EnrolForm",
    "GrantForm",
    "LinkForm",
    "NewLinkForm",
    "OverridesForm",
    "PlanForm",
    "ProfileForm",
    "PublishPlanForm",
    "RecruiterForm",
    "ReplayPlanForm",
    "TryPlanForm",
    "VisitorForm",
    "groups_of",
]
