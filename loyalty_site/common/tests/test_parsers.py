import json
import time
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.exceptions import ParseError

from loyalty_site.common.parsers import MAX_DEPTH, loads_strict

_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)


@given(_values)
def test_reads_what_the_json_module_writes(value: Any) -> None:
    assert loads_strict(json.dumps(value).encode()) == value
    assert loads_strict(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    with suppress(ParseError):
        loads_strict(raw)


def test_numbers_with_a_point_are_decimals() -> None:
    value = loads_strict(b'{"a": 0.1, "b": 1e3, "c": 7}')
    assert value == {"a": Decimal("0.1"), "b": Decimal(1000), "c": 7}
    assert isinstance(value["c"], int)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "invalid_json"),
        (b'{"a":1}x', "invalid_json"),
        (b'{"a":1,"a":2}', "duplicate_key"),
        (b'{"x":{"a":1,"a":2}}', "duplicate_key"),
        (b'{"a":NaN}', "not_finite"),
        (b'{"a":-Infinity}', "not_finite"),
        (b'{"a":1e999}', "not_finite"),
        (b'{"a":1e99999999999999999999}', "not_finite"),
        (b'{"a":' + b"9" * 50 + b"}", "number_too_long"),
        (b'{"a":0.' + b"9" * 50 + b"}", "number_too_long"),
        (rb'{"a":"\u0000"}', "control_character"),
        (rb'{"\u0000":1}', "control_character"),
        (rb'{"a":["\ud800"]}', "invalid_unicode"),
        (rb'{"\udfff":1}', "invalid_unicode"),
        (b'\xff\xfe"a"', "invalid_encoding"),
        (b'"\xed\xa0\x80"', "invalid_encoding"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "too_deep"),
        (b'{"a":' * 50_000, "too_deep"),
        (b"{" + b",".join(b'"%d":1' % n for n in range(1001)) + b"}", "too_many_keys"),
    ],
)
def test_refuses(raw: bytes, code: str) -> None:
    with pytest.raises(ParseError) as refusal:
        loads_strict(raw)
    assert refusal.value.get_codes() == code


def test_brackets_inside_texts_are_no_nesting() -> None:
    text = '[{"\\' * 100
    assert loads_strict(json.dumps([text, [text]]).encode()) == [text, [text]]
    assert loads_strict(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_a_pair_of_surrogates_is_one_sign() -> None:
    assert loads_strict(rb'"\ud83d\ude00"') == "😀"


@pytest.mark.parametrize(
    "raw",
    [
        b'["' + b'\\"' * 900_000 + b'"]' + b"[" * 40,
        b'"' + b"\\" * 1_900_000,
        b"[" * 1_900_000,
        b'{"a":[' * 300_000,
        b'"' * 1_900_000 + b"[" * 20,
    ],
)
def test_hostile_bodies_of_two_megabytes_are_refused_in_half_a_second(raw: bytes) -> None:
    start = time.perf_counter()
    with pytest.raises(ParseError):
        loads_strict(raw)
    assert time.perf_counter() - start < 0.5
