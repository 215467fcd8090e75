"""Conditions over customers: a tree of all, any and not over typed tests.

The written form is JSON::

    {"all": [
        {"field": "spend", "operator": "at_least", "value": "500.00", "days": 90},
        {"any": [{"field": "city", "operator": "any_of", "value": ["Pune"]},
                 {"not": {"field": "bills", "operator": "is", "value": 1}}]}
    ]}
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from customers.errors import InvalidSegmentError

Value = int | Decimal | date | str | bool
_MOST_TESTS = 40
_DEEPEST = 6
_MOST_VALUES = 100
_MOST_DAYS = 3660
_LARGEST = 10**12
_LONGEST_TEXT = 120


class Kind(StrEnum):
    """What a field's values are."""

    WHOLE = "whole number"
    AMOUNT = "amount"
    DAY = "day"
    TEXT = "text"
    CHOICE = "choice"
    FLAG = "yes or no"


class Operator(StrEnum):
    """How a field is compared."""

    IS = "is"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    BETWEEN = "between"
    ANY_OF = "any_of"
    NONE_OF = "none_of"
    SINCE = "since"
    UNTIL = "until"
    YES = "yes"
    NO = "no"


WORDS: Mapping[Operator, str] = {
    Operator.IS: "is",
    Operator.AT_LEAST: "is at least",
    Operator.AT_MOST: "is at most",
    Operator.BETWEEN: "is between",
    Operator.ANY_OF: "is one of",
    Operator.NONE_OF: "is none of",
    Operator.SINCE: "is on or after",
    Operator.UNTIL: "is on or before",
    Operator.YES: "is true",
    Operator.NO: "is not true",
}
_NUMBERS = (Operator.AT_LEAST, Operator.AT_MOST, Operator.BETWEEN, Operator.IS)
_OPERATORS: Mapping[Kind, tuple[Operator, ...]] = {
    Kind.WHOLE: _NUMBERS,
    Kind.AMOUNT: (Operator.AT_LEAST, Operator.AT_MOST, Operator.BETWEEN),
    Kind.DAY: (Operator.SINCE, Operator.UNTIL, Operator.BETWEEN),
    Kind.TEXT: (Operator.ANY_OF, Operator.NONE_OF),
    Kind.CHOICE: (Operator.ANY_OF, Operator.NONE_OF),
    Kind.FLAG: (Operator.YES, Operator.NO),
}
_LISTS = (Operator.ANY_OF, Operator.NONE_OF)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """Something that can be asked of a customer.

    `takes_days`: the question may be narrowed to the last so many days. `choices` lists the
    values of a choice with their words; `takes_key` names a second part, like an attribute, that
    the test has to give as `key`.
    """

    key: str
    label: str
    kind: Kind
    group: str = "Customer"
    takes_days: bool = False
    days_words: str = "in the last {days} days"
    takes_key: str = ""
    choices: Callable[[], Sequence[tuple[str, str]]] | None = None
    help_text: str = ""


def operators_of(spec: FieldSpec) -> tuple[Operator, ...]:
    """How a field may be compared."""
    return _OPERATORS[spec.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One question with its typed values."""

    field: str
    operator: Operator
    values: tuple[Value, ...] = ()
    days: int | None = None
    key: str = ""

    def matches(self, figure: Any) -> bool:
        """Whether a figure meets the test; None, for what is not there, never does."""
        if figure is None:
            return False
        match self.operator:
            case Operator.AT_LEAST | Operator.SINCE:
                return bool(figure >= self.values[0])
            case Operator.AT_MOST | Operator.UNTIL:
                return bool(figure <= self.values[0])
            case Operator.BETWEEN:
                return bool(self.values[0] <= figure <= self.values[1])
            case Operator.NONE_OF:
                return figure not in self.values
            case Operator.YES:
                return bool(figure)
            case Operator.NO:
                return not figure
            case _:
                return figure in self.values


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Condition"


Condition = AllOf | AnyOf | Not | Test
Fields = Mapping[str, FieldSpec]


# --- reading ------------------------------------------------------------------------------------


def parse(definition: Any, fields: Fields) -> Condition:
    """The condition of a written form.

    Raises:
        InvalidSegmentError: it cannot be understood; `field` is the place in the tree.
    """
    condition = _read(definition, fields, place="definition", depth=1)
    if (count := sum(1 for _ in tests_in(condition))) > _MOST_TESTS:
        raise _fault("definition", f"{count} tests are too many; the most are {_MOST_TESTS}.")
    return condition


def _read(written: Any, fields: Fields, *, place: str, depth: int) -> Condition:
    if not isinstance(written, Mapping):
        raise _fault(place, "A condition is an object with all, any, not or field.")
    if depth > _DEEPEST:
        raise _fault(place, f"Conditions can be {_DEEPEST} levels deep, not more.")
    for word, kind in (("all", AllOf), ("any", AnyOf)):
        if word in written:
            _only_keys(written, {word}, place)
            parts = written[word]
            if not isinstance(parts, list) or not 1 <= len(parts) <= _MOST_TESTS:
                raise _fault(place, f"“{word}” takes a list of at least one condition.")
            return kind(
                tuple(
                    _read(part, fields, place=f"{place}.{word}.{number}", depth=depth + 1)
                    for number, part in enumerate(parts)
                )
            )
    if "not" in written:
        _only_keys(written, {"not"}, place)
        return Not(_read(written["not"], fields, place=f"{place}.not", depth=depth + 1))
    return read_test(written, fields, place=place)


def read_test(written: Mapping[str, Any], fields: Fields, *, place: str = "definition") -> Test:
    """One test of a written form.

    Raises:
        InvalidSegmentError: it cannot be understood.
    """
    name = written.get("field")
    spec = fields.get(name) if isinstance(name, str) else None
    if spec is None:
        raise _fault(place, f"There is no field “{str(name)[:40]}”.")
    _only_keys(written, {"field", "operator", "value", "days", "key"}, place)
    try:
        operator = Operator(written.get("operator") or "")
    except ValueError:
        operator = None
    if operator not in operators_of(spec):
        words = ", ".join(operators_of(spec))
        raise _fault(place, f"{spec.label} can be compared by: {words}.")
    return Test(
        field=spec.key,
        operator=operator,
        values=_read_values(written.get("value"), spec, operator, place),
        days=_read_days(written.get("days"), spec, place),
        key=_read_key(written.get("key"), spec, place),
    )


def _only_keys(written: Mapping[str, Any], known: set[str], place: str) -> None:
    if unknown := sorted(str(key)[:40] for key in set(written) - known):
        raise _fault(place, f"“{unknown[0]}” does not belong here.")


def _read_days(days: Any, spec: FieldSpec, place: str) -> int | None:
    if days is None:
        return None
    if not spec.takes_days:
        raise _fault(place, f"{spec.label} is not asked over a number of days.")
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= _MOST_DAYS:
        raise _fault(place, f"Give the days as a whole number from 1 to {_MOST_DAYS}.")
    return days


def _read_key(key: Any, spec: FieldSpec, place: str) -> str:
    if not spec.takes_key:
        if key:
            raise _fault(place, f"{spec.label} takes no key.")
        return ""
    if not isinstance(key, str) or not 1 <= len(key.strip()) <= 60 or "\x00" in key:
        raise _fault(place, f"Say which {spec.takes_key} is meant.")
    return key.strip()


def _read_values(given: Any, spec: FieldSpec, operator: Operator, place: str) -> tuple[Value, ...]:
    if spec.kind == Kind.FLAG:
        if given is not None:
            raise _fault(place, f"{spec.label} takes no value.")
        return ()
    if operator in _LISTS or operator == Operator.BETWEEN:
        if not isinstance(given, list):
            given = [given]
    elif isinstance(given, list):
        raise _fault(place, f"{spec.label} takes one value here.")
    else:
        given = [given]
    if operator == Operator.BETWEEN and len(given) != 2:
        raise _fault(place, "“is between” takes two values, the lower one first.")
    if not 1 <= len(given) <= _MOST_VALUES:
        raise _fault(place, f"Give from 1 to {_MOST_VALUES} values.")
    values = tuple(_read_value(value, spec, place) for value in given)
    if operator == Operator.BETWEEN and values[0] > values[1]:  # type: ignore[operator]
        raise _fault(place, "“is between” takes two values, the lower one first.")
    return values


def _read_value(given: Any, spec: FieldSpec, place: str) -> Value:
    match spec.kind:
        case Kind.WHOLE:
            if isinstance(given, int) and not isinstance(given, bool) and abs(given) < _LARGEST:
                return given
            raise _fault(place, f"{spec.label} takes a whole number.")
        case Kind.AMOUNT:
            try:
                amount = Decimal(given) if isinstance(given, str) else None
            except InvalidOperation:
                amount = None
            if amount is None or not amount.is_finite() or abs(amount) >= _LARGEST:
                raise _fault(place, f'{spec.label} takes an amount as a text, like "500.00".')
            return amount
        case Kind.DAY:
            try:
                return date.fromisoformat(given)
            except (TypeError, ValueError):
                raise _fault(place, f"{spec.label} takes a day, like 2026-03-31.") from None
        case Kind.CHOICE:
            words = dict(spec.choices()) if spec.choices else {}
            if given in words if isinstance(given, str) else False:
                return str(given)
            offered = ", ".join(list(words)[:20]) or "none yet"
            raise _fault(place, f"{spec.label}: “{str(given)[:40]}” is none of: {offered}.")
        case _:
            text = given.strip() if isinstance(given, str) else ""
            if not 1 <= len(text) <= _LONGEST_TEXT or not text.isprintable():
                raise _fault(place, f"{spec.label} takes a text of up to {_LONGEST_TEXT} signs.")
            return text


def _fault(place: str, reason: str) -> InvalidSegmentError:
    return InvalidSegmentError(field=place, reason=reason)


# --- walking, writing and saying ----------------------------------------------------------------


def tests_in(condition: Condition) -> Iterator[Test]:
    """Every test of a condition."""
    match condition:
        case Test():
            yield condition
        case Not(part):
            yield from tests_in(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from tests_in(part)


def write(condition: Condition) -> dict[str, Any]:
    """The written form, in one spelling."""
    match condition:
        case AllOf(parts):
            return {"all": [write(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [write(part) for part in parts]}
        case Not(part):
            return {"not": write(part)}
        case Test():
            written: dict[str, Any] = {
                "field": condition.field,
                "operator": condition.operator.value,
            }
            values = [_written(value) for value in condition.values]
            if values:
                is_list = condition.operator in (*_LISTS, Operator.BETWEEN)
                written["value"] = values if is_list else values[0]
            if condition.days is not None:
                written["days"] = condition.days
            if condition.key:
                written["key"] = condition.key
            return written


def _written(value: Value) -> int | str | bool:
    return value if isinstance(value, int | str | bool) else str(value)


def describe(condition: Condition, fields: Fields) -> str:
    """The condition as people say it."""
    match condition:
        case AllOf(parts):
            return " and ".join(_in_brackets(part, fields) for part in parts)
        case AnyOf(parts):
            return " or ".join(_in_brackets(part, fields) for part in parts)
        case Not(part):
            return f"not ({describe(part, fields)})"
        case Test():
            return _describe_test(condition, fields)


def _in_brackets(condition: Condition, fields: Fields) -> str:
    said = describe(condition, fields)
    is_list = isinstance(condition, AllOf | AnyOf) and len(condition.parts) > 1
    return f"({said})" if is_list else said


def _describe_test(test: Test, fields: Fields) -> str:
    spec = fields.get(test.field)
    if spec is None:
        return f"{test.field} (no longer known)"
    label = f"{spec.label} “{test.key}”" if test.key else spec.label
    span = f" {spec.days_words.format(days=test.days)}" if test.days else ""
    if spec.kind == Kind.FLAG:
        return f"{label}: {'yes' if test.operator == Operator.YES else 'no'}"
    words = dict(spec.choices()) if spec.choices else {}
    values = [words.get(str(value), str(value)) for value in test.values]
    joined = " and ".join(values) if test.operator == Operator.BETWEEN else ", ".join(values)
    verb = WORDS[test.operator]
    if len(values) == 1 and test.operator in _LISTS:
        verb = "is" if test.operator == Operator.ANY_OF else "is not"
    return f"{label}{span} {verb} {joined}"
