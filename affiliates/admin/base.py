"""What the admin pages of this app share."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.formats import date_format
from django.utils.timezone import localtime

from loyalty_site.common.errors import DomainError
from loyalty_site.common.money import format_money


def money_text(amount: Decimal) -> str:
    return format_money(amount, settings.DEFAULT_CURRENCY)


def moment(at: datetime) -> str:
    return date_format(localtime(at), "DATETIME_FORMAT")


class ReadOnly:
    """Rows that people look at and nobody edits."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RefusalsShown:
    """A refusal of a service is shown above the page instead of breaking it."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().changeform_view(  # type: ignore[misc]
                request, *args, **kwargs
            )
        except DomainError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())
        return response
