"""What the admin pages of this app share."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from loyalty_site.common.errors import DomainError
from loyalty_site.common.money import format_money


def money_text(amount: Decimal) -> str:
    return format_money(amount, settings.DEFAULT_CURRENCY)


def moment(at: datetime) -> str:
    return date_format(localtime(at), "DATETIME_FORMAT")


def link_to_rows(request: HttpRequest, model: type[Model], text: str, **filters: Any) -> str:
    """A text that leads to a list, if there is one and this user may see it."""
    opts = model._meta
    if not request.user.has_perm(f"{opts.app_label}.view_{opts.model_name}"):
        return text
    try:
        url = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    except NoReverseMatch:
        return text
    return link(f"{url}?{urlencode(filters)}", text)


def link(url: str, text: str) -> SafeString:
    """A link as the theme draws it."""
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', url, text
    )


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form was sent with; None before it was."""
    return request.POST if request.method == "POST" else None


def form_page(
    request: HttpRequest,
    admin: "ModelAdmin[Any]",
    *,
    title: str,
    form: BaseForm,
    button: str,
    intro: str = "",
    **context: Any,
) -> HttpResponse:
    """A page of the back office with one form."""
    whole = {
        **admin.admin_site.each_context(request),
        "title": title,
        "form": form,
        "button": button,
        "intro": intro,
        "opts": admin.model._meta,
        **context,
    }
    return render(request, "admin/affiliates/form.html", whole)


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
