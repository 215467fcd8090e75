"""The only code that writes the tables of this app."""

from customers.services.catalog import (
    ProductState,
    save_products,
)
from customers.services.claims import (
    claim_purchases,
    claimable_by_phone,
    find_bill,
)
from customers.services.consents import (
    ConsentStatement,
    record_consent,
    record_consents,
)
from customers.services.merging import (
    UNDO_DAYS,
    merge_customers,
    separate_customers,
)
from customers.services.profiles import (
    CustomerProfile,
    ProfileChanges,
    change_customer,
    change_status,
    profile_of,
    register_customer,
    save_customers,
)
from customers.services.purchase_states import (
    LineState,
    PurchaseState,
    TenderState,
    validate_purchase,
)
from customers.services.purchases import (
    PurchaseChange,
    upsert_purchases,
)
from customers.services.segments import (
    save_segment,
    score_customers,
)
from customers.services.sign_in import (
    check_sign_in_code,
    prune_challenges,
    request_sign_in_code,
    sign_in_code,
)

__all__ = [
    "UNDO_DAYS",
    "ConsentStatement",
    "CustomerProfile",
    "LineState",
    "ProductState",
    "ProfileChanges",
    "PurchaseChange",
    "PurchaseState",
    "TenderState",
    "change_customer",
    "change_status",
    "check_sign_in_code",
    "claim_purchases",
    "claimable_by_phone",
    "find_bill",
    "merge_customers",
    "profile_of",
    "prune_challenges",
    "record_consent",
    "record_consents",
    "register_customer",
    "request_sign_in_code",
    "save_customers",
    "save_products",
    "save_segment",
    "score_customers",
    "separate_customers",
    "sign_in_code",
    "upsert_purchases",
    "validate_purchase",
]
