"""When a rule holds, and how much it may give."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal

from loyalty.engine.facts import Facts, Period
from loyalty.engine.goods import Bill


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What must be true of a bill and its customer; empty parts always are.

    Weekdays are 1 (Monday) to 7; hours run up to, not including, the second one, and may pass
    midnight. Days, weekdays and hours are the store's.
    """

    starts_on: date | None = None
    ends_on: date | None = None
    weekdays: frozenset[int] = frozenset()
    hours: tuple[time, time] | None = None
    stores: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    tenders: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    segments: frozenset[int] = frozenset()
    tiers: frozenset[int] = frozenset()
    minimum_bill: Decimal | None = None
    minimum_amount: Decimal | None = None
    minimum_quantity: Decimal | None = None

    def refusal(self, bill: Bill, facts: Facts) -> str:
        """Why the rule does not hold for the bill; empty if it does.

        The minimum amounts are not looked at, since they depend on the rule's goods.
        """
        if self.stores and bill.store not in self.stores:
            return "not at this store"
        if self.channels and not self._came_by(bill.channel):
            return "not by this channel"
        if self.codes and not self.codes & {code.upper() for code in bill.codes}:
            return "its code is not on the bill"
        if self.tenders and self.tenders.isdisjoint(kind for kind, _ in bill.tenders):
            return "not paid in this way"
        return self._wrong_time(bill) or self.refusal_of_customer(facts)

    def refusal_of_customer(self, facts: Facts) -> str:
        """Why the rule does not hold for the customer; empty if it does."""
        if self.tiers and facts.tier_id not in self.tiers:
            return "not for the customer's tier"
        if self.segments and self.segments.isdisjoint(facts.segments):
            return "the customer is in none of its groups"
        return ""

    def refusal_of_day(self, day: date) -> str:
        """Why the rule does not hold on a day; empty if it does."""
        if self.starts_on and day < self.starts_on:
            return "not yet on that day"
        if self.ends_on and day > self.ends_on:
            return "no longer on that day"
        if self.weekdays and day.isoweekday() not in self.weekdays:
            return "not on that day of the week"
        return ""

    def _came_by(self, channel: str) -> bool:
        return channel in self.channels or channel.partition(":")[0] in self.channels

    def _wrong_time(self, bill: Bill) -> str:
        if not (self.weekdays or self.hours or self.starts_on or self.ends_on):
            return ""
        if bill.at is None:
            return "the time of the bill is not known"
        if refusal := self.refusal_of_day(bill.at.date()):
            return refusal
        if self.hours and not _within(bill.at.time(), *self.hours):
            return "not at that hour"
        return ""


def _within(at: time, start: time, end: time) -> bool:
    return start <= at < end if start < end else at >= start or at < end


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most a rule gives, in points: a bill, a customer and period, and in total.

    `times` is for how many bills of a customer it gives points within the period.
    """

    per_bill: int | None = None
    points: int | None = None
    times: int | None = None
    period: Period = Period.EVER
    budget: int | None = None

    @property
    def per_customer(self) -> bool:
        """Whether what the customer got before matters."""
        return self.points is not None or self.times is not None

    def left(self, rule_id: int, facts: Facts) -> Sequence[tuple[int, str]]:
        """What each limit leaves, with its name."""
        bounds: list[tuple[int, str]] = []
        if self.per_bill is not None:
            bounds.append((self.per_bill, "per_bill"))
        if self.points is not None:
            bounds.append((self.points - facts.used.get(rule_id, 0), "per_customer"))
        if self.times is not None and facts.times.get(rule_id, 0) >= self.times:
            bounds.append((0, "times"))
        if self.budget is not None:
            bounds.append((facts.budget_left.get(rule_id, self.budget), "budget"))
        return bounds
