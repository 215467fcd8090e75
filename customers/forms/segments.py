"""The segment editor: parts that all have to hold, in each of them tests of which one is enough.

It works without scripts: each part shows spare rows, and the page comes back with more.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from customers.engine import (
    WORDS,
    AllOf,
    AnyOf,
    Condition,
    FieldSpec,
    Kind,
    Not,
    Operator,
    Test,
    parse,
    read_test,
    write,
)
from customers.errors import InvalidSegmentError
from customers.models import Segment
from customers.selectors import segment_fields

_MOST_PARTS = 8
_MOST_ROWS = 10
_SPARE = 1
_OFFERED = 12
_LISTS = {Operator.ANY_OF, Operator.NONE_OF, Operator.BETWEEN}


class RowForm(forms.Form):
    """One test, as people write it: values are parted by commas."""

    negate = forms.BooleanField(label="Not", required=False, widget=UnfoldBooleanWidget)
    field = forms.ChoiceField(label="What", required=False, widget=UnfoldAdminSelectWidget)
    key = forms.CharField(
        label="Which", max_length=60, required=False, widget=UnfoldAdminTextInputWidget
    )
    operator = forms.ChoiceField(
        label="How",
        required=False,
        choices=[(operator.value, words) for operator, words in WORDS.items()],
        widget=UnfoldAdminSelectWidget,
    )
    value = forms.CharField(
        label="Value", max_length=2000, required=False, widget=UnfoldAdminTextInputWidget
    )
    days = forms.IntegerField(
        label="in the last … days",
        required=False,
        min_value=1,
        max_value=3660,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for field in segment_fields().values():
            groups[field.group].append((field.key, field.label))
        what = self.fields["field"]
        if isinstance(what, forms.ChoiceField):
            what.choices = [("", "choose…"), *sorted(groups.items())]
        for field_ in self.fields.values():
            field_.widget.attrs["aria-label"] = str(field_.label)
        self.test: dict[str, Any] | None = None

    @property
    def spec(self) -> FieldSpec | None:
        """The chosen field."""
        return segment_fields().get(str(self["field"].value() or ""))

    @property
    def hint(self) -> str:
        """What may be written as a value of the chosen field."""
        spec = self.spec
        if spec is None:
            return ""
        if spec.choices:
            labels = [label for _, label in spec.choices()]
            rest = " …" if len(labels) > _OFFERED else ""
            return f"Among: {', '.join(labels[:_OFFERED])}{rest}"
        examples = {
            Kind.WHOLE: "A whole number; two with a comma for “is between”.",
            Kind.AMOUNT: "An amount like 500.00; two with a comma for “is between”.",
            Kind.DAY: "A day like 2026-03-31; two with a comma for “is between”.",
            Kind.TEXT: "One or several, parted by commas.",
            Kind.FLAG: "Nothing: choose “is true” or “is not true”.",
        }
        return f"{examples[spec.kind]} {spec.help_text}".strip()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = self.cleaned_data
        spec = self.spec
        if spec is None or self.errors:
            if not self.errors and (cleaned.get("value") or cleaned.get("days")):
                self.add_error("field", "Choose what is asked.")
            return cleaned
        written: dict[str, Any] = {"field": spec.key, "operator": cleaned["operator"]}
        if cleaned["key"]:
            written["key"] = cleaned["key"]
        if cleaned["days"]:
            written["days"] = cleaned["days"]
        if spec.kind != Kind.FLAG or cleaned["value"]:
            written["value"] = _typed(cleaned["value"], spec, cleaned["operator"])
        try:
            test = read_test(written, segment_fields())
        except InvalidSegmentError as error:
            self.add_error("value", str(error))
        else:
            self.test = {"not": write(test)} if cleaned["negate"] else write(test)
        return cleaned


class SegmentForm(forms.Form):
    """A segment's name and its parts; or the condition as text where it is too deep for rows."""

    name = forms.CharField(max_length=80, widget=UnfoldAdminTextInputWidget)
    description = forms.CharField(
        max_length=200,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="What it is for, in a few words.",
    )
    written = forms.CharField(
        label="Condition",
        required=False,
        max_length=50_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 16, "spellcheck": "false"}),
        help_text="This condition is nested too deeply for rows, so it is edited as text.",
    )

    def __init__(self, data: Mapping[str, Any] | None, *, segment: Segment | None) -> None:
        definition = segment.definition if segment else None
        parts = _parts_of(definition)
        super().__init__(
            data,
            initial={
                "name": segment.name if segment else "",
                "description": segment.description if segment else "",
                "written": json.dumps(definition, indent=2, ensure_ascii=False),
            },
        )
        self.is_text = parts is None
        if not self.is_text:
            del self.fields["written"]
        self.parts: list[list[RowForm]] = [] if parts is None else _row_forms(data, parts)
        self.definition: dict[str, Any] | None = None

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = self.cleaned_data
        if self.is_text:
            try:
                given = json.loads(cleaned.get("written", ""))
                self.definition = write(parse(given, segment_fields()))
            except (ValueError, RecursionError):
                self.add_error("written", "This is not JSON.")
            except InvalidSegmentError as error:
                self.add_error("written", f"{error.field}: {error}")
            return cleaned
        rows = [row for part in self.parts for row in part]
        faulty = [row for row in rows if not row.is_valid()]
        if faulty:
            self.add_error(None, "Please look at the marked rows.")
            return cleaned
        parts = [[row.test for row in part if row.test] for part in self.parts]
        tests = [{"any": part} if len(part) > 1 else part[0] for part in parts if part]
        if not tests:
            self.add_error(None, "Choose at least one thing that is asked of customers.")
        else:
            self.definition = {"all": tests}
        return cleaned


def _row_forms(
    data: Mapping[str, Any] | None, parts: Sequence[Sequence[dict[str, Any]]]
) -> list[list[RowForm]]:
    """Forms for the rows that there are, with spare ones in each part and a spare part."""
    if data is None:
        counts = [len(part) for part in parts]
    else:
        counts = [_filled_rows(data, part) for part in range(_MOST_PARTS)]
        while counts and not counts[-1]:
            counts.pop()
    counts = [min(count + _SPARE, _MOST_ROWS) for count in counts]
    if len(counts) < _MOST_PARTS:
        counts.append(_SPARE)
    return [
        [
            RowForm(
                data,
                prefix=f"p{part}r{row}",
                initial=parts[part][row] if part < len(parts) and row < len(parts[part]) else None,
                use_required_attribute=False,
            )
            for row in range(count)
        ]
        for part, count in enumerate(counts)
    ]


def _filled_rows(data: Mapping[str, Any], part: int) -> int:
    filled = [
        row
        for row in range(_MOST_ROWS)
        if data.get(f"p{part}r{row}-field") or data.get(f"p{part}r{row}-value")
    ]
    return filled[-1] + 1 if filled else 0


def _parts_of(definition: Any) -> list[list[dict[str, Any]]] | None:
    """A condition as parts of rows; None if it is nested more deeply."""
    if definition is None:
        return []
    try:
        condition = parse(definition, segment_fields())
    except InvalidSegmentError:
        return None
    parts = condition.parts if isinstance(condition, AllOf) else (condition,)
    rows = [
        [_row_of(test) for test in (part.parts if isinstance(part, AnyOf) else (part,))]
        for part in parts
    ]
    if len(rows) > _MOST_PARTS or any(len(part) > _MOST_ROWS for part in rows):
        return None
    known = [[row for row in part if row] for part in rows]
    return known if known == rows else None


def _row_of(condition: Condition) -> dict[str, Any] | None:
    test = condition.part if isinstance(condition, Not) else condition
    if not isinstance(test, Test):
        return None
    spec = segment_fields()[test.field]
    words = dict(spec.choices()) if spec.choices else {}
    return {
        "negate": isinstance(condition, Not),
        "field": test.field,
        "operator": test.operator.value,
        "value": ", ".join(words.get(str(value), str(value)) for value in test.values),
        "days": test.days,
        "key": test.key,
    }


def _typed(text: str, spec: FieldSpec, operator: str) -> Any:
    """What was written, in the types of the written form; what does not fit stays a text."""
    if spec.choices:
        values: list[Any] = _chosen(text, spec.choices())
    else:
        values = [_value(part.strip(), spec) for part in text.split(",") if part.strip()]
    if operator in _LISTS:
        return values
    return values[0] if len(values) == 1 else (values or "")


def _value(text: str, spec: FieldSpec) -> Any:
    if spec.kind == Kind.WHOLE and text.removeprefix("-").isdecimal():
        return int(text)
    if spec.kind == Kind.AMOUNT:
        try:
            return f"{Decimal(text):f}"
        except InvalidOperation:
            return text
    return text


def _chosen(text: str, choices: Sequence[tuple[str, str]]) -> list[str]:
    """Values by their key or their words, which may hold commas."""
    by_words = {label.casefold(): value for value, label in choices}
    by_words |= {value.casefold(): value for value, _ in choices}
    chosen: list[str] = []
    rest = [part.strip() for part in text.split(",") if part.strip()]
    while rest:
        for length in range(len(rest), 0, -1):
            said = ", ".join(rest[:length])
            if said.casefold() in by_words or length == 1:
                chosen.append(by_words.get(said.casefold(), said))
                del rest[:length]
                break
    return chosen
