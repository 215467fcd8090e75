"""The affiliate's own page in the portal."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from affiliates.selectors import (
    active_codes,
    commissions_of,
    describe_commission,
    earnings_of,
    find_affiliate,
)
from affiliates.views.disputes import remember_device
from customers.models import Customer
from customers.portal import customer_required

_PAGE = 25


@customer_required
def affiliate(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Code, earnings by state, and every commission explained; `?before=` turns the page."""
    person = find_affiliate(customer)
    if person is None:
        return render(request, "affiliates/invitation.html", {"customer": customer})
    remember_device(request, person)
    before = request.GET.get("before", "")
    entries = commissions_of(person)
    if before.isascii() and before.isdigit() and len(before) < 16:
        entries = entries.filter(pk__lt=int(before))
    page = list(entries[: _PAGE + 1])
    context = {
        "affiliate": person,
        "codes": active_codes(person),
        "currency": settings.DEFAULT_CURRENCY,
        "earnings": earnings_of(person),
        "commissions": [describe_commission(entry) for entry in page[:_PAGE]],
        "next_before": page[_PAGE - 1].pk if len(page) > _PAGE else None,
    }
    return render(request, "affiliates/home.html", context)
