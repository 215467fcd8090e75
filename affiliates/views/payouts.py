"""The affiliate's money in the portal: payouts, statements, and where it goes."""

from datetime import date
from http import HTTPStatus
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from affiliates.errors import PayoutNotFoundError
from affiliates.forms import PayoutDetailsForm
from affiliates.models import Affiliate, Payout
from affiliates.selectors import (
    Statement,
    current_details,
    earnings_of,
    explain_payout,
    find_affiliate,
    get_own_payout,
    month_statement,
    payout_policy,
    payout_rows,
    payout_statement,
    plan_of,
    statement_csv,
    statement_months,
    statement_pdf,
)
from customers import portal
from customers.models import Customer
from customers.portal import customer_required

_PAGE = 25
_MONTHS = 24


def _affiliate(customer: Customer) -> Affiliate:
    person = find_affiliate(customer)
    if person is None:
        raise Http404
    return person


def _own_payout(customer: Customer, payout_id: int) -> Payout:
    try:
        return get_own_payout(_affiliate(customer), payout_id)
    except PayoutNotFoundError as error:
        raise Http404 from error


@customer_required
@require_safe
def payouts(request: HttpRequest, customer: Customer) -> HttpResponse:
    """The next payout, where it goes, and all earlier ones; `?before=` turns the page."""
    person = _affiliate(customer)
    before = request.GET.get("before", "")
    rows = payout_rows().filter(affiliate=person)
    if before.isascii() and before.isdigit() and len(before) < 16:
        rows = rows.filter(pk__lt=int(before))
    page = list(rows[: _PAGE + 1])
    context = {
        "currency": settings.DEFAULT_CURRENCY,
        "earnings": earnings_of(person),
        "details": current_details(person),
        "next": plan_of(person),
        "policy": payout_policy(),
        "now": timezone.now(),
        "payouts": page[:_PAGE],
        "next_before": page[_PAGE - 1].pk if len(page) > _PAGE else None,
        "months": statement_months(person)[:_MONTHS],
    }
    return render(request, "affiliates/payouts.html", context)


@customer_required
@require_safe
def payout(request: HttpRequest, customer: Customer, payout_id: int) -> HttpResponse:
    """One payout with its commissions and its arithmetic."""
    found = _own_payout(customer, payout_id)
    context = {
        "payout": found,
        "statement": payout_statement(found),
        "sentences": explain_payout(found),
    }
    return render(request, "affiliates/payout.html", context)


@customer_required
@require_safe
def payout_statement_file(
    request: HttpRequest, customer: Customer, payout_id: int, kind: str
) -> HttpResponse:
    """The statement of a payout, as PDF or CSV."""
    return _file(payout_statement(_own_payout(customer, payout_id)), kind)


@customer_required
@require_safe
def month_statement_file(
    request: HttpRequest, customer: Customer, year: int, month: int, kind: str
) -> HttpResponse:
    """The statement of a month, as PDF or CSV."""
    person = _affiliate(customer)
    if not (2000 <= year <= timezone.localdate().year and 1 <= month <= 12):
        raise Http404
    return _file(month_statement(person, date(year, month, 1)), kind)


def _file(statement: Statement, kind: str) -> HttpResponse:
    if kind == "pdf":
        response = HttpResponse(statement_pdf(statement), content_type="application/pdf")
    elif kind == "csv":
        response = HttpResponse(statement_csv(statement), content_type="text/csv; charset=utf-8")
    else:
        raise Http404
    response["Content-Disposition"] = f'attachment; filename="{statement.file_name}.{kind}"'
    return response


@customer_required
@require_http_methods(["GET", "POST"])
def payout_details(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Say where the money goes; only shortly after signing in with a code."""
    person = _affiliate(customer)
    details = current_details(person)
    if not portal.signed_in_lately(request):
        if request.method == "POST":
            portal.sign_out(request)
            query = urlencode({portal.NEXT: request.path})
            return HttpResponseRedirect(f"{reverse('portal:sign-in')}?{query}")
        return render(request, "affiliates/payout_details.html", {"details": details})
    form = PayoutDetailsForm(
        request.POST if request.method == "POST" else None,
        initial={"method": details.method, "holder": details.holder} if details else None,
    )
    if request.method == "POST" and form.is_valid() and (saved := form.save(person)):
        when = date_format(timezone.localtime(saved.payable_from), "j M Y, H:i")
        messages.success(
            request, _("Saved. For your safety they are used from %(when)s.") % {"when": when}
        )
        return HttpResponseRedirect(reverse("portal:affiliate-payouts"))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    context = {"form": form, "details": details, "policy": payout_policy()}
    return render(request, "affiliates/payout_details.html", context, status=status)
