"""Who brought a bill, and what that pays: pure decisions that say why."""

from affiliates.engine.attribution import (
    CLOCK_TOLERANCE,
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
    read_ladder,
)
from affiliates.engine.commissions import (
    MINOR_UNIT,
    Commission,
    Kind,
    Terms,
    commission,
    correction,
)

__all__ = [
    "CLOCK_TOLERANCE",
    "LADDER",
    "MINOR_UNIT",
    "Attribution",
    "Bill",
    "Candidate",
    "Commission",
    "Kind",
    "Party",
    "Reason",
    "Rung",
    "Terms",
    "Verdict",
    "attribute",
    "commission",
    "correction",
    "normal_code",
    "read_ladder",
]
