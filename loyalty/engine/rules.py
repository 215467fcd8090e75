"""An earning rule as the engine reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Self

from loyalty.engine.conditions import Conditions, Limits
from loyalty.engine.definitions import read_definition, write_definition
from loyalty.engine.facts import Period, bounds, shift
from loyalty.engine.goods import Goods
from loyalty.engine.terms import Basis, Kind, Rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One version of a rule: what it gives, on which goods, when, and how much at most.

    `points` come for each `amount` of money, for each `unit` of goods, or once, by `kind`; a
    multiplier makes `factor` times of what spend rules give. `nth` is for first purchases,
    `streak` and `streak_period` for streaks, `event` for events. What was paid with
    `excluded_tenders` does not count. `expiry` is the written form of the points' own lifetime;
    they become usable after `pending_days`, or when the event `awaits` arrives within
    `cancel_days` (0: whenever). Points that do not count for tiers do not `qualify`.
    """

    rule_id: int
    version: int
    name: str
    kind: Kind = Kind.PER_AMOUNT
    points: int = 0
    amount: Decimal = Decimal(1)
    rounding: Rounding = Rounding.FLOOR
    basis: Basis = Basis.NET
    unit: Decimal = Decimal(1)
    factor: Decimal = Decimal(1)
    nth: int = 1
    streak: int = 0
    streak_period: Period = Period.WEEK
    event: str = ""
    goods: Goods = field(default_factory=Goods)
    conditions: Conditions = field(default_factory=Conditions)
    limits: Limits = field(default_factory=Limits)
    excluded_tenders: frozenset[str] = frozenset()
    priority: int = 0
    stackable: bool = True
    qualifies: bool = True
    expiry: Mapping[str, Any] | None = None
    pending_days: int = 0
    awaits: str = ""
    cancel_days: int = 0

    @classmethod
    def from_definition(
        cls, definition: Mapping[str, Any], *, rule_id: int, version: int, name: str
    ) -> Self:
        """Read the written form.

        Raises:
            InvalidRuleError: names what is missing or wrong.
        """
        return cls(rule_id=rule_id, version=version, name=name, **read_definition(definition))

    def to_definition(self) -> dict[str, Any]:
        """The written form: what the kind needs, and what differs from the usual."""
        return write_definition(self, usual=type(self)(rule_id=0, version=0, name=""))

    # --- what it has to know ------------------------------------------------------------------

    @property
    def is_limited(self) -> bool:
        """Whether it depends on what was given before."""
        return self.limits.per_customer or self.limits.budget is not None

    @property
    def has_own_terms(self) -> bool:
        """Whether its points live differently from the programme's."""
        return self.expiry is not None or self.pending_days > 0 or bool(self.awaits)

    @property
    def is_counted(self) -> bool:
        """Whether what it gives has to be written down by rule."""
        return self.is_limited or self.has_own_terms

    @property
    def needs_facts(self) -> bool:
        """Whether it depends on more than the bill itself."""
        conditions = self.conditions
        return (
            self.is_limited
            or bool(conditions.tiers)
            or bool(conditions.segments)
            or self.kind in (Kind.FIRST_PURCHASE, Kind.STREAK)
        )

    def days_of_limit(self, day: date) -> tuple[date, date]:
        """The first and the last day of the period in which its limits count.

        A streak that was rewarded has to be built anew, so it looks as far as it is long.
        """
        if self.kind is not Kind.STREAK:
            return bounds(self.limits.period, day)
        first = shift(self.streak_period, day, 1 - self.streak)
        return first, shift(self.streak_period, day, self.streak) - timedelta(days=1)
