"""The written form of rules: flat, plain values, money and dates as texts."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from loyalty.engine.conditions import Conditions, Limits
from loyalty.engine.expiry import ExpiryPolicy
from loyalty.engine.facts import Period
from loyalty.engine.goods import Goods
from loyalty.engine.terms import Basis, Kind, Rounding
from loyalty.errors import InvalidExpiryError, InvalidRuleError

EVENTS = ("sign_up", "birthday", "anniversary", "referral", "review")
"""Events with a name of their own; a shop may name others."""

MOST_POINTS = 1_000_000
_LARGEST_AMOUNT = Decimal(10) ** 9
_LARGEST_BUDGET = 10**12
_MOST_NAMES = 500
_EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

Reader = Callable[[Any, str], Any]


def _wrong(problem: str, field: str) -> InvalidRuleError:
    return InvalidRuleError(problem=problem, field=field)


def _whole(least: int, most: int, what: str) -> Reader:
    def read(value: Any, key: str) -> int:
        if type(value) is not int or not least <= value <= most:
            raise _wrong(f"give {what} as a whole number from {least:,} to {most:,}.", key)
        return value

    return read


def _decimal(least: Decimal, most: Decimal, example: str) -> Reader:
    def read(value: Any, key: str) -> Decimal:
        try:
            number = Decimal(value) if isinstance(value, str) else None
        except InvalidOperation:
            number = None
        if number is None or not number.is_finite() or not least <= number <= most:
            raise _wrong(
                f'write the {key.replace("_", " ")} as a text like "{example}",'
                f" from {least} to {most:f}.",
                key,
            )
        return number

    return read


def _choice(kind: type[StrEnum], what: str) -> Reader:
    def read(value: Any, key: str) -> StrEnum:
        try:
            return kind(value)
        except ValueError as error:
            raise _wrong(f"choose {what}.", key) from error

    return read


def _texts(value: Any, key: str) -> frozenset[str]:
    texts = value if isinstance(value, list | tuple) else [None]
    names = frozenset(text.strip() for text in texts if isinstance(text, str))
    if len(names) != len(texts) or "" in names or len(names) > _MOST_NAMES:
        raise _wrong("give a list of different names.", key)
    return names


def _codes(value: Any, key: str) -> frozenset[str]:
    return frozenset(code.upper() for code in _texts(value, key))


def _ids(value: Any, key: str) -> frozenset[int]:
    numbers = value if isinstance(value, list | tuple) else [None]
    chosen = frozenset(number for number in numbers if type(number) is int and number > 0)
    if len(chosen) != len(numbers) or len(chosen) > _MOST_NAMES:
        raise _wrong("give a list of different choices.", key)
    return chosen


def _weekdays(value: Any, key: str) -> frozenset[int]:
    days = _ids(value, key)
    if any(day > 7 for day in days):
        raise _wrong("days of the week are 1 (Monday) to 7 (Sunday).", key)
    return days


def _day(value: Any, key: str) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise _wrong('write the day like "2026-12-31".', key) from error


def _hours(value: Any, key: str) -> tuple[time, time]:
    try:
        start, end = (time.fromisoformat(text) for text in value)
    except (TypeError, ValueError) as error:
        raise _wrong('write the hours like ["18:00", "21:00"].', key) from error
    if start == end or start.tzinfo or end.tzinfo:
        raise _wrong("the hours must begin and end at different times.", key)
    return start, end


def _flag(value: Any, key: str) -> bool:
    if type(value) is not bool:
        raise _wrong("answer with yes or no.", key)
    return value


def _event(value: Any, key: str) -> str:
    if not isinstance(value, str) or not _EVENT_NAME.fullmatch(value):
        raise _wrong("name the event in small letters, like “review” or “app_installed”.", key)
    return value


def _expiry(value: Any, key: str) -> Mapping[str, Any]:
    try:
        return ExpiryPolicy.from_definition(value).to_definition()
    except InvalidExpiryError as error:
        raise _wrong(error.context["problem"], key) from error


_money = _decimal(Decimal("0.01"), _LARGEST_AMOUNT, "100.00")
_points = _whole(1, MOST_POINTS, "the points")

_GOODS: Mapping[str, Reader] = {item.name: _texts for item in fields(Goods)}
_CONDITIONS: Mapping[str, Reader] = {
    "stores": _texts,
    "channels": _texts,
    "tenders": _texts,
    "codes": _codes,
    "segments": _ids,
    "tiers": _ids,
    "starts_on": _day,
    "ends_on": _day,
    "weekdays": _weekdays,
    "hours": _hours,
    "minimum_bill": _money,
    "minimum_amount": _money,
    "minimum_quantity": _decimal(Decimal("0.001"), _LARGEST_AMOUNT, "3"),
}
# Keys of the written form, by the name of the limit.
_LIMITS: Mapping[str, tuple[str, Reader]] = {
    "max_per_bill": ("per_bill", _points),
    "limit_points": ("points", _whole(1, 10**9, "the limit")),
    "limit_times": ("times", _whole(1, 1000, "the number of times")),
    "limit_period": ("period", _choice(Period, "a period for the limit")),
    "budget": ("budget", _whole(1, _LARGEST_BUDGET, "the budget")),
}
_OWN: Mapping[str, Reader] = {
    "points": _points,
    "amount": _money,
    "rounding": _choice(Rounding, "a rounding"),
    "basis": _choice(Basis, "what counts"),
    "unit": _decimal(Decimal("0.001"), _LARGEST_AMOUNT, "1"),
    "factor": _decimal(Decimal("1.01"), Decimal(100), "2"),
    "nth": _whole(1, 100, "which purchase it is"),
    "streak": _whole(2, 52, "the length of the streak"),
    "streak_period": _choice(Period, "a period for the streak"),
    "event": _event,
    "excluded_tenders": _texts,
    "priority": _whole(-1000, 1000, "the priority"),
    "stackable": _flag,
    "qualifies": _flag,
    "expiry": _expiry,
    "pending_days": _whole(0, 3650, "the days to wait"),
    "awaits": _event,
    "cancel_days": _whole(1, 3650, "the days to wait at most"),
}
_BY_KIND: Mapping[Kind, frozenset[str]] = {
    Kind.PER_AMOUNT: frozenset({"points", "amount"}),
    Kind.PER_BILL: frozenset({"points"}),
    Kind.PER_PRODUCT: frozenset({"points"}),
    Kind.PER_VISIT: frozenset({"points"}),
    Kind.FIRST_PURCHASE: frozenset({"points"}),
    Kind.STREAK: frozenset({"points", "streak"}),
    Kind.MULTIPLIER: frozenset({"factor"}),
    Kind.EVENT: frozenset({"points", "event"}),
}
_OPTIONAL: Mapping[Kind, frozenset[str]] = {
    Kind.PER_AMOUNT: frozenset({"rounding", "basis", "excluded_tenders"}),
    Kind.PER_PRODUCT: frozenset({"unit"}),
    Kind.FIRST_PURCHASE: frozenset({"nth"}),
    Kind.STREAK: frozenset({"streak_period"}),
    Kind.MULTIPLIER: frozenset({"rounding"}),
}
_ALL_KINDS = frozenset(
    {"priority", "stackable", "qualifies", "expiry", "pending_days", "awaits", "cancel_days"}
)
_OF_EVENTS = frozenset({"segments", "tiers", "starts_on", "ends_on", "weekdays"})
_ALWAYS_WRITTEN = ("stores", "categories", "excluded_categories")


def fields_of(kind: Kind) -> frozenset[str]:
    """The keys of the written form that mean something for a kind."""
    own = _BY_KIND[kind] | _OPTIONAL.get(kind, frozenset()) | _ALL_KINDS | _LIMITS.keys()
    if kind is Kind.EVENT:
        return own - {"max_per_bill", "stackable", "priority"} | _OF_EVENTS
    return own | _GOODS.keys() | _CONDITIONS.keys()


def read_definition(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a rule, from its written form.

    Raises:
        InvalidRuleError: names what is missing or wrong.
    """
    kind: Kind = _choice(Kind, "a kind of rule")(definition.get("kind"), "kind")
    given = {
        key: value
        for key, value in definition.items()
        if key != "kind" and not (key in _ALWAYS_WRITTEN and value == [])
    }
    known = fields_of(kind)
    for key in sorted(given):
        if key not in known:
            if key in {*_OWN, *_GOODS, *_CONDITIONS, *_LIMITS}:
                raise _wrong(f"“{key}” means nothing for this kind of rule.", key)
            raise _wrong(f"“{key}” is not known.", "")
    for key in sorted(_BY_KIND[kind]):
        if key not in given:
            _OWN[key](None, key)
    values: dict[str, Any] = {
        key: read(given[key], key) for key, read in _OWN.items() if key in given
    }
    values["kind"] = kind
    goods = {key: read(given[key], key) for key, read in _GOODS.items() if key in given}
    if goods:
        values["goods"] = Goods(**goods)
    conditions = {key: read(given[key], key) for key, read in _CONDITIONS.items() if key in given}
    if conditions:
        values["conditions"] = Conditions(**conditions)
    limits = {name: read(given[key], key) for key, (name, read) in _LIMITS.items() if key in given}
    values["limits"] = _usual_limits(kind, limits)
    _check(values)
    return values


def _usual_limits(kind: Kind, limits: dict[str, Any]) -> Limits:
    """A visit counts once a day, a first purchase and a rewarded streak once."""
    if kind is Kind.PER_VISIT and "times" not in limits and "points" not in limits:
        return Limits(**{**limits, "times": 1, "period": Period.DAY})
    if kind in (Kind.FIRST_PURCHASE, Kind.STREAK):
        return Limits(**{**limits, "times": 1, "period": Period.EVER})
    return Limits(**limits)


def _check(values: Mapping[str, Any]) -> None:
    conditions: Conditions = values.get("conditions", Conditions())
    if conditions.starts_on and conditions.ends_on and conditions.ends_on < conditions.starts_on:
        raise _wrong("it ends before it begins.", "ends_on")
    limits: Limits = values["limits"]
    if limits.period is not Period.EVER and not limits.per_customer:
        raise _wrong("say how much a customer gets in the period.", "limit_points")
    if values.get("awaits") and values.get("pending_days"):
        raise _wrong("its points wait for days or for an event, not for both.", "awaits")
    if values.get("cancel_days") and not values.get("awaits"):
        raise _wrong("say which event the points wait for.", "awaits")
    if values["kind"] is Kind.STREAK and values.get("streak_period") in (Period.YEAR, Period.EVER):
        raise _wrong("a streak goes by days, weeks or months.", "streak_period")


def write_definition(rule: Any, *, usual: Any) -> dict[str, Any]:
    """The written form: what the kind needs, and what differs from the usual rule."""
    known = fields_of(rule.kind)
    written: dict[str, Any] = {"kind": rule.kind.value}
    needed = _BY_KIND[rule.kind] | (_OPTIONAL.get(rule.kind, frozenset()) & {"rounding"})
    for key in _OWN:
        value = getattr(rule, key)
        if key in needed or (key in known and value != getattr(usual, key)):
            written[key] = _plain(value)
    for part, keys in ((rule.conditions, _CONDITIONS), (rule.goods, _GOODS)):
        for key in keys:
            value = getattr(part, key)
            is_old = rule.kind is Kind.PER_AMOUNT and key in _ALWAYS_WRITTEN
            if is_old or (value is not None and value != frozenset()):
                written[key] = _plain(value)
    implied = _usual_limits(rule.kind, {})
    if rule.limits != implied:
        for key, (name, _) in _LIMITS.items():
            value = getattr(rule.limits, name)
            if value is not None and value != getattr(implied, name):
                written[key] = _plain(value)
    return written


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [part.strftime("%H:%M") for part in value]
    if isinstance(value, Decimal | date):
        return str(value)
    return value
