"""Pure decisions: what a bill earns, and which tier a spend reaches. No database, no clock."""

from loyalty.engine.conditions import (
    Conditions,
    Limits,
)
from loyalty.engine.definitions import (
    EVENTS,
    fields_of,
)
from loyalty.engine.earning import (
    NOTHING,
    Earning,
    Step,
    earn,
    earn_event,
)
from loyalty.engine.expiry import (
    NEVER,
    ExpiryKind,
    ExpiryPolicy,
    RoundUp,
    expires_on,
)
from loyalty.engine.facts import (
    NO_FACTS,
    Facts,
    Period,
    bounds,
    place,
    shift,
    streak,
)
from loyalty.engine.goods import (
    Bill,
    BillLine,
    Goods,
    remaining_bill,
)
from loyalty.engine.returns import points_back
from loyalty.engine.rules import (
    Rule,
)
from loyalty.engine.terms import (
    Basis,
    Kind,
    Rounding,
)
from loyalty.engine.tiers import (
    MeasuredPoint,
    TierStep,
    TierWindow,
    WindowKind,
    upgrades,
)

__all__ = [
    "EVENTS",
    "NEVER",
    "NOTHING",
    "NO_FACTS",
    "Basis",
    "Bill",
    "BillLine",
    "Conditions",
    "Earning",
    "ExpiryKind",
    "ExpiryPolicy",
    "Facts",
    "Goods",
    "Kind",
    "Limits",
    "MeasuredPoint",
    "Period",
    "RoundUp",
    "Rounding",
    "Rule",
    "Step",
    "TierStep",
    "TierWindow",
    "WindowKind",
    "bounds",
    "earn",
    "earn_event",
    "expires_on",
    "fields_of",
    "place",
    "points_back",
    "remaining_bill",
    "shift",
    "streak",
    "upgrades",
]
