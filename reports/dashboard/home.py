"""The home page: six figures, three charts, and what needs a person."""

from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from loyalty_site.common.money import format_number
from reports.dashboard.affiliates import AFFILIATES, affiliates_board
from reports.dashboard.charts import messages_chart, points_chart, sales_chart
from reports.dashboard.navigation import sidebar
from reports.dashboard.tiles import RANGES, USUAL_RANGE, Tile, chosen, rows_behind, tile
from reports.dashboard.words import long_day, whole_money
from reports.engine import Change, Period, day_start
from reports.selectors import Overview, attention, concerns, overview, program_zone, stores, today

PERMISSION = "reports.view_dashboard"


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the admin's home page; who may not see figures gets the ways to the work only."""
    context["title"] = _("Dashboard")
    context["shortcuts"] = sidebar(request)[0]["items"][1:]
    context["attention"] = _attention(request)
    if request.user.has_perm(PERMISSION):
        context["board"] = _board(request)
    return context


def _board(request: HttpRequest) -> dict[str, Any]:
    board = affiliates_board(request) if _is_of_affiliates(request) else _shop_board(request)
    return {**board, "is_of_affiliates": _is_of_affiliates(request)}


def _is_of_affiliates(request: HttpRequest) -> bool:
    return request.GET.get("board") == AFFILIATES and request.user.has_perm(
        "affiliates.view_affiliate"
    )


def _shop_board(request: HttpRequest) -> dict[str, Any]:
    branches = list(stores())
    days = chosen(request, "days", RANGES) or USUAL_RANGE
    store_id = chosen(request, "store", [branch.pk for branch in branches])
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


def _tiles(request: HttpRequest, figures: Overview) -> list[Tile]:
    period = figures.period
    since = {"occurred_at__gte": day_start(period.first, program_zone()).isoformat()}
    delivered = _share(figures)
    return [
        tile(
            period,
            _("Sales after returns"),
            figures.sales,
            value=whole_money(figures.sales.now, figures.currency),
            note=_("%(count)s bills") % {"count": format_number(figures.bills.now)},
            link=rows_behind(request, "customers.purchase", since),
            icon="receipt_long",
        ),
        tile(
            period,
            _("Active members"),
            figures.active_members,
            note=_("bought at least once"),
            link=rows_behind(request, "customers.customer", {}),
            icon="group",
        ),
        tile(
            period,
            _("Points issued"),
            figures.issued,
            note=_("on bills and by hand"),
            link=rows_behind(request, "loyalty.pointsentry", {"kind__exact": "award", **since}),
            icon="stars",
        ),
        tile(
            period,
            _("Points redeemed"),
            figures.redeemed,
            note=_("%(money)s of points still open")
            % {"money": whole_money(figures.liability.now, figures.currency)},
            link=rows_behind(request, "loyalty.pointsentry", {"kind__exact": "redeem", **since}),
            icon="redeem",
        ),
        tile(
            period,
            _("Affiliate commission"),
            figures.commission,
            value=whole_money(figures.commission.now, figures.currency),
            note=_("on %(count)s bills") % {"count": format_number(figures.conversions.now)},
            link=rows_behind(request, "affiliates.commissionentry", since),
            icon="handshake",
        ),
        tile(
            period,
            _("Messages delivered"),
            delivered,
            value=f"{format_number(delivered.now)} %" if figures.sent.now else "-",
            note=_("%(delivered)s of %(sent)s sent")
            % {
                "delivered": format_number(figures.delivered.now),
                "sent": format_number(figures.sent.now),
            },
            link=rows_behind(request, "messaging.message", {}),
            icon="chat",
        ),
    ]


def _share(figures: Overview) -> Change:
    """Delivered messages in percent of those sent, to one decimal."""

    def percent(delivered: Decimal, sent: Decimal) -> Decimal:
        return round(delivered * 100 / sent, 1) if sent else Decimal(0)

    return Change(
        percent(figures.delivered.now, figures.sent.now),
        percent(figures.delivered.before, figures.sent.before),
    )


def _attention(request: HttpRequest) -> list[dict[str, Any]]:
    """What waits for a person, as far as this user may see it."""
    watched = [one for one in concerns() if request.user.has_perm(one.permission)]
    return [
        {
            "title": found.concern.title,
            "advice": found.concern.advice,
            "count": format_number(found.count),
            "link": rows_behind(request, found.concern.model, found.concern.filters),
        }
        for found in attention(watched)
    ]
