"""What staff fill in; the services decide."""

from affiliates.forms.people import (
    AffiliateForm,
)
from affiliates.forms.plans import (
    PlanForm,
)
from affiliates.forms.risk import AnswerForm, DisputeForm, HoldForm, ReviewForm

__all__ = [
    "AffiliateForm",
    "AnswerForm",
    "DisputeForm",
    "HoldForm",
    "PlanForm",
    "ReviewForm",
]
