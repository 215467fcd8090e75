"""The customer page's tabs: upper apps register what they know of a customer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime

from customers.models import Customer, Purchase
from customers.selectors import (
    consent_history,
    current_consents,
    list_purchases,
    purchase_figures,
)
from loyalty_site.staff.models import User

Context = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One tab: a template that gets `customer`, `request` and what `context` returns.

    `context` runs only when its tab is open and should take few, bounded queries.
    """

    key: str
    title: str
    template: str
    context: Callable[[Customer], Context]
    permission: str
    order: int = 100


_panels: dict[str, Panel] = {}


def register_panel(panel: Panel) -> None:
    """Add a tab, or replace the one of that key; called from `apps.ready()`."""
    _panels[panel.key] = panel


def panels_for(user: User | AnonymousUser) -> list[Panel]:
    """The tabs that somebody may open, in order."""
    shown = [panel for panel in _panels.values() if user.has_perm(panel.permission)]
    return sorted(shown, key=lambda panel: (panel.order, panel.title))


# --- this app's own tabs ------------------------------------------------------------------------

_BILLS_SHOWN = 50
_BILLS_IN_OVERVIEW = 5
_STATEMENTS_SHOWN = 50


def _overview(customer: Customer) -> Context:
    return {
        "figures": purchase_figures(customer),
        "consents": current_consents(customer),
        "purchases": _bill_table(_latest_bills(customer, _BILLS_IN_OVERVIEW)),
    }


def _purchases(customer: Customer) -> Context:
    bills = _latest_bills(customer, _BILLS_SHOWN + 1)
    return {
        "purchases": _bill_table(bills[:_BILLS_SHOWN]),
        "has_more": len(bills) > _BILLS_SHOWN,
        "limit": _BILLS_SHOWN,
    }


def _consents(customer: Customer) -> Context:
    rows = [
        [
            date_format(localtime(consent.recorded_at), "DATETIME_FORMAT"),
            consent.get_channel_display(),
            consent.get_purpose_display(),
            "allows" if consent.granted else "refuses",
            consent.wording,
            consent.source,
            str(consent.recorded_by or ""),
        ]
        for consent in consent_history(customer, limit=_STATEMENTS_SHOWN)
    ]
    headers = ["when", "channel", "purpose", "says", "was shown", "where", "written down by"]
    return {"consents": {"headers": headers, "rows": rows}}


def _latest_bills(customer: Customer, limit: int) -> list[Purchase]:
    bills = list_purchases().filter(customer=customer).annotate(line_count=Count("lines"))
    return list(bills.order_by("-occurred_at", "-pk")[:limit])


def _bill_table(bills: list[Purchase]) -> Context:
    rows = [
        [
            format_html(
                '<a href="{}">{}</a>',
                reverse("admin:customers_purchase_change", args=[bill.pk]),
                bill.number,
            ),
            date_format(localtime(bill.occurred_at), "DATETIME_FORMAT"),
            bill.store.name,
            bill.get_kind_display() if bill.is_active else "Cancelled",
            bill.get_standing_display(),
            str(bill.line_count),  # type: ignore[attr-defined]
            f"{bill.net:,} {bill.currency}",
        ]
        for bill in bills
    ]
    headers = ["bill", "when", "store", "kind", "standing", "lines", "net"]
    return {"headers": headers, "rows": rows}


for _panel in (
    Panel(
        key="overview",
        title="Overview",
        template="admin/customers/panels/overview.html",
        context=_overview,
        permission="customers.view_customer",
        order=0,
    ),
    Panel(
        key="purchases",
        title="Bills",
        template="admin/customers/panels/purchases.html",
        context=_purchases,
        permission="customers.view_purchase",
        order=50,
    ),
    Panel(
        key="consents",
        title="Consents",
        template="admin/customers/panels/consents.html",
        context=_consents,
        permission="customers.view_consent",
        order=60,
    ),
):
    register_panel(_panel)
