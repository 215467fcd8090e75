from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp.engine import OPERATIONS, Fault
from erp.engine.operations import Operation

JUNK: list[Any] = [
    "",
    " ",
    "NIL",
    "\x00\ud800",
    "9" * 5000,
    "((1))",
    "1e999999999",
    "NaN",
    "١٢٣",
    -1,
    0,
    10**5000,
    True,
    Decimal("NaN"),
    Decimal("1e999999"),
    [],
    {},
    ["x"],
    datetime(2024, 1, 1),
]


def built(name: str, **options: Any) -> Any:
    return OPERATIONS[name].build(**options)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.name)
def test_every_operation_does_what_its_example_says(operation: Operation) -> None:
    example = operation.example
    assert operation.build(**example.options)(example.given) == example.result
    assert operation.help


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.name)
def test_no_operation_raises_on_junk(operation: Operation) -> None:
    step = operation.build(**operation.example.options)
    for value in JUNK:
        step(value)


@given(st.text(max_size=60))
def test_no_text_makes_an_operation_raise(text: str) -> None:
    for operation in OPERATIONS.values():
        operation.build(**operation.example.options)(text)


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1,177.64", "1177.64"),
        ("1,00,000.50", "100000.50"),
        ("1177.640", "1177.640"),
        ("(588.82)", "-588.82"),
        (" -3 ", "-3"),
        (7, "7"),
        (Decimal("0.1"), "0.1"),
    ],
)
def test_amounts_are_read_in_indian_and_bookkeepers_spelling(written: Any, number: str) -> None:
    assert built("decimal")(written) == Decimal(number)


@pytest.mark.parametrize("written", ["1.177,64", "12,34", "1e5", "٣", "Rs 5", "", 0.1 + 0.2, True])
def test_what_is_no_plain_amount_is_refused_and_nothing_passes_through_a_float(
    written: Any,
) -> None:
    result = built("decimal")(written)
    assert isinstance(result, Fault)
    assert result.code == "not_a_number"


def test_decimal_commas_are_read_where_they_are_declared() -> None:
    assert built("decimal", comma="decimals")("1.177,64") == Decimal("1177.64")


@pytest.mark.parametrize(
    ("written", "phone"),
    [
        ("+44 7700 900123", "+447700900123"),
        ("00447700900123", "+447700900123"),
        ("98765 43210", "+919876543210"),
        ("9876543210.0", "+919876543210"),
        ("0", None),
    ],
)
def test_phones_get_one_form_and_zero_means_none(written: str, phone: str | None) -> None:
    assert built("phone_e164")(written) == phone


@pytest.mark.parametrize("written", ["12", "call me", "98765x43210"])
def test_what_is_no_phone_is_refused(written: str) -> None:
    assert built("phone_e164")(written).code == "not_a_phone"


def test_codes_are_found_among_other_words_once_each() -> None:
    assert built("split_codes")(" asha10, Ravi10 asha10 - !! ") == ("ASHA10", "RAVI10")
