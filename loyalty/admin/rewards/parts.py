"""What these pages share."""

from typing import cast

from django.http import HttpRequest

from loyalty_site.staff.models import User


def acting_user(request: HttpRequest) -> User:
    """Who works on a page."""
    return cast(User, request.user)
