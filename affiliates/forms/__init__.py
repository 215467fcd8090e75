"""What staff and affiliates fill in; the services decide."""

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
from affiliates.forms.plans import (
    PlanForm,
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
    "LinkForm",
    "NewLinkForm",
    "OverridesForm",
    "PlanForm",
    "ProfileForm",
    "RecruiterForm",
    "VisitorForm",
]
