"""Blanks of templates, and what fills them."""

from decimal import Decimal

import pytest

from messaging.engine.fields import HIDDEN_CODE, Facts, all_fields, bind
from messaging.engine.templates import (
    BlankNotFilledError,
    blanks,
    clean_value,
    examples,
    fill,
    render,
)
from messaging.tests.factories import CODE_BODY, NAMED_BODY

VALUES = {"first_name": "Asha", "points": "42", "store": "MG Road", "balance": "420"}


def test_named_blanks_are_filled_by_name() -> None:
    (body,) = fill(NAMED_BODY, named=True, values=VALUES)
    assert body["type"] == "body"
    assert body["parameters"][0] == {"type": "text", "text": "Asha", "parameter_name": "first_name"}
    assert [each["text"] for each in body["parameters"]] == ["Asha", "42", "MG Road", "420"]


def test_a_code_stands_in_the_text_and_in_the_button() -> None:
    assert [blank.key for blank in blanks(CODE_BODY)] == ["1", "button:0"]
    body, button = fill(CODE_BODY, named=False, values={"1": "123456", "button:0": "123456"})
    assert body["parameters"] == [{"type": "text", "text": "123456"}]
    assert button == {
        "type": "button",
        "sub_type": "url",
        "index": "0",
        "parameters": [{"type": "text", "text": "123456"}],
    }


def test_header_and_body_are_components_of_their_own() -> None:
    components = [
        {"type": "HEADER", "format": "TEXT", "text": "For {{1}}"},
        {"type": "BODY", "text": "Hi {{1}}"},
    ]
    header, body = fill(components, named=False, values={"header:1": "you", "1": "Asha"})
    assert (header["type"], body["type"]) == ("header", "body")


@pytest.mark.parametrize("value", [None, ""])
def test_refuses_a_blank_without_a_value(value: str | None) -> None:
    values = {**VALUES, "store": value} if value is not None else {"first_name": "Asha"}
    with pytest.raises(BlankNotFilledError):
        fill(NAMED_BODY, named=True, values=values)


def test_a_value_cannot_smuggle_in_a_blank() -> None:
    bubble = render(NAMED_BODY, {**VALUES, "first_name": "{{points}} {0.__class__} %s"})
    assert bubble.body.startswith("Hi {{points}} {0.__class__} %s, you earned 42")
    assert bubble.text.endswith("Thank you")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\nb\tc", "a b c"),
        ("a" + " " * 9 + "b", "a b"),
        ("\u202eabc\u202c", "abc"),
        ("\x00a\x1b[31m", "a [31m"),
        ("क्\u200dष", "क्\u200dष"),
        ("x" * 500, "x" * 200),
    ],
)
def test_values_are_one_clean_line(text: str, clean: str) -> None:
    assert clean_value(text) == clean


def test_examples_come_from_the_template() -> None:
    components = [
        {
            "type": "BODY",
            "text": "Hi {{first_name}}",
            "example": {
                "body_text_named_params": [{"param_name": "first_name", "example": "Layla"}]
            },
        }
    ]
    assert examples(components) == {"first_name": "Layla"}
    positional = [{"type": "BODY", "text": "{{1}}", "example": {"body_text": [["123456"]]}}]
    assert examples(positional) == {"1": "123456"}
    assert examples([{"type": "BODY", "text": "plain"}]) == {}


@pytest.mark.parametrize(("language", "points"), [("en", "1,23,456"), ("hi", "1,23,456")])
def test_numbers_are_grouped_the_indian_way(language: str, points: str) -> None:
    assert bind({"a": "points"}, Facts(points=123456, language=language)) == {"a": points}


def test_money_shows_its_currency() -> None:
    facts = Facts(amount=Decimal("1250.5"), currency="INR")
    assert bind({"amount": "amount"}, facts) == {"amount": "₹1,250.50"}


def test_the_code_itself_is_not_among_the_values() -> None:
    assert bind({"1": "code"}, Facts()) == {"1": HIDDEN_CODE}


def test_every_field_can_be_read_and_has_words_for_staff() -> None:
    for field in all_fields():
        assert isinstance(field.read(Facts()), str)
        assert field.label[0].isupper()
