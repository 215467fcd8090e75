"""The message templates: the catalogue, and filling one in as the Cloud API would."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.whatsapp.errors import (
    bad_parameter_format,
    bad_request,
    bad_value,
    missing,
    parameters_mismatch,
    template_disabled,
    template_paused,
    text_too_long,
    unknown_template,
)
from sandbox.whatsapp.models import Button, Content

SHIPPED = Path(__file__).with_name("templates.json")
BODY_LENGTH = 1024
HEADER_LENGTH = 60
CODE_LENGTH = 15
PAYLOAD_LENGTH = 256
OTP_LINK = "https://www.whatsapp.com/otp/"

_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_UNPRINTABLE = re.compile(r"[\n\r\t]| {5,}")


@dataclass(frozen=True)
class Template:
    """One template in one language, as Graph lists it."""

    row: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.row["name"])

    @property
    def language(self) -> str:
        return str(self.row["language"])

    @property
    def status(self) -> str:
        return str(self.row["status"])

    @property
    def category(self) -> str:
        return str(self.row["category"])

    @property
    def named(self) -> bool:
        """Whether parameters go by name rather than by position."""
        return bool(self.row["parameter_format"] == "NAMED")

    @property
    def buttons(self) -> list[dict[str, Any]]:
        return list(self._component("BUTTONS").get("buttons", []))

    def text(self, kind: str) -> str:
        """Return the text of the HEADER, BODY or FOOTER, empty if there is none."""
        return str(self._component(kind).get("text", ""))

    def _component(self, kind: str) -> dict[str, Any]:
        components: list[dict[str, Any]] = self.row["components"]
        return next((part for part in components if part["type"] == kind), {})


class Catalogue:
    """The templates of the business account, in the order in which they are listed."""

    def __init__(self, rows: Iterable[dict[str, Any]]) -> None:
        self.templates = tuple(Template(row) for row in rows)
        self._by_key = {(each.name, each.language): each for each in self.templates}

    @classmethod
    def shipped(cls) -> "Catalogue":
        """Read the templates that come with the stand-in."""
        return cls(json.loads(SHIPPED.read_text(encoding="utf-8")))

    def get_sendable(self, name: str, language: str) -> Template:
        """Return an approved template.

        Raises:
            GraphError: 132001 unknown or not approved, 132015 paused, 132016 disabled.
        """
        template = self._by_key.get((name, language))
        if template and template.status == "PAUSED":
            raise template_paused()
        if template and template.status == "DISABLED":
            raise template_disabled()
        if template is None or template.status != "APPROVED":
            raise unknown_template(name, language)
        return template


def fill_in(template: Template, components: list[dict[str, Any]]) -> Content:
    """Return the text that the person will see.

    Raises:
        GraphError: a parameter is missing, left over, misnamed or of the wrong kind.
    """
    given = _by_place(template, components)
    header = _fill_text(template, "header", given)
    body = _fill_text(template, "body", given)
    if len(header) > HEADER_LENGTH:
        raise text_too_long(f"header: {len(header)} characters, at most {HEADER_LENGTH}.")
    if len(body) > BODY_LENGTH:
        raise text_too_long(f"body: {len(body)} characters, at most {BODY_LENGTH}.")
    buttons = tuple(
        _fill_button(index, button, given.get(f"button:{index}"))
        for index, button in enumerate(template.buttons)
    )
    if template.category == "AUTHENTICATION":
        _check_code(given)
    return Content(body=body, header=header, footer=template.text("FOOTER"), buttons=buttons)


def _by_place(
    template: Template, components: list[dict[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """Sort the parameters by the place they fill: header, body, button:<index>."""
    given: dict[str, list[dict[str, Any]]] = {}
    for component in components:
        place = str(component.get("type", "")).lower()
        if place == "button":
            place = f"button:{_button_index(template, component)}"
        elif place not in {"header", "body"}:
            raise bad_value(f"Component type {component.get('type')!r} takes no parameters.")
        parameters = component.get("parameters", [])
        if not _is_list_of_objects(parameters):
            raise bad_request(f"{place}: parameters must be a list of objects.")
        if place in given:
            raise bad_value(f"{place}: component is given twice.")
        given[place] = parameters
    return given


def _button_index(template: Template, component: dict[str, Any]) -> int:
    position = str(component.get("index", ""))
    sub_type = str(component.get("sub_type", "")).lower()
    if not re.fullmatch(r"\d", position, re.ASCII):
        raise missing("template['components'][button]['index']")
    index = int(position)
    buttons = template.buttons
    if index >= len(buttons) or buttons[index]["type"].lower() != sub_type:
        raise bad_value(f"Button at index {index} of type {sub_type!r} is not in the template.")
    return index


def _fill_text(template: Template, place: str, given: dict[str, list[dict[str, Any]]]) -> str:
    text = template.text(place.upper())
    return _substitute(place, text, given.get(place, []), named=template.named)


def _substitute(place: str, text: str, parameters: list[dict[str, Any]], *, named: bool) -> str:
    expected = list(dict.fromkeys(_VARIABLE.findall(text)))
    if len(parameters) != len(expected):
        raise parameters_mismatch(
            f"{place}: number of localizable_params ({len(parameters)}) does not match "
            f"the expected number of params ({len(expected)})"
        )
    values: dict[str, str] = {}
    for position, parameter in enumerate(parameters, start=1):
        name = parameter.get("parameter_name")
        if not named and name is not None:
            raise bad_parameter_format(f"{place}: the template takes positional parameters.")
        values[str(name or "") if named else str(position)] = _parameter_text(place, parameter)
    if set(values) != set(expected):
        raise parameters_mismatch(
            f"{place}: parameter names {sorted(values)} do not match the expected names "
            f"{sorted(expected)}"
        )
    return _VARIABLE.sub(lambda found: values[found[1]], text)


def _parameter_text(place: str, parameter: dict[str, Any]) -> str:
    if parameter.get("type") != "text":
        raise bad_parameter_format(f"{place}: expected a parameter of type 'text'.")
    text = parameter.get("text")
    if not isinstance(text, str) or not text.strip():
        raise missing(f"{place}: text of the parameter")
    if _UNPRINTABLE.search(text):
        raise bad_request(
            f"{place}: Param text cannot have new-line/tab characters or more than "
            "4 consecutive spaces"
        )
    return text


def _fill_button(
    index: int, button: dict[str, Any], parameters: list[dict[str, Any]] | None
) -> Button:
    place, text = f"button:{index}", str(button["text"])
    if button["type"] == "QUICK_REPLY":
        return Button("quick_reply", text, _payload(place, parameters or [], default=text))
    if button["type"] == "URL":
        url = _substitute(place, str(button["url"]), parameters or [], named=False)
        return Button("copy_code" if url.startswith(OTP_LINK) else "url", text, url)
    return Button(str(button["type"]).lower(), text, str(button.get("phone_number", "")))


def _payload(place: str, parameters: list[dict[str, Any]], *, default: str) -> str:
    if not parameters:
        return default
    payload = parameters[0].get("payload")
    if len(parameters) > 1 or parameters[0].get("type") != "payload":
        raise bad_parameter_format(f"{place}: expected one parameter of type 'payload'.")
    if not isinstance(payload, str) or not 0 < len(payload) <= PAYLOAD_LENGTH:
        raise bad_value(f"{place}: payload must have 1 to {PAYLOAD_LENGTH} characters.")
    return payload


def _check_code(given: dict[str, list[dict[str, Any]]]) -> None:
    """An authentication code stands in the body and again in the button."""
    codes = {parameters[0]["text"] for parameters in given.values() if parameters}
    if len(codes) > 1:
        raise bad_value("The code in the button differs from the code in the body.")
    if any(len(code) > CODE_LENGTH for code in codes):
        raise bad_request(f"body: a code has at most {CODE_LENGTH} characters.")


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)
