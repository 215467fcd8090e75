"""What a plan says: terms, and the strict reading of their written form.

The written form holds plain values, money and percentages as texts. Where a plan does not say
something, its key is missing; an empty list or text is a mistake and refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Self

from affiliates.errors import InvalidTermsError
from loyalty.engine import BillLine, Conditions, Goods, Period

_LARGEST = Decimal(10) ** 9
_MOST_RULES = 20
_MOST_STEPS = 10
_SHIPPING = frozenset({"shipping", "delivery", "freight"})


class Kind(StrEnum):
    """How a rate counts."""

    PERCENT = "percent"
    FIXED = "fixed"


class Per(StrEnum):
    """What a fixed amount is paid for."""

    BILL = "bill"
    PIECE = "piece"


class CustomerKind(StrEnum):
    """A customer by the purchases before a bill; unknown when nobody stands on it."""

    NEW = "new"
    LAPSED = "lapsed"
    ACTIVE = "active"
    UNKNOWN = "unknown"


class TierMode(StrEnum):
    """What a reached step changes: later bills, the part above it, or the whole period."""

    NEXT_ORDER = "next_order"
    MARGINAL = "marginal"
    RETROACTIVE = "retroactive"


class Measure(StrEnum):
    """What is counted in a period: net money, or bills."""

    NET = "net"
    ORDERS = "orders"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rate for certain goods, customers or bills; without conditions it fits everything."""

    name: str
    kind: Kind
    rate: Decimal
    per: Per = Per.BILL
    goods: Goods = field(default_factory=Goods)
    conditions: Conditions = field(default_factory=Conditions)
    customers: frozenset[CustomerKind] = frozenset()
    first_order: bool = False
    within_months: int | None = None

    @property
    def pays_the_bill(self) -> bool:
        """Whether it pays one amount for a bill, and not its articles."""
        return self.kind is Kind.FIXED and self.per is Per.BILL

    def covers(self, line: BillLine) -> bool:
        """Whether an article belongs to it; what is not known of an article never fits."""
        goods = self.goods
        return goods.has(line) and not (
            (goods.excluded_categories and not line.category)
            or (goods.excluded_brands and not line.brand)
            or (goods.excluded_products and not line.sku)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TierStep:
    """From this much in the period on, the rate is this."""

    threshold: Decimal
    rate: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiers:
    """Higher rates for those who bring more in a period; steps rise."""

    mode: TierMode
    by: Measure
    period: Period
    steps: tuple[TierStep, ...]

    def step(self, total: Decimal) -> TierStep | None:
        """The highest step that a total reaches."""
        return next((one for one in reversed(self.steps) if one.threshold <= total), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The most that an affiliate earns by the plan in a period."""

    amount: Decimal
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bonus for bringing so much in a period."""

    by: Measure
    threshold: Decimal
    period: Period
    bonus: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """All that a plan version says for an affiliate.

    `rate` is a percentage, or an amount of money for a bill or a piece. `customer_rates` stand in
    its place by customer; zero there means that nothing at all is paid for such customers.
    `goods` are what counts at all; shipping never does.
    """

    kind: Kind
    rate: Decimal
    per: Per = Per.BILL
    goods: Goods = field(default_factory=Goods)
    rules: tuple[Rule, ...] = ()
    customer_rates: Mapping[CustomerKind, Decimal] = field(default_factory=dict)
    lapsed_days: int = 365
    first_order_only: bool = False
    recurring_months: int | None = None
    tiers: Tiers | None = None
    cap: Cap | None = None
    parent_percent: Decimal | None = None
    goals: tuple[Goal, ...] = ()

    @classmethod
    def read(
        cls,
        *,
        kind: str,
        rate: Decimal,
        terms: Mapping[str, Any],
        overrides: Mapping[str, Any] | None = None,
    ) -> Self:
        """The terms of a plan version, changed by what an affiliate was promised instead.

        An own rate also stands in the place of the rates by customer, save those of zero.

        Raises:
            InvalidTermsError: names what is missing or wrong.
        """
        own = dict(overrides or {})
        written = {**terms, **own}
        if "rate" in own:
            rate = _rate(written.pop("rate"), "rate")
            if "customer_rates" in terms and "customer_rates" not in own:
                rates = terms["customer_rates"].items()
                written["customer_rates"] = {kind: one for kind, one in rates if not Decimal(one)}
        # An own term of nothing takes the plan's away.
        written = {key: value for key, value in written.items() if value not in (None, {})}
        if unknown := sorted(written.keys() - _TERMS.keys() - _GOODS.keys()):
            raise _wrong(f"“{unknown[0]}” is not known.", "")
        values = {key: read(written[key], key) for key, read in _TERMS.items() if key in written}
        goods = {key: read(written[key], key) for key, read in _GOODS.items() if key in written}
        read_terms = cls(
            kind=_choice(Kind, "how it pays")(kind, "kind"),
            rate=rate,
            goods=Goods(**goods),
            **values,
        )
        _check(read_terms)
        return read_terms

    @property
    def knows_customers(self) -> bool:
        """Whether it matters what the customer bought before."""
        return bool(self.customer_rates) or any(rule.customers for rule in self.rules)

    @property
    def knows_first_orders(self) -> bool:
        """Whether it matters which orders the affiliate brought before."""
        return (
            self.first_order_only
            or self.recurring_months is not None
            or any(rule.first_order or rule.within_months for rule in self.rules)
        )

    @property
    def periods(self) -> set[Period]:
        """The periods in which it counts."""
        parts = (self.tiers, self.cap, *self.goals)
        return {part.period for part in parts if part is not None}

    def counts(self, line: BillLine) -> bool:
        """Whether an article counts at all."""
        is_shipping = line.category.partition("/")[0].strip().casefold() in _SHIPPING
        return not is_shipping and self.goods.has(line)


def _check(terms: Terms) -> None:
    _check_rate(terms.kind, terms.rate, "rate")
    if terms.rate <= 0:
        raise _wrong("The rate must be above zero.", "rate")
    if terms.per is Per.PIECE and terms.kind is not Kind.FIXED:
        raise _wrong("Only a fixed amount can be paid for each piece.", "per")
    for rate in terms.customer_rates.values():
        _check_rate(terms.kind, rate, "customer_rates")
    if terms.tiers is not None:
        for step in terms.tiers.steps:
            _check_rate(terms.kind, step.rate, "tiers")
        money = terms.kind is Kind.PERCENT and terms.tiers.by is Measure.NET
        if terms.tiers.mode is TierMode.MARGINAL and not money:
            raise _wrong(
                "Steps for the part above them need a percentage and go by net amount.", "tiers"
            )
    if terms.first_order_only and terms.recurring_months is not None:
        raise _wrong(
            "Choose: only the first order, or the orders of some months.", "recurring_months"
        )


def _check_rate(kind: Kind, rate: Decimal, key: str) -> None:
    if kind is Kind.PERCENT and rate > 100:
        raise _wrong("A percentage cannot be above 100.", key)


# --- reading ------------------------------------------------------------------------------------

Reader = Callable[[Any, str], Any]


def _wrong(problem: str, key: str) -> InvalidTermsError:
    return InvalidTermsError(problem=problem, field=key)


def _decimal(least: str, most: Decimal = _LARGEST) -> Reader:
    def read(value: Any, key: str) -> Decimal:
        try:
            number = Decimal(value) if isinstance(value, str) else None
        except InvalidOperation:
            number = None
        if number is None or not number.is_finite() or not Decimal(least) <= number <= most:
            words = key.replace("_", " ")
            raise _wrong(f'Write the {words} as a text like "5", from {least} to {most:f}.', key)
        if number != number.quantize(Decimal("0.0001")):
            raise _wrong("At most four digits after the point.", key)
        return number

    return read


def _whole(least: int, most: int) -> Reader:
    def read(value: Any, key: str) -> int:
        if type(value) is not int or not least <= value <= most:
            words = key.replace("_", " ")
            raise _wrong(f"Give the {words} as a whole number from {least} to {most}.", key)
        return value

    return read


def _choice(kind: type[StrEnum], what: str) -> Reader:
    def read(value: Any, key: str) -> Any:
        try:
            return kind(value)
        except ValueError as error:
            raise _wrong(f"Choose {what}: {', '.join(kind)}.", key) from error

    return read


def _flag(value: Any, key: str) -> bool:
    if type(value) is not bool:
        raise _wrong("Answer with yes or no.", key)
    return value


def _name(value: Any, key: str) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= 80:
        raise _wrong("Give it a name of up to 80 signs.", key)
    return value.strip()


def _texts(value: Any, key: str) -> frozenset[str]:
    texts = value if isinstance(value, list) else []
    names = frozenset(text.strip() for text in texts if isinstance(text, str))
    if not names or len(names) != len(texts) or "" in names or len(names) > 500:
        raise _wrong("Give a list of different names, at least one.", key)
    return names


def _weekdays(value: Any, key: str) -> frozenset[int]:
    days = value if isinstance(value, list) else []
    if not days or any(type(day) is not int or not 1 <= day <= 7 for day in days):
        raise _wrong("Days of the week are 1 (Monday) to 7 (Sunday).", key)
    return frozenset(days)


def _day(value: Any, key: str) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise _wrong('Write the day like "2026-12-31".', key) from error


def _customers(value: Any, key: str) -> frozenset[CustomerKind]:
    return frozenset(_choice(CustomerKind, "customers")(one, key) for one in _texts(value, key))


def _customer_rates(value: Any, key: str) -> dict[CustomerKind, Decimal]:
    if not isinstance(value, Mapping) or not value:
        raise _wrong("Give a rate for new, lapsed, active or unknown customers.", key)
    return {
        _choice(CustomerKind, "customers")(kind, key): _rate(rate, key)
        for kind, rate in value.items()
    }


def _record(readers: Mapping[str, Reader], needed: frozenset[str], what: str) -> Reader:
    """An object with these keys; answers their values."""

    def read(value: Any, key: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _wrong(f"Write the {what} as an object.", key)
        unknown, missing = set(value) - readers.keys(), needed - set(value)
        if unknown:
            raise _wrong(f"“{min(unknown)}” is not known in the {what}.", key)
        if missing:
            raise _wrong(f"The {what} need “{min(missing)}”.", key)
        return {name: readers[name](given, name) for name, given in value.items()}

    return read


def _list_of(read_one: Reader, most: int, what: str) -> Reader:
    def read(value: Any, key: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or not 0 < len(value) <= most:
            raise _wrong(f"Give 1 to {most} {what}.", key)
        return tuple(read_one(one, key) for one in value)

    return read


_amount = _decimal("0.01")
_rate = _decimal("0")
_period = _choice(Period, "a period")
_GOODS: dict[str, Reader] = {
    "products": _texts,
    "categories": _texts,
    "brands": _texts,
    "excluded_products": _texts,
    "excluded_categories": _texts,
    "excluded_brands": _texts,
}
_CONDITIONS: Mapping[str, Reader] = {
    "starts_on": _day,
    "ends_on": _day,
    "weekdays": _weekdays,
    "stores": _texts,
    "minimum_bill": _amount,
}
_RULE: Mapping[str, Reader] = {
    "name": _name,
    "kind": _choice(Kind, "how it pays"),
    "rate": _rate,
    "per": _choice(Per, "what it is paid for"),
    "customers": _customers,
    "first_order": _flag,
    "within_months": _whole(1, 120),
}
_read_rule = _record(
    {**_RULE, **_GOODS, **_CONDITIONS}, frozenset({"name", "kind", "rate"}), "rules"
)
_read_step = _record({"from": _amount, "rate": _rate}, frozenset({"from", "rate"}), "steps")


def _rule(value: Any, key: str) -> Rule:
    values = _read_rule(value, key)
    _check_rate(values["kind"], values["rate"], key)
    if values.get("per") is Per.PIECE and values["kind"] is not Kind.FIXED:
        raise _wrong("Only a fixed amount can be paid for each piece.", key)
    goods = {name: values.pop(name) for name in _GOODS if name in values}
    conditions = {name: values.pop(name) for name in _CONDITIONS if name in values}
    return Rule(goods=Goods(**goods), conditions=Conditions(**conditions), **values)


def _step(value: Any, key: str) -> TierStep:
    values = _read_step(value, key)
    return TierStep(threshold=values["from"], rate=values["rate"])


def _tiers(value: Any, key: str) -> Tiers:
    tiers = Tiers(**_read_tiers(value, key))
    marks = [step.threshold for step in tiers.steps]
    if marks != sorted(set(marks)):
        raise _wrong("Each step begins higher than the one before.", key)
    return tiers


def _cap(value: Any, key: str) -> Cap:
    return Cap(**_read_cap(value, key))


def _goal(value: Any, key: str) -> Goal:
    return Goal(**_read_goal(value, key))


_read_tiers = _record(
    {
        "mode": _choice(TierMode, "what a step changes"),
        "by": _choice(Measure, "what counts"),
        "period": _period,
        "steps": _list_of(_step, _MOST_STEPS, "steps"),
    },
    frozenset({"mode", "by", "period", "steps"}),
    "tiers",
)
_read_cap = _record(
    {"amount": _amount, "period": _period}, frozenset({"amount", "period"}), "limits"
)
_read_goal = _record(
    {
        "by": _choice(Measure, "what counts"),
        "threshold": _amount,
        "period": _period,
        "bonus": _amount,
    },
    frozenset({"by", "threshold", "period", "bonus"}),
    "goals",
)
_TERMS: dict[str, Reader] = {
    "per": _choice(Per, "what it is paid for"),
    "rules": _list_of(_rule, _MOST_RULES, "rules"),
    "customer_rates": _customer_rates,
    "lapsed_days": _whole(1, 3650),
    "first_order_only": _flag,
    "recurring_months": _whole(1, 120),
    "tiers": _tiers,
    "cap": _cap,
    "parent_percent": _decimal("0.01", Decimal(100)),
    "goals": _list_of(_goal, 5, "goals"),
}
