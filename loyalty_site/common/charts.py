"""Figures and bar charts of the back office, for the bundled library."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TEAL, GREY = "#0d9488", "#94a3b8"
_INK = "#7b8494"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A figure and what it was before."""

    title: str
    value: str
    note: str
    icon: str
    change: str = ""
    spoken: str = ""
    mood: str = "same"
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart for the bundled library; the table says the same in words."""

    title: str
    summary: str
    data: str
    options: str
    header: Sequence[str]
    table: Sequence[Sequence[str]]
    is_empty: bool


def bars(label: str, values: Sequence[float], color: str) -> dict[str, Any]:
    """One row of bars."""
    return {
        "type": "bar",
        "label": label,
        "data": values,
        "backgroundColor": color,
        "borderRadius": 3,
        "maxBarThickness": 28,
    }


def options(*, legend: bool = True, lies: bool = False) -> str:
    """How bars are drawn; `lies` turns the bars on their side, for labels that are long."""
    ink = {"color": _INK}
    compact = {"notation": "compact", "maximumFractionDigits": 1}
    names = {
        "grid": {"display": False},
        "ticks": {**ink, "maxRotation": 0, "autoSkip": not lies, "autoSkipPadding": 16},
    }
    counts = {
        "min": 0,
        "border": {"display": False},
        "ticks": {**ink, "maxTicksLimit": 6, "precision": 0, "format": compact},
    }
    return json.dumps(
        {
            "responsive": True,
            "maintainAspectRatio": False,
            "animation": False,
            "locale": "en-IN",
            "indexAxis": "y" if lies else "x",
            "interaction": {"mode": "index", "intersect": False, "axis": "y" if lies else "x"},
            "plugins": {
                "legend": {
                    "display": legend,
                    "position": "top",
                    "align": "start",
                    "labels": {**ink, "boxWidth": 10, "boxHeight": 10, "useBorderRadius": True},
                }
            },
            "scales": {"x": counts, "y": names} if lies else {"x": names, "y": counts},
        }
    )
