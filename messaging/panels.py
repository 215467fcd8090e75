"""What this app adds to the customer page."""

from django.utils import timezone

from customers.models import Customer
from customers.panels import Context, Panel, register_panel
from messaging.selectors import conversation_with, window_closes_at


def messages_context(customer: Customer) -> Context:
    """The newest messages to and from a customer, and whether free answers are allowed."""
    closes_at = window_closes_at(customer)
    return {
        "conversation": conversation_with(customer),
        "window_closes_at": closes_at if closes_at and closes_at > timezone.now() else None,
    }


def register() -> None:
    """Called from `apps.ready()`."""
    register_panel(
        Panel(
            key="messages",
            title="Messages",
            template="admin/messaging/panel.html",
            context=messages_context,
            permission="messaging.view_message",
            order=30,
        )
    )
