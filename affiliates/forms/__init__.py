"""What staff and affiliates fill in; the services decide."""

from affiliates.forms.people import (
    AffiliateForm,
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
    "LinkForm",
    "NewLinkForm",
    "PlanForm",
]
