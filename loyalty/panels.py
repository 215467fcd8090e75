"""What this app adds to the customer page and the portal's navigation."""

from django.utils.translation import gettext_lazy as _

from customers.models import Customer
from customers.panels import Context, Panel, register_panel
from customers.portal import register_page
from loyalty.selectors import (
    account_overview,
    explain_entry,
    find_account,
    points_on_their_way,
    recent_entries,
    tier_words,
)


def points_context(customer: Customer) -> Context:
    """An account's figures, its open lots and its newest entries, each with its reason."""
    account = find_account(customer.pk)
    if account is None:
        return {"overview": None}
    overview = account_overview(account)
    return {
        "overview": overview,
        "words": tier_words(account.program, overview.progress),
        "on_their_way": points_on_their_way(account),
        "lots": account.lots.filter(remaining__gt=0).order_by("expires_on", "id")[:20],
        "explanations": [explain_entry(entry) for entry in recent_entries(account, limit=20)],
        "tier_changes": account.tier_changes.select_related("tier", "previous").order_by("-id")[:5],
    }


def register() -> None:
    """Called from `apps.ready()`."""
    register_panel(
        Panel(
            key="points",
            title="Points",
            template="admin/loyalty/panel.html",
            context=points_context,
            permission="loyalty.view_account",
            order=10,
        )
    )
    register_page(title=_("Card"), url_name="portal:card", icon="card", order=10)
    register_page(title=_("Rewards"), url_name="portal:rewards", icon="gift", order=15)
    register_page(title=_("Friends"), url_name="portal:friends", icon="person", order=35)
    register_page(title=_("History"), url_name="portal:history", icon="history", order=20)
