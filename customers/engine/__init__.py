"""What decides, without a database or a clock."""

from customers.engine.segments import (
    WORDS,
    AllOf,
    AnyOf,
    Condition,
    FieldSpec,
    Kind,
    Not,
    Operator,
    Test,
    describe,
    operators_of,
    parse,
    read_test,
    tests_in,
    write,
)

__all__ = [
    "WORDS",
    "AllOf",
    "AnyOf",
    "Condition",
    "FieldSpec",
    "Kind",
    "Not",
    "Operator",
    "Test",
    "describe",
    "operators_of",
    "parse",
    "read_test",
    "tests_in",
    "write",
]
