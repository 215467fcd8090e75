"""The dashboard's charts, as the JSON that the bundled chart library takes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from loyalty_site.common.money import format_money, format_number
from reports.dashboard.words import short_day
from reports.selectors import AffiliatesOverview, Overview

# Readable on white and on dark alike; the library cannot follow the theme by itself.
_TEAL, _AMBER, _RED, _INK = "#0d9488", "#d97706", "#dc2626", "#7b8494"
_FUNNEL = ["#0f766e", "#0d9488", "#14b8a6", "#2dd4bf", _RED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart; `summary` and `table` say the same to those who cannot see it."""

    title: str
    summary: str
    data: str
    options: str
    header: Sequence[str]
    table: Sequence[Sequence[str]]
    is_empty: bool


def _bars(label: str, values: Sequence[float], color: str) -> dict[str, Any]:
    return {
        "type": "bar",
        "label": label,
        "data": values,
        "backgroundColor": color,
        "borderRadius": 3,
        "maxBarThickness": 28,
        "order": 2,
    }


def _options(*, legend: bool = True, **scales: Any) -> str:
    """Options of our own: the theme's defaults hide axes and legend."""
    ink = {"color": _INK}
    return json.dumps(
        {
            "responsive": True,
            "maintainAspectRatio": False,
            "animation": False,
            "locale": "en-IN",
            "interaction": {"mode": "index", "intersect": False},
            "plugins": {
                "legend": {
                    "display": legend,
                    "position": "top",
                    "align": "start",
                    "labels": {**ink, "boxWidth": 10, "boxHeight": 10, "useBorderRadius": True},
                }
            },
            "scales": scales,
        }
    )


def _days_axis() -> dict[str, Any]:
    return {
        "grid": {"display": False},
        "ticks": {"color": _INK, "maxRotation": 0, "autoSkip": True, "autoSkipPadding": 16},
    }


def _count_axis(**changes: Any) -> dict[str, Any]:
    return {
        "min": 0,
        "border": {"display": False},
        "grid": {"display": True},
        "ticks": {"color": _INK, "maxTicksLimit": 6, "precision": 0, "format": _COMPACT},
        **changes,
    }


_COMPACT = {"notation": "compact", "maximumFractionDigits": 1}


def _labels(figures: Overview | AffiliatesOverview) -> list[str]:
    return [short_day(day) for day in figures.columns]


def sales_chart(figures: Overview) -> Chart:
    """Sales as bars; as a line, how often members bought (once a day and store)."""
    by_week = figures.period.by_week
    return Chart(
        title=_("Sales per week") if by_week else _("Sales per day"),
        summary=_("Sales of %(sales)s by %(members)s members.")
        % {
            "sales": format_money(figures.sales.now, figures.currency),
            "members": format_number(figures.active_members.now),
        },
        data=json.dumps(
            {
                "labels": _labels(figures),
                "datasets": [
                    _bars(
                        _("Sales (%(currency)s)") % {"currency": figures.currency},
                        [float(net) for net in figures.sales_by_column],
                        _TEAL,
                    ),
                    {
                        "type": "line",
                        "label": _("Visits by members"),
                        "data": figures.members_by_column,
                        "borderColor": _AMBER,
                        "backgroundColor": _AMBER,
                        "borderWidth": 2,
                        "pointRadius": 0,
                        "tension": 0.3,
                        "yAxisID": "y1",
                        "order": 1,
                    },
                ],
            }
        ),
        options=_options(
            x=_days_axis(),
            y=_count_axis(),
            y1=_count_axis(position="right", grid={"display": False}),
        ),
        header=[_("Day"), _("Sales"), _("Visits by members")],
        table=[
            [short_day(day), format_money(net, figures.currency), format_number(members)]
            for day, net, members in zip(
                figures.columns, figures.sales_by_column, figures.members_by_column, strict=True
            )
        ],
        is_empty=not figures.bills.now,
    )


def points_chart(figures: Overview) -> Chart:
    """Points issued beside points redeemed."""
    rows = zip(figures.columns, figures.issued_by_column, figures.redeemed_by_column, strict=True)
    return Chart(
        title=_("Points issued and redeemed"),
        summary=_("%(issued)s points issued, %(redeemed)s redeemed.")
        % {
            "issued": format_number(figures.issued.now),
            "redeemed": format_number(figures.redeemed.now),
        },
        data=json.dumps(
            {
                "labels": _labels(figures),
                "datasets": [
                    _bars(_("Issued"), figures.issued_by_column, _TEAL),
                    _bars(_("Redeemed"), figures.redeemed_by_column, _AMBER),
                ],
            }
        ),
        options=_options(x=_days_axis(), y=_count_axis()),
        header=[_("Day"), _("Issued"), _("Redeemed")],
        table=[
            [short_day(day), format_number(issued), format_number(redeemed)]
            for day, issued, redeemed in rows
        ],
        is_empty=not (figures.issued.now or figures.redeemed.now),
    )


def messages_chart(figures: Overview) -> Chart:
    """How far the messages of the period have come."""
    steps = [
        (_("Written"), figures.queued.now),
        (_("Sent"), figures.sent.now),
        (_("Delivered"), figures.delivered.now),
        (_("Read"), figures.read.now),
        (_("Failed"), figures.failed.now),
    ]
    return Chart(
        title=_("WhatsApp messages on their way"),
        summary=_("%(delivered)s of %(queued)s messages arrived, %(failed)s failed.")
        % {
            "delivered": format_number(figures.delivered.now),
            "queued": format_number(figures.queued.now),
            "failed": format_number(figures.failed.now),
        },
        data=json.dumps(
            {
                "labels": [step for step, _count in steps],
                "datasets": [
                    {
                        **_bars(_("Messages"), [int(count) for _step, count in steps], _TEAL),
                        "backgroundColor": _FUNNEL,
                    }
                ],
            }
        ),
        options=_options(
            legend=False,
            x={"grid": {"display": False}, "ticks": {"color": _INK}},
            y=_count_axis(),
        ),
        header=[_("Step"), _("Messages")],
        table=[[step, format_number(count)] for step, count in steps],
        is_empty=not figures.queued.now,
    )


def affiliate_sales_chart(figures: AffiliatesOverview) -> Chart:
    """What affiliates sold, beside what that cost."""
    by_week = figures.period.by_week
    rows = zip(figures.columns, figures.sales_by_column, figures.commission_by_column, strict=True)
    return Chart(
        title=_("Sales and commission per week") if by_week else _("Sales and commission per day"),
        summary=_("%(sales)s were sold for %(commission)s of commission.")
        % {
            "sales": format_money(figures.now.sales, figures.currency),
            "commission": format_money(figures.now.commission, figures.currency),
        },
        data=json.dumps(
            {
                "labels": _labels(figures),
                "datasets": [
                    _bars(_("Sales"), [float(net) for net in figures.sales_by_column], _TEAL),
                    _bars(
                        _("Commission"),
                        [float(one) for one in figures.commission_by_column],
                        _AMBER,
                    ),
                ],
            }
        ),
        options=_options(x=_days_axis(), y=_count_axis()),
        header=[_("Day"), _("Sales"), _("Commission")],
        table=[
            [
                short_day(day),
                format_money(net, figures.currency),
                format_money(credited, figures.currency),
            ]
            for day, net, credited in rows
        ],
        is_empty=not (figures.now.sales or figures.now.commission),
    )


def funnel_chart(figures: AffiliatesOverview) -> Chart:
    """From shares to bills."""
    steps = [
        (_("Shared"), figures.now.shares),
        (_("Clicks"), figures.now.clicks),
        (_("Chats"), figures.now.chats),
        (_("Bills"), figures.now.bills),
    ]
    return Chart(
        title=_("From a share to a bill"),
        summary=_("%(clicks)s clicks and %(chats)s chats; %(bills)s bills that earned.")
        % {
            "clicks": format_number(figures.now.clicks),
            "chats": format_number(figures.now.chats),
            "bills": format_number(figures.now.bills),
        },
        data=json.dumps(
            {
                "labels": [step for step, _count in steps],
                "datasets": [
                    {
                        **_bars(_("Count"), [count for _step, count in steps], _TEAL),
                        "backgroundColor": _FUNNEL[:4],
                    }
                ],
            }
        ),
        options=_options(
            legend=False,
            x={"grid": {"display": False}, "ticks": {"color": _INK}},
            y=_count_axis(),
        ),
        header=[_("Step"), _("Count")],
        table=[[step, format_number(count)] for step, count in steps],
        is_empty=not any(count for _step, count in steps),
    )
