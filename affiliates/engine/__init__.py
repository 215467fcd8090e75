"""Who brought a bill, and what that pays: pure decisions that say why."""

from affiliates.engine.attribution import (
    LADDER,
    Attribution,
    Bill,
    Candidate,
    Party,
    Reason,
    Rung,
    Verdict,
    attribute,
    normal_code,
)
from affiliates.engine.charts import Bar, Column, bars, columns, last_days, last_months
from affiliates.engine.commissions import (
    MINOR_UNIT,
    Commission,
    Kind,
    Terms,
    commission,
    correction,
)
from affiliates.engine.people import FOLLOWS, code_stem, normal_website

__all__ = [
    "FOLLOWS",
    "LADDER",
    "MINOR_UNIT",
    "Attribution",
    "Bar",
    "Bill",
    "Candidate",
    "Column",
    "Commission",
    "Kind",
    "Party",
    "Reason",
    "Rung",
    "Terms",
    "Verdict",
    "attribute",
    "bars",
    "code_stem",
    "columns",
    "commission",
    "correction",
    "last_days",
    "last_months",
    "normal_code",
    "normal_website",
]
