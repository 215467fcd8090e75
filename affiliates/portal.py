"""What the portal tells this app: which click a customer's browser remembers."""

from django.http import HttpRequest

from affiliates.engine.clicks import CLICK_COOKIE
from affiliates.services import remember_click
from customers.models import Customer
from customers.portal import register_visit

_SEEN = "affiliate_click"
_LONGEST_ID = 40


def note_cookie(request: HttpRequest, customer: Customer) -> None:
    """Note a click that this browser remembers, once for each click and session."""
    click_id = request.COOKIES.get(CLICK_COOKIE, "")
    if not click_id or len(click_id) > _LONGEST_ID or request.session.get(_SEEN) == click_id:
        return
    request.session[_SEEN] = click_id
    remember_click(customer=customer, click_id=click_id)


def register() -> None:
    """Called from `apps.ready()`."""
    register_visit(note_cookie)
