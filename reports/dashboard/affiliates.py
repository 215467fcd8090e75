"""The board of affiliates: how far they reach, what it sells, and who is best."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from loyalty_site.common.money import format_number
from reports.dashboard.charts import affiliate_sales_chart, funnel_chart
from reports.dashboard.tiles import RANGES, USUAL_RANGE, Tile, chosen, rows_behind, tile
from reports.dashboard.words import long_day, whole_money
from reports.engine import Period, day_start
from reports.selectors import (
    AffiliatesOverview,
    affiliates_overview,
    leaderboard,
    program_zone,
    today,
)

AFFILIATES = "affiliates"
_TIMES = "\N{MULTIPLICATION SIGN}"


def affiliates_board(request: HttpRequest) -> dict[str, Any]:
    """What the page of affiliates shows."""
    days = chosen(request, "days", RANGES) or USUAL_RANGE
    period = Period.ending(today(), days)
    figures = affiliates_overview(period=period)
    return {
        "name": AFFILIATES,
        "ranges": [(option, option == days) for option in RANGES],
        "days": days,
        "first": long_day(period.first),
        "last": long_day(period.last),
        "is_empty": figures.is_empty,
        "tiles": _tiles(request, figures),
        "charts": [affiliate_sales_chart(figures), funnel_chart(figures)],
        "leaders": _leaders(figures),
    }


def _tiles(request: HttpRequest, figures: AffiliatesOverview) -> list[Tile]:
    period, now = figures.period, figures.now
    since = {"occurred_at__gte": day_start(period.first, program_zone()).isoformat()}
    return [
        tile(
            period,
            _("Sales they brought"),
            figures.change("sales"),
            value=whole_money(now.sales, figures.currency),
            note=_("after returns"),
            link=rows_behind(request, "affiliates.conversion", {}),
            icon="receipt_long",
        ),
        tile(
            period,
            _("Commission"),
            figures.change("commission"),
            value=whole_money(now.commission, figures.currency),
            note=_("after corrections"),
            link=rows_behind(request, "affiliates.commissionentry", since),
            icon="handshake",
        ),
        tile(
            period,
            _("Return on spend"),
            figures.change("return_on_spend"),
            value=_times(now.return_on_spend),
            note=_("sales for each unit of commission"),
            link=None,
            icon="trending_up",
        ),
        tile(
            period,
            _("Clicks"),
            figures.change("clicks"),
            note=_("%(count)s chats") % {"count": format_number(now.chats)},
            link=rows_behind(request, "affiliates.click", {}),
            icon="ads_click",
        ),
        tile(
            period,
            _("Bills they brought"),
            figures.change("bills"),
            note=_("that earned and stayed"),
            link=rows_behind(request, "affiliates.conversion", {}),
            icon="shopping_bag",
        ),
        tile(
            period,
            _("Conversion rate"),
            figures.change("conversion_rate"),
            value=_percent(now.conversion_rate),
            note=_("bills for 100 clicks and chats"),
            link=None,
            icon="percent",
        ),
    ]


def _leaders(figures: AffiliatesOverview) -> list[dict[str, Any]]:
    return [
        {
            "place": place,
            "name": leader.name,
            "link": reverse("admin:affiliates_affiliate_change", args=[leader.affiliate_id]),
            "cells": [
                whole_money(leader.figures.commission, figures.currency),
                format_number(leader.figures.bills),
                whole_money(leader.figures.sales, figures.currency),
                format_number(leader.figures.clicks),
                _percent(leader.figures.conversion_rate),
            ],
        }
        for place, leader in enumerate(leaderboard(period=figures.period), start=1)
    ]


def _percent(rate: Any) -> str:
    return f"{format_number(rate)} %" if rate is not None else "-"


def _times(ratio: Any) -> str:
    return f"{format_number(ratio)} {_TIMES}" if ratio is not None else "-"
