"""What staff fill in; the services decide."""

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

__all__ = [
    "AffiliateForm",
    "ApplicationForm",
    "CodeForm",
    "DecisionForm",
    "EnrolForm",
    "OverridesForm",
    "PlanForm",
    "ProfileForm",
    "RecruiterForm",
    "VisitorForm",
]
