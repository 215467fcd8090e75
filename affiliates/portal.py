"""What the portal tells this app: which click a customer's browser remembers."""

import re

from django.http import HttpRequest

from affiliates.engine.clicks import CLICK_COOKIE
from affiliates.errors import ClickNotFoundError
from affiliates.services import remember_click
from customers.models import Customer
from customers.portal import register_visit

_SEEN = "affiliate_click"
_CLICK = re.compile(r"clk_[A-Za-z0-9_-]{1,36}")


def note_cookie(request: HttpRequest, customer: Customer) -> None:
    """Note a click that this browser remembers, once for each click and session.

    A click may be younger than its record: then the next page tries again.
    """
    click_id = request.COOKIES.get(CLICK_COOKIE, "")
    if request.session.get(_SEEN) == click_id or not _CLICK.fullmatch(click_id):
        return
    try:
        remember_click(customer=customer, click_id=click_id)
    except ClickNotFoundError:
        return
    request.session[_SEEN] = click_id


def register() -> None:
    """Called from `apps.ready()`."""
    register_visit(note_cookie)
