"""Card and history."""

import segno
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from customers.models import Customer
from customers.portal import customer_required
from loyalty.selectors import (
    account_overview,
    explain_entry,
    find_account,
    points_on_their_way,
    recent_entries,
    tier_words,
)

_PAGE = 25
_NEWEST = 5


@customer_required
def card(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Card, balance, what expires, what is on its way, the tier, and the newest entries."""
    account = find_account(customer.pk)
    overview = account_overview(account) if account else None
    context = {
        "customer": customer,
        "qr": segno.make(f"member:{customer.public_id}", error="m").svg_data_uri(border=2),
        "overview": overview,
        "words": tier_words(overview.account.program, overview.progress) if overview else None,
        "on_their_way": points_on_their_way(account) if account else [],
        "explanations": [explain_entry(entry) for entry in recent_entries(account, limit=_NEWEST)]
        if account
        else [],
    }
    return render(request, "loyalty/card.html", context)


@customer_required
def history(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Every entry with its reason, newest first; `?before=` turns the page."""
    account = find_account(customer.pk)
    before = request.GET.get("before", "")
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None
    entries = recent_entries(account, before=number, limit=_PAGE + 1) if account else []
    more = len(entries) > _PAGE
    context = {
        "customer": customer,
        "account": account,
        "explanations": [explain_entry(entry) for entry in entries[:_PAGE]],
        "next_before": entries[_PAGE - 1].seq if more else None,
    }
    return render(request, "loyalty/history.html", context)
