"""Importing sales from a file: choose it, see what every row would do, then do it."""

from typing import cast

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse

from affiliates.forms import SalesFileForm
from affiliates.services import (
    COLUMNS,
    FileRow,
    TrackedResult,
    read_sales,
    track_sales,
    try_sales,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.common.money import format_money
from loyalty_site.staff.models import User

Shown = dict[str, object]


def urls(site: AdminSite) -> list[URLPattern]:
    """Below the bills that affiliates brought."""

    def page(request: HttpRequest) -> HttpResponse:
        return import_sales(site, request)

    return [
        path("import/", site.admin_view(page), name="affiliates_import"),
        path("import/template/", site.admin_view(template), name="affiliates_import_template"),
    ]


def template(request: HttpRequest) -> HttpResponse:
    """An empty file with all columns."""
    return HttpResponse(
        ",".join(COLUMNS) + "\r\n",
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="sales.csv"'},
    )


def import_sales(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """The file, what its rows would do, and after the second press what they did."""
    if not request.user.has_perm("customers.add_purchase"):
        raise PermissionDenied
    form = SalesFileForm(request.POST or None, request.FILES or None)
    shown: list[Shown] = []
    user = cast(User, request.user)
    if request.method == "POST" and form.is_valid():
        text, source = form.cleaned_data["text"], form.cleaned_data["system"]
        try:
            rows = read_sales(text=text, source=source)
            sales = [row.sale for row in rows if row.sale]
            if "confirm" in request.POST:
                shown = _shown(rows, track_sales(sales=sales, acting_user=user))
                done = sum(bool(one["is_good"]) for one in shown)
                messages.success(request, f"{done} of {len(shown)} sales are recorded.")
                return HttpResponseRedirect(reverse("admin:affiliates_conversion_changelist"))
            shown = _shown(rows, try_sales(sales=sales, acting_user=user))
        except DomainError as error:
            form.add_error("file", str(error))
        else:
            form = SalesFileForm(initial={"system": source, "text": text})
    context = {
        **site.each_context(request),
        "title": "Import sales",
        "form": form,
        "rows": shown,
        "good": sum(bool(one["is_good"]) for one in shown),
    }
    return render(request, "admin/affiliates/import.html", context)


def _shown(rows: list[FileRow], results: list[TrackedResult]) -> list[Shown]:
    """Each row with its outcome, in words."""
    outcomes = iter(results)
    shown: list[Shown] = []
    for row in rows:
        is_good, outcome = False, row.fault
        if row.sale is not None:
            is_good, outcome = _outcome(next(outcomes))
        shown.append(
            {"line": row.line, "order_id": row.order_id, "is_good": is_good, "outcome": outcome}
        )
    return shown


def _outcome(result: TrackedResult) -> tuple[bool, str]:
    if result.refusal is not None:
        return False, str(result.refusal)
    if result.purchase is None:
        return False, "Nothing to record: nobody known bought, and nobody brought them."
    winner = result.conversion.enrolment if result.conversion else None
    if winner is None:
        return True, "A bill on which no affiliate earns."
    return True, f"{winner.affiliate}: {format_money(result.commission, result.purchase.currency)}"
