"""Figures as the boards show them, and what a board was asked for."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from loyalty_site.common.money import format_number
from reports.engine import Change, Period

RANGES = (7, 30, 90, 365)
USUAL_RANGE = 30
_MOST_PERCENT = 999


def chosen(request: HttpRequest, name: str, options: Iterable[int]) -> int | None:
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


def tile(
    period: Period,
    title: str,
    change: Change,
    *,
    note: str,
    link: str | None,
    icon: str,
    value: str = "",
) -> Tile:
    """A figure with its change."""
    percent = change.percent
    if percent is None:
        text, mood = (_("new"), "better") if change.now else ("", "same")
    else:
        mood = "better" if percent > 0 else "worse" if percent < 0 else "same"
        size = f"{abs(percent)}" if abs(percent) <= _MOST_PERCENT else f"{_MOST_PERCENT}+"
        text = f"{'↑' if percent > 0 else '↓'} {size} %" if percent else "0 %"
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


def rows_behind(request: HttpRequest, model: str, filters: dict[str, str]) -> str | None:
    """The list behind a figure, if it exists and this user may see it."""
    app, name = model.split(".")
    if not request.user.has_perm(f"{app}.view_{name}"):
        return None
    try:
        link = reverse(f"admin:{app}_{name}_changelist")
    except NoReverseMatch:
        return None
    return f"{link}?{urlencode(filters)}" if filters else link
