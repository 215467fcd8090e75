"""Who may do what: the one table of roles.

A permission is `app.codename`, as Django writes it; `*` stands for any text. A role holds what is
listed here and nothing else; the table is applied to the database after every migration.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase


class Role(StrEnum):
    """A job in the shop, or a machine that works for it."""

    OWNER = "owner"
    MANAGER = "manager"
    MARKETER = "marketer"
    SUPPORT = "support"
    CASHIER = "cashier"
    FINANCE = "finance"
    ANALYST = "analyst"
    INTEGRATOR = "integrator"


BACK_OFFICE = frozenset(Role) - {Role.INTEGRATOR}
"""Roles of people; an integrator only calls the API."""

_COUNTER = (
    "customers.view_customer",
    "customers.view_store",
    "customers.add_customer",
    "customers.view_purchase",
    "customers.claim_purchase",
    "customers.record_consent",
    "loyalty.view_account",
    "loyalty.view_pointsentry",
    "loyalty.award_points",
    "loyalty.redeem_points",
    "loyalty.add_referral",
    "loyalty.view_reward",
    "loyalty.view_redemption",
    "loyalty.use_voucher",
    "affiliates.add_touch",
)
_CUSTOMER_CARE = (
    *_COUNTER,
    "customers.view_*",
    "customers.change_customer",
    "loyalty.view_*",
    "loyalty.reverse_points",
    "loyalty.transfer_points",
    "loyalty.change_household",
    "loyalty.cancel_redemption",
    "affiliates.view_*",
    "messaging.view_*",
)

ROLES: Mapping[Role, tuple[str, ...]] = {
    Role.OWNER: (
        "staff.*",
        "outbox.*",
        "customers.*",
        "loyalty.*",
        "affiliates.*",
        "messaging.*",
        "erp.*",
        "reports.*",
        "axes.view_*",
        "django_celery_beat.*",
    ),
    Role.MANAGER: (
        *_CUSTOMER_CARE,
        "staff.view_user",
        "staff.add_user",
        "staff.change_user",
        "outbox.view_delivery",
        "outbox.retry_delivery",
        "customers.*",
        "loyalty.*",
        "affiliates.*",
        "messaging.*",
        "erp.*",
        "reports.*",
    ),
    Role.MARKETER: (
        "customers.view_customer",
        "customers.view_consent",
        "customers.view_store",
        "customers.view_product",
        "customers.view_purchase*",
        "customers.*_segment",
        "customers.view_rfmscore",
        "loyalty.view_*",
        "loyalty.add_earningrule*",
        "loyalty.change_earningrule*",
        "loyalty.add_reward",
        "loyalty.change_reward",
        "loyalty.add_voucherpool",
        "loyalty.change_voucherpool",
        "loyalty.add_replayjob",
        "affiliates.view_*",
        "affiliates.add_link",
        "affiliates.change_link",
        "affiliates.*_creative",
        "affiliates.add_plan",
        "affiliates.change_plan",
        "affiliates.add_planreplay",
        "messaging.view_*",
        "messaging.change_automation",
        "messaging.sync_template",
        "messaging.retry_message",
        "reports.view_*",
    ),
    Role.SUPPORT: (
        *_CUSTOMER_CARE,
        "customers.view_contact",
        "loyalty.adjust_points",
        "outbox.view_delivery",
    ),
    Role.CASHIER: _COUNTER,
    Role.FINANCE: (
        "customers.view_customer",
        "customers.view_store",
        "customers.view_purchase*",
        "loyalty.view_*",
        "loyalty.adjust_points",
        "loyalty.approve_adjustment",
        "loyalty.reverse_points",
        "affiliates.view_*",
        "affiliates.make_payouts",
        "affiliates.approve_payouts",
        "affiliates.add_payoutdetails",
        "affiliates.reveal_payoutdetails",
        "reports.*",
    ),
    Role.ANALYST: (
        "customers.view_customer",
        "customers.view_store",
        "customers.view_product",
        "customers.view_purchase*",
        "customers.view_segment",
        "customers.view_rfmscore",
        "loyalty.view_*",
        "affiliates.view_*",
        "messaging.view_*",
        "reports.view_*",
    ),
    Role.INTEGRATOR: (
        *_COUNTER,
        "customers.view_contact",
        "customers.change_customer",
        "customers.add_purchase",
        "customers.change_purchase",
        "customers.view_product",
        "customers.view_segment",
        "loyalty.view_*",
        "loyalty.reverse_points",
        "loyalty.transfer_points",
        "loyalty.change_household",
        "loyalty.cancel_redemption",
        "affiliates.view_*",
        "affiliates.add_click",
        "affiliates.add_link",
        "affiliates.add_affiliate",
        "erp.view_*",
        "erp.add_mapping*",
    ),
}


def held_by(role: Role, permissions: Iterable[str]) -> set[str]:
    """Those of the permissions that the role holds."""
    patterns = ROLES[role]
    return {
        permission
        for permission in permissions
        if any(fnmatchcase(permission, pattern) for pattern in patterns)
    }
