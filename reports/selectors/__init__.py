"""Reads for dashboards and reports: rollups only, never bills or ledgers."""

from affiliates.selectors import program_zone
from reports.selectors.affiliates import (
    AffiliatesOverview,
    Leader,
    affiliates_overview,
    leaderboard,
)
from reports.selectors.attention import Attention, Concern, attention, concerns
from reports.selectors.calendar import stores, today
from reports.selectors.daily import DailyFigures, daily_figures
from reports.selectors.overview import Overview, overview

__all__ = [
    "AffiliatesOverview",
    "Attention",
    "Concern",
    "DailyFigures",
    "Leader",
    "Overview",
    "affiliates_overview",
    "attention",
    "concerns",
    "daily_figures",
    "leaderboard",
    "overview",
    "program_zone",
    "stores",
    "today",
]
