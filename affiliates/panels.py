"""What this app adds to the customer page and the portal's navigation."""

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from affiliates.selectors import (
    active_codes,
    commissions_of,
    describe_commission,
    earnings_of,
    find_affiliate,
)
from customers.models import Customer
from customers.panels import Context, Panel, register_panel
from customers.portal import register_page

_NEWEST = 20


def affiliate_context(customer: Customer) -> Context:
    """An affiliate's codes, earnings and newest commissions, each with its reason."""
    affiliate = find_affiliate(customer)
    if affiliate is None:
        return {"affiliate": None}
    return {
        "affiliate": affiliate,
        "codes": active_codes(affiliate),
        "currency": settings.DEFAULT_CURRENCY,
        "earnings": earnings_of(affiliate),
        "commissions": [describe_commission(one) for one in commissions_of(affiliate)[:_NEWEST]],
    }


def register() -> None:
    """Called from `apps.ready()`."""
    register_panel(
        Panel(
            key="affiliate",
            title="Affiliate",
            template="admin/affiliates/panel.html",
            context=affiliate_context,
            permission="affiliates.view_affiliate",
            order=40,
        )
    )
    register_page(title=_("Earn"), url_name="portal:affiliate", icon="share", order=40)
