"""Affiliates ask the shop about a commission or a missing bill."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from affiliates.forms import DisputeForm
from affiliates.models import Affiliate
from affiliates.selectors import commissions_of, describe_commission, find_affiliate
from affiliates.selectors.risk import disputes_of, visitor_hash
from affiliates.services import note_device, open_dispute
from customers.models import Customer
from customers.portal import customer_required
from loyalty_site.common.errors import DomainError
from loyalty_site.common.network import client_network

_SHOWN = 25


@customer_required
@require_http_methods(["GET", "POST"])
def disputes(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Questions with their answers, and a form for a new one; `?entry=` names a commission."""
    affiliate = find_affiliate(customer)
    if affiliate is None:
        return HttpResponseRedirect(reverse("portal:affiliate"))
    remember_device(request, affiliate)
    form = DisputeForm(request.POST or None, initial={"entry": _asked_about(request)})
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            given = form.cleaned_data
            try:
                open_dispute(
                    affiliate=affiliate,
                    text=given["text"],
                    entry_id=given["entry"],
                    bill_number=given["bill_number"],
                )
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, _("The shop has your question and will answer here."))
                return HttpResponseRedirect(reverse("portal:affiliate-disputes"))
    entry_id = form["entry"].value()
    entry = commissions_of(affiliate).filter(pk=entry_id).first() if entry_id else None
    context = {
        "form": form,
        "commission": describe_commission(entry) if entry else None,
        "disputes": disputes_of(affiliate)[:_SHOWN],
    }
    return render(request, "affiliates/disputes.html", context, status=status)


def remember_device(request: HttpRequest, affiliate: Affiliate) -> None:
    """Clicks from the browser in which an affiliate uses the portal are their own."""
    note_device(
        affiliate=affiliate,
        visitor_hash=visitor_hash(
            network=client_network(request), agent=request.headers.get("user-agent", "")
        ),
    )


def _asked_about(request: HttpRequest) -> int | None:
    entry = request.GET.get("entry", "")
    return int(entry) if entry.isascii() and entry.isdigit() and len(entry) < 16 else None
