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
from affiliates.forms.payouts import (
    BatchForm,
    PayoutDetailsForm,
    StaffPayoutDetailsForm,
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
from affiliates.forms.risk import (
    AnswerForm,
    DisputeForm,
    HoldForm,
    ReviewForm,
)

__all__ = [
    "AffiliateForm",
    "AnswerForm",
    "ApplicationForm",
    "AttributeForm",
    "BatchForm",
    "BindForm",
    "ClaimForm",
    "CodeForm",
    "DecisionForm",
    "DisputeForm",
    "EnrolForm",
    "GrantForm",
    "HoldForm",
    "LinkForm",
    "NewLinkForm",
    "OverridesForm",
    "PayoutDetailsForm",
    "PlanForm",
    "PolicyForm",
    "ProfileForm",
    "PublishPlanForm",
    "ReasonForm",
    "RecruiterForm",
    "ReplayPlanForm",
    "ReviewForm",
    "SalesFileForm",
    "StaffPayoutDetailsForm",
    "TryPlanForm",
    "VisitorForm",
    "groups_of",
]
