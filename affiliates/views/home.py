"""The affiliate's own page in the portal."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from affiliates.engine import bars, columns, last_days, last_months
from affiliates.models import Affiliate
from affiliates.selectors import (
    active_codes,
    application_policy,
    commissions_of,
    describe_commission,
    earnings_of,
    figures_by_day,
    find_affiliate,
    program_zone,
    summed,
)
from affiliates.views.disputes import remember_device
from customers.models import Customer
from customers.portal import customer_required

_PAGE = 25
_DAYS, _MONTHS = 30, 12


@customer_required
def affiliate(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Figures, funnel and every commission explained; `?before=` turns the page.

    `?period=year` shows twelve months instead of thirty days.
    """
    person = find_affiliate(customer)
    if person is None:
        return redirect("portal:affiliate-apply")
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
        "shows_figures": not before and (person.state != Affiliate.State.APPLIED or page),
        "terms": application_policy().terms,
        **_progress(person, is_year=request.GET.get("period") == "year"),
    }
    return render(request, "affiliates/home.html", context)


def _progress(person: Affiliate, *, is_year: bool) -> dict[str, Any]:
    """From shares to commission: the sums of the period and a column for each day or month."""
    zone = program_zone()
    today = timezone.localdate(timezone=ZoneInfo(zone))
    starts = last_months(today, _MONTHS) if is_year else last_days(today, _DAYS)
    by_day = figures_by_day(
        days=[(starts[0], today + timedelta(days=1))], zone=zone, affiliate=person
    )
    total = summed(by_day.values())
    earned = {day: figures.commission for (day, _), figures in by_day.items()}
    steps = {
        "shares": total.shares,
        "clicks": total.clicks,
        "chats": total.chats,
        "bills": total.bills,
    }
    return {
        "is_year": is_year,
        "total": total,
        "bars": bars(steps),
        "columns": columns(earned, starts),
    }
