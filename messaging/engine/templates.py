"""Message templates: which blanks they have, and filling them in.

`components` is the list that the Cloud API returns for a template. A blank is named by its key:
`first_name` or `1` in the body, `header:1` in the header, `button:0` in the link of a button.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_LONGEST_VALUE = 200
_JOINERS = "\u200c\u200d"  # Hindi spelling needs them

Component = Mapping[str, Any]


class BlankNotFilledError(Exception):
    """A value for one of the template's blanks is missing; the argument is its key."""


@dataclass(frozen=True, slots=True)
class Blank:
    """A place of a template that each message fills."""

    place: str
    name: str
    index: int = 0

    @property
    def key(self) -> str:
        """How a binding names this blank."""
        if self.place == "button":
            return f"button:{self.index}"
        return self.name if self.place == "body" else f"{self.place}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """A message as the customer sees it."""

    header: str
    body: str
    footer: str
    buttons: tuple[str, ...]

    @property
    def text(self) -> str:
        """Header, body and footer, one below the other."""
        return "\n\n".join(part for part in (self.header, self.body, self.footer) if part)


def blanks(components: Sequence[Component]) -> list[Blank]:
    """Every blank, in the order in which the Cloud API wants their values."""
    found = [
        Blank(place, name)
        for place in ("header", "body")
        for name in dict.fromkeys(_VARIABLE.findall(_text(components, place)))
    ]
    return found + [
        Blank("button", "1", index)
        for index, button in enumerate(_buttons(components))
        if _VARIABLE.search(str(button.get("url", "")))
    ]


def fill(
    components: Sequence[Component], *, named: bool, values: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The `components` of a send request.

    Raises:
        BlankNotFilledError: a value is missing or empty.
    """
    request: list[dict[str, Any]] = []
    for blank in blanks(components):
        if not (value := values.get(blank.key, "")):
            raise BlankNotFilledError(blank.key)
        parameter = {"type": "text", "text": value}
        if blank.place == "button":
            request.append(
                {
                    "type": "button",
                    "sub_type": "url",
                    "index": str(blank.index),
                    "parameters": [parameter],
                }
            )
            continue
        if named:
            parameter["parameter_name"] = blank.name
        if not request or request[-1]["type"] != blank.place:
            request.append({"type": blank.place, "parameters": []})
        request[-1]["parameters"].append(parameter)
    return request


def render(components: Sequence[Component], values: Mapping[str, str]) -> Bubble:
    """The message with its blanks filled; a blank without a value stays visible."""

    def filled(place: str) -> str:
        def value(found: re.Match[str]) -> str:
            return values.get(Blank(place, found[1]).key) or found[0]

        return _VARIABLE.sub(value, _text(components, place))

    return Bubble(
        header=filled("header"),
        body=filled("body"),
        footer=_text(components, "footer"),
        buttons=tuple(str(button.get("text", "")) for button in _buttons(components)),
    )


def examples(components: Sequence[Component]) -> dict[str, str]:
    """The example values that came with the template, by key."""
    values: dict[str, str] = {}
    for place in ("header", "body"):
        example = _component(components, place).get("example") or {}
        for each in example.get(f"{place}_text_named_params") or []:
            values[Blank(place, str(each.get("param_name"))).key] = str(each.get("example"))
        positional = example.get(f"{place}_text") or []
        first = positional[0] if positional and isinstance(positional[0], list) else positional
        for number, text in enumerate(first, start=1):
            values[Blank(place, str(number)).key] = str(text)
    return values


def clean_value(text: str) -> str:
    """A text as a blank takes it: one line, no control signs, bounded length."""
    visible = "".join(sign if sign.isprintable() or sign in _JOINERS else " " for sign in text)
    return " ".join(visible.split())[:_LONGEST_VALUE]


def _component(components: Sequence[Component], place: str) -> Component:
    wanted = place.upper()
    return next((each for each in components if each.get("type") == wanted), {})


def _text(components: Sequence[Component], place: str) -> str:
    return str(_component(components, place).get("text", ""))


def _buttons(components: Sequence[Component]) -> list[Component]:
    return list(_component(components, "buttons").get("buttons") or [])
