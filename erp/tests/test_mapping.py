import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erp.engine import Fault, MappingError, compile_mapping
from erp.gateways.logic import DEFAULT_MAPPINGS

ERP_ID = {"source_field": "customer_id", "target_field": "erp_id"}
PUBLIC_EXAMPLE = [{**ERP_ID, "transformation": None, "is_required": True}]


def fields(*extra: dict[str, Any]) -> list[dict[str, Any]]:
    return [ERP_ID, *extra]


def faults_of(mapping_type: str, mappings: Any) -> list[tuple[str, str]]:
    with pytest.raises(MappingError) as refused:
        compile_mapping(mapping_type, mappings)
    return [(fault.position, fault.code) for fault in refused.value.faults]


def test_the_public_example_compiles_and_maps_numbers_to_text() -> None:
    mapping = compile_mapping("customer", PUBLIC_EXAMPLE)
    assert mapping.apply({"customer_id": 7}) == {"erp_id": "7"}


def test_a_missing_required_value_refuses_the_row() -> None:
    mapping = compile_mapping("customer", PUBLIC_EXAMPLE)
    assert mapping.apply({"customer_id": None}) == Fault(
        "missing", "A required value is missing.", "erp_id"
    )


@pytest.mark.parametrize("mapping_type", DEFAULT_MAPPINGS)
def test_the_default_mappings_compile(mapping_type: str) -> None:
    compile_mapping(mapping_type, DEFAULT_MAPPINGS[mapping_type])


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        ({"source_field": "x", "target_field": "shoes"}, ("target_field", "unknown_target")),
        ({"source_field": "x", "target_field": "erp_id"}, ("target_field", "duplicate_target")),
        ({"source_field": "a[", "target_field": "name"}, ("source_field", "bad_path")),
        ({"source_field": "", "target_field": "name"}, ("source_field", "invalid")),
        (
            {"source_field": "x", "target_field": "name", "transformation": "shout"},
            ("transformation", "unknown_transformation"),
        ),
        (
            {"source_field": "x", "target_field": "birth_date"},
            ("transformation", "type_clash"),
        ),
        (
            {"source_field": "x", "target_field": "name", "transformation": "date|upper"},
            ("transformation", "type_clash"),
        ),
        (
            {
                "source_field": "x",
                "target_field": "birth_date",
                "transformation": ["strip", {"op": "date", "formats": 5}],
            },
            ("transformation.1", "bad_option"),
        ),
        (
            {"source_field": "x", "target_field": "name", "transformation": [{"op": "map"}]},
            ("transformation.0", "bad_option"),
        ),
        ({"source_field": "x", "target_field": "name", "extra": 1}, ("", "invalid")),
    ],
)
def test_faults_point_at_their_place(extra: dict[str, Any], fault: tuple[str, str]) -> None:
    place, code = fault
    position = "mappings.1" + (f".{place}" if place else "")
    assert (position, code) in faults_of("customer", fields(extra))


def test_every_missing_required_target_is_named() -> None:
    with pytest.raises(MappingError) as refused:
        compile_mapping("sale", fields())
    messages = [fault.message for fault in refused.value.faults]
    assert "Nothing fills “number”." in messages
    assert "Nothing fills “lines[].net”." in messages


def test_an_unknown_type_is_refused() -> None:
    assert faults_of("shoe", PUBLIC_EXAMPLE) == [("mapping_type", "unknown_type")]


@pytest.mark.parametrize("mappings", [None, [], {}, "x", [ERP_ID] * 201])
def test_what_is_no_list_of_fields_is_refused(mappings: Any) -> None:
    assert faults_of("customer", mappings) == [("mappings", "invalid")]


def test_forgiving_transformations_turn_faults_into_nothing() -> None:
    email = [{"op": "email", "on_error": "null"}]
    mapping = compile_mapping(
        "customer",
        fields({"source_field": "mail", "target_field": "email", "transformation": email}),
    )
    assert mapping.apply({"customer_id": "1", "mail": "nobody"}) == {"erp_id": "1", "email": None}


def test_lines_keep_their_nulls_in_place() -> None:
    mapping = compile_mapping("sale", DEFAULT_MAPPINGS["sale"], zone="Asia/Kolkata")
    row = mapping.apply(bill(lines=[line(1, name=None), line(2, name="Tea")]))
    assert isinstance(row, dict)
    assert [(one["key"], one["product_name"]) for one in row["lines"]] == [
        ("1", None),
        ("2", "Tea"),
    ]


def test_a_fault_in_a_line_names_the_line() -> None:
    mapping = compile_mapping("sale", DEFAULT_MAPPINGS["sale"])
    broken = line(2) | {"Quantity": "two"}
    fault = mapping.apply(bill(lines=[line(1), broken]))
    assert fault == Fault("not_a_number", "This is not a number.", "lines[2].quantity")


@pytest.mark.parametrize("lines", [None, [], "x", [1]])
def test_a_bill_without_lines_is_refused(lines: Any) -> None:
    mapping = compile_mapping("sale", DEFAULT_MAPPINGS["sale"])
    assert isinstance(mapping.apply(bill(lines=lines)), Fault)


def test_texts_that_a_database_cannot_hold_are_cleaned() -> None:
    mapping = compile_mapping("customer", fields({"source_field": "name", "target_field": "name"}))
    row = mapping.apply({"customer_id": "1", "name": "As\x00ha \ud800 Patel"})
    assert row == {"erp_id": "1", "name": "As ha   Patel"}


@pytest.mark.performance
def test_twenty_thousand_lines_are_mapped_in_a_second() -> None:
    mapping = compile_mapping("sale", DEFAULT_MAPPINGS["sale"])
    row = bill(lines=[line(number) for number in range(1, 1001)])
    started = time.process_time()
    for _ in range(5):
        assert isinstance(mapping.apply(row), dict)
    assert 5000 / (time.process_time() - started) >= 20_000


def bill(**changes: Any) -> dict[str, Any]:
    lines = changes.pop("lines")
    return {
        "Document_Key": "25-26/1/SI/1",
        "New_Bill_No": "25-26/1/ESI-1",
        "Branch_Code": 1,
        "Bill_Time": "2025-11-22T17:19:00",
        "LstItems": lines,
    } | changes


def line(key: int, name: str | None = "Soap") -> dict[str, Any]:
    return {
        "SL_Txn_Code": key,
        "LogicUser_Code": "5001",
        "ItemName": name,
        "Quantity": 1,
        "Gross_Amt": Decimal("10.00"),
        "Sale_Amt": Decimal("9.50"),
    }


def test_the_documentation_lists_every_operation_and_target() -> None:
    text = Path(__file__).parents[2].joinpath("docs", "erp.md").read_text(encoding="utf-8")
    from erp.engine import OPERATIONS, TARGETS

    for name in OPERATIONS:
        assert f"| `{name}` |" in text
    for targets in TARGETS.values():
        for name in targets:
            assert f"`{name}`" in text
    assert json.dumps(PUBLIC_EXAMPLE[0]["target_field"]) in text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
PATHS = st.text(alphabet="ab.[]*|&@()'`\"{}:,?!<>=-0123456789 \\", max_size=60) | st.sampled_from(
    [
        "(" * 190 + "a",
        "(" * 99 + "a" + ")" * 99,
        "[" * 100 + "]" * 100,
        "a" + ".a" * 99,
        "!" * 190 + "a",
        "a||" * 60 + "a",
        "sort_by(@, &a)",
        "to_number(a)",
        "max_by(a, &b)",
        "nothing(a)",
        "`{`",
    ]
)


@given(JSON)
def test_no_json_makes_the_compiler_raise_anything_but_its_faults(written: object) -> None:
    with pytest.raises(MappingError):
        compile_mapping("customer", written)


@given(PATHS, JSON)
def test_no_path_makes_a_mapping_raise(path: str, value: object) -> None:
    try:
        mapping = compile_mapping("customer", [ERP_ID | {"source_field": path or "a"}])
    except MappingError:
        return
    mapping.apply({"a": value, "b": [value, Decimal(1)]})
