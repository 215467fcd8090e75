"""Everything that writes affiliates, plans, conversions and commissions."""

from affiliates.services.bindings import (
    bind_customer,
    end_binding,
)
from affiliates.services.buyers import (
    Buyer,
)
from affiliates.services.following import (
    follow_customers,
)
from affiliates.services.manual import (
    attribute_manually,
)
from affiliates.services.people import (
    add_code,
    decide_affiliates,
    enrol_affiliate,
    register_affiliate,
)
from affiliates.services.plans import (
    publish_plan,
)
from affiliates.services.sales_files import (
    COLUMNS,
    FileRow,
    read_sales,
    try_sales,
)
from affiliates.services.settling import (
    settle_commissions,
)
from affiliates.services.touches import (
    Said,
    claim_customers,
    claim_from_texts,
    claim_phone,
    record_touches,
    remember_click,
)
from affiliates.services.tracking import (
    TrackedResult,
    TrackedSale,
    track_lead,
    track_return,
    track_sales,
)

__all__ = [
    "COLUMNS",
    "Buyer",
    "FileRow",
    "Said",
    "TrackedResult",
    "TrackedSale",
    "add_code",
    "attribute_manually",
    "bind_customer",
    "claim_customers",
    "claim_from_texts",
    "claim_phone",
    "decide_affiliates",
    "end_binding",
    "enrol_affiliate",
    "follow_customers",
    "publish_plan",
    "read_sales",
    "record_touches",
    "register_affiliate",
    "remember_click",
    "settle_commissions",
    "track_lead",
    "track_return",
    "track_sales",
    "try_sales",
]
