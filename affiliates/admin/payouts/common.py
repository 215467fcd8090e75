"""What the pages about payouts share."""

from typing import cast

from django.http import HttpRequest

from affiliates.models import Payout
from loyalty_site.staff.models import User

LINK = "text-primary-600 dark:text-primary-500"
PAYOUT_LABELS = {
    Payout.State.OPEN.label: "warning",
    Payout.State.PAID.label: "success",
    Payout.State.FAILED.label: "danger",
    Payout.State.CANCELLED.label: "danger",
}


def user_of(request: HttpRequest) -> User:
    return cast(User, request.user)
