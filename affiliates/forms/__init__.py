"""What staff and affiliates fill in; the services decide."""

from affiliates.forms.attribution import (
    AttributeForm,
    BindForm,
    ClaimForm,
    PolicyForm,
    ReasonForm,
    SalesFileForm,
)
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
    "AttributeForm",
    "BindForm",
    "ClaimForm",
    "CodeForm",
    "DecisionForm",
    "EnrolForm",
    "GrantForm",
    "LinkForm",
    "NewLinkForm",
    "OverridesForm",
    "PlanForm",
    "PolicyForm",
    "ProfileForm",
    "PublishPlanForm",
    "ReasonForm",
    "RecruiterForm",
    "ReplayPlanForm",
    "SalesFileForm",
    "TryPlanForm",
    "VisitorForm",
    "groups_of",
]
