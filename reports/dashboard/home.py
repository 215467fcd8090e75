"""The home page: six figures, three charts, and what needs a person."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from loyalty_site.common.money import format_number
from reports.dashboard.charts import messages_chart, points_chart, sales_chart
from reports.dashboard.navigation import sidebar
from reports.dashboard.words import long_day, whole_money
from reports.engine import Change, Period, day_start
from reports.selectors import Overview, attention, concerns, overview, program_zone, stores, today

PERMISSION = "reports.view_dashboard"
RANGES = (7, 30, 90, 365)
USUAL_RANGE = 30


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the admin's home page; who may not see figures gets the ways to the work only."""
    context["title"] = _("Dashboard")
    context["shortcuts"] = sidebar(request)[0]["items"][1:]
    context["attention"] = _attention(request)
    if request.user.has_perm(PERMISSION):
        context["board"] = _board(request)
    return context


def _board(request: HttpRequest) -> dict[str, Any]:
    branches = list(stores())
    days = _chosen(request, "days", RANGES) or USUAL_RANGE
    store_id = _chosen(request, "store", [branch.pk for branch in branches])
    period = Period.ending(today(), days)
    figures = overview(period=period, store_id=store_id)
    return {
        "ranges": [(option, option == days) for option in RANGES],
        "stores": [(branch, branch.pk == store_id) for branch in branches],
        "store_id": store_id,
        "days": days,
        "first": long_day(period.first),
        "last": long_day(period.last),
        "is_empty": figures.is_empty,
        "tiles": _tiles(request, figures),
        "charts": [sales_chart(figures), points_chart(figures), messages_chart(figures)],
    }


def _chosen(request: HttpRequest, name: str, options: Iterable[int]) -> int | None:
    """The option that a query parameter names; None for anything else."""
    return next((option for option in options if str(option) == request.GET.get(name)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A figure, its change (`mood` is better, worse or same), and where its rows are."""

    title: str
    value: str
    note: str
    change: str
    spoken: str
    mood: str
    link: str | None
    icon: str


def _tiles(request: HttpRequest, figures: Overview) -> list[Tile]:
    period = figures.period
    since = {"occurred_at__gte": day_start(period.first, program_zone()).isoformat()}
    delivered = _share(figures)
    return [
        _tile(
            period,
            _("Sales after returns"),
            figures.sales,
            value=whole_money(figures.sales.now, figures.currency),
            note=_("%(count)s bills") % {"count": format_number(figures.bills.now)},
            link=_rows(request, "customers.purchase", since),
            icon="receipt_long",
        ),
        _tile(
            period,
            _("Active members"),
            figures.active_members,
            note=_("bought at least once"),
            link=_rows(request, "customers.customer", {}),
            icon="group",
        ),
        _tile(
            period,
            _("Points issued"),
            figures.issued,
            note=_("on bills and by hand"),
            link=_rows(request, "loyalty.pointsentry", {"kind__exact": "award", **since}),
            icon="stars",
        ),
        _tile(
            period,
            _("Points redeemed"),
            figures.redeemed,
            note=_("%(money)s of points still open")
            % {"money": whole_money(figures.liability.now, figures.currency)},
            link=_rows(request, "loyalty.pointsentry", {"kind__exact": "redeem", **since}),
            icon="redeem",
        ),
        _tile(
            period,
            _("Affiliate commission"),
            figures.commission,
            value=whole_money(figures.commission.now, figures.currency),
            note=_("on %(count)s bills") % {"count": format_number(figures.conversions.now)},
            link=_rows(request, "affiliates.commissionentry", since),
            icon="handshake",
        ),
        _tile(
            period,
            _("Messages delivered"),
            delivered,
            value=f"{format_number(delivered.now)} %" if figures.sent.now else "-",
            note=_("%(delivered)s of %(sent)s sent")
            % {
                "delivered": format_number(figures.delivered.now),
                "sent": format_number(figures.sent.now),
            },
            link=_rows(request, "messaging.message", {}),
            icon="chat",
        ),
    ]


def _tile(
    period: Period,
    title: str,
    change: Change,
    *,
    note: str,
    link: str | None,
    icon: str,
    value: str = "",
) -> Tile:
    percent = change.percent
    if percent is None:
        text, mood = (_("new"), "better") if change.now else ("", "same")
    else:
        mood = "better" if percent > 0 else "worse" if percent < 0 else "same"
        text = f"{'↑' if percent > 0 else '↓'} {abs(percent)} %" if percent else "0 %"
    return Tile(
        title=title,
        value=value or format_number(change.now),
        note=note,
        change=text,
        spoken=_("compared with the %(days)s days before") % {"days": period.days},
        mood=mood,
        link=link,
        icon=icon,
    )


def _share(figures: Overview) -> Change:
    """Delivered messages in percent of those sent, to one decimal."""

    def percent(delivered: Decimal, sent: Decimal) -> Decimal:
        return round(delivered * 100 / sent, 1) if sent else Decimal(0)

    return Change(
        percent(figures.delivered.now, figures.sent.now),
        percent(figures.delivered.before, figures.sent.before),
    )


def _rows(request: HttpRequest, model: str, filters: dict[str, str]) -> str | None:
    """The list behind a figure, if it exists and this user may see it."""
    app, name = model.split(".")
    if not request.user.has_perm(f"{app}.view_{name}"):
        return None
    try:
        link = reverse(f"admin:{app}_{name}_changelist")
    except NoReverseMatch:
        return None
    return f"{link}?{urlencode(filters)}" if filters else link


def _attention(request: HttpRequest) -> list[dict[str, Any]]:
    """What waits for a person, as far as this user may see it."""
    watched = [one for one in concerns() if request.user.has_perm(one.permission)]
    return [
        {
            "title": found.concern.title,
            "advice": found.concern.advice,
            "count": format_number(found.count),
            "link": _rows(request, found.concern.model, found.concern.filters),
        }
        for found in attention(watched)
    ]
