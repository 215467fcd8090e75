"""Compiles a mapping into one pass over a source row."""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jmespath
from jmespath.exceptions import JMESPathError

from erp.engine.faults import Fault, MappingFault
from erp.engine.operations import OPERATIONS, Kind, Operation, Step
from erp.engine.targets import LINES, TARGETS

MAX_FIELDS = 200
MAX_PATH = 200
MAX_STEPS = 10
MAX_LINES = 2000
_FIELD_KEYS = {"source_field", "target_field", "transformation", "is_required"}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE_PREFIX = f"{LINES}[]."


class MappingError(Exception):
    """A mapping that cannot be used; `faults` names every reason and its place."""

    def __init__(self, faults: Sequence[MappingFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.position}: {fault.message}" for fault in faults))


@dataclass(frozen=True, slots=True)
class _Field:
    """How one target is filled: from a plain key, or by `read` where the path is more than that.

    `steps` pairs each step with whether it also runs on null.
    """

    target: str
    key: str
    read: Callable[[Any], Any] | None
    steps: tuple[tuple[Step, bool], ...]
    is_required: bool


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A mapping ready to run. Rows and lines come out with every mapped target as a key."""

    mapping_type: str
    _head: tuple[_Field, ...]
    _line: tuple[_Field, ...]
    _read_lines: Callable[[Any], Any] | None

    def apply(self, row: Mapping[str, Any]) -> dict[str, Any] | Fault:
        """Map one row; the first value that cannot be read refuses the row."""
        values = _fill(self._head, row)
        if values.__class__ is Fault or self._read_lines is None:
            return values
        items = self._read_lines(row)
        if not isinstance(items, list) or not items:
            return Fault("no_lines", "The bill has no lines.", LINES)
        if len(items) > MAX_LINES:
            return Fault("too_many_lines", f"More than {MAX_LINES} lines.", LINES)
        lines = []
        for number, item in enumerate(items, start=1):
            line = _fill(self._line, item) if isinstance(item, dict) else _NO_OBJECT
            if isinstance(line, Fault):
                return Fault(line.code, line.message, f"lines[{number}].{line.field}")
            lines.append(line)
        values[LINES] = lines  # type: ignore[index]
        return values


_NO_OBJECT = Fault("not_an_object", "A line is not an object.")


def _fill(fields: tuple[_Field, ...], source: Mapping[str, Any]) -> dict[str, Any] | Fault:
    values: dict[str, Any] = {}
    for field in fields:
        if field.read is None:
            value = source.get(field.key)
        else:
            try:
                value = field.read(source)
            except (JMESPathError, RecursionError):
                return Fault("unreadable_path", "The path does not fit this row.", field.target)
        for step, fills_null in field.steps:
            if value is not None or fills_null:
                value = step(value)
                if value.__class__ is Fault:
                    return Fault(value.code, value.message, field.target)
        if value is None and field.is_required:
            return Fault("missing", "A required value is missing.", field.target)
        values[field.target] = value
    return values


def compile_mapping(
    mapping_type: str, mappings: Any, *, zone: str = "UTC", region: str = "IN"
) -> CompiledMapping:
    """Check a written mapping as a whole and make it runnable.

    `zone` and `region` stand in where a transformation names none.

    Raises:
        MappingError: with every fault and its place in the JSON.
    """
    return _Compiler(mapping_type, zone, region).compile(mappings)


class _Compiler:
    def __init__(self, mapping_type: str, zone: str, region: str) -> None:
        self._type = mapping_type
        self._defaults = {"zone": zone, "region": region}
        self._faults: list[MappingFault] = []
        self._lines_path = ""

    def compile(self, mappings: Any) -> CompiledMapping:
        targets = TARGETS.get(self._type)
        if targets is None:
            known = ", ".join(TARGETS)
            raise MappingError(
                [MappingFault("mapping_type", "unknown_type", f"Choose one of: {known}.")]
            )
        if not isinstance(mappings, list) or not 1 <= len(mappings) <= MAX_FIELDS:
            raise MappingError(
                [MappingFault("mappings", "invalid", f"Give a list of 1 to {MAX_FIELDS} fields.")]
            )
        head: list[_Field] = []
        line: list[_Field] = []
        seen: set[str] = set()
        for number, entry in enumerate(mappings):
            if (field := self._field(entry, f"mappings.{number}", seen)) is not None:
                (line if entry["target_field"].startswith(_LINE_PREFIX) else head).append(field)
        for name, target in targets.items():
            if target.is_required and name not in seen:
                self._refuse("mappings", "target_missing", f"Nothing fills “{name}”.")
        if self._faults:
            raise MappingError(self._faults)
        read_lines = self._reader(self._lines_path, "mappings") if line else None
        return CompiledMapping(self._type, tuple(head), tuple(line), read_lines)

    def _refuse(self, position: str, code: str, message: str) -> None:
        self._faults.append(MappingFault(position, code, message))

    def _field(self, entry: Any, position: str, seen: set[str]) -> _Field | None:
        if not isinstance(entry, dict) or set(entry) - _FIELD_KEYS:
            self._refuse(
                position, "invalid", f"Give an object of: {', '.join(sorted(_FIELD_KEYS))}."
            )
            return None
        target_name, source = str(entry.get("target_field")), entry.get("source_field")
        required = entry.get("is_required", False)
        if not isinstance(required, bool):
            self._refuse(f"{position}.is_required", "invalid", "Give true or false.")
            return None
        target = TARGETS[self._type].get(target_name)
        if target is None:
            self._refuse(
                f"{position}.target_field",
                "unknown_target",
                f"Choose one of: {', '.join(TARGETS[self._type])}.",
            )
            return None
        if target_name in seen:
            self._refuse(f"{position}.target_field", "duplicate_target", "It is filled twice.")
            return None
        seen.add(target_name)
        if not isinstance(source, str) or not 1 <= len(source) <= MAX_PATH:
            self._refuse(f"{position}.source_field", "invalid", "Name the source's field.")
            return None
        is_line = target_name.startswith(_LINE_PREFIX)
        if is_line and not (source := self._within_line(source, f"{position}.source_field")):
            return None
        plain = bool(_IDENTIFIER.fullmatch(source))
        read = None if plain else self._reader(source, f"{position}.source_field")
        steps, kind = self._steps(entry.get("transformation"), f"{position}.transformation")
        if not target.accepts(kind):
            self._refuse(
                f"{position}.transformation",
                "type_clash",
                f"“{target_name}” takes {target.kind}, but this gives {kind}.",
            )
        return _Field(
            target=target_name.removeprefix(_LINE_PREFIX),
            key=source,
            read=read,
            steps=(*steps, (target.fit, False)),
            is_required=required or target.is_required,
        )

    def _within_line(self, source: str, position: str) -> str:
        """The part of `Items[].Code` after the brackets; all line targets share what is before."""
        path, brackets, rest = source.partition("[].")
        if not brackets or not rest:
            self._refuse(position, "no_list", "A line's field is written like “Items[].Code”.")
            return ""
        if self._lines_path and path != self._lines_path:
            self._refuse(position, "two_lists", f"Lines already come from “{self._lines_path}[]”.")
            return ""
        self._lines_path = path
        return rest

    def _reader(self, source: str, position: str) -> Callable[[Any], Any] | None:
        try:
            return jmespath.compile(source).search  # type: ignore[no-any-return]
        except (JMESPathError, RecursionError):
            self._refuse(position, "bad_path", "This is not a JMESPath.")
            return None

    def _steps(self, written: Any, position: str) -> tuple[list[tuple[Step, bool]], Kind]:
        if written is None:
            return [], Kind.ANY
        entries: Any = written.split("|") if isinstance(written, str) else written
        if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_STEPS:
            self._refuse(position, "invalid", "Give null, names parted by “|”, or a list.")
            return [], Kind.ANY
        steps: list[tuple[Step, bool]] = []
        kind = Kind.ANY
        for number, entry in enumerate(entries):
            place = position if isinstance(written, str) else f"{position}.{number}"
            name, options = _named(entry)
            operation = OPERATIONS.get(name)
            if operation is None:
                self._refuse(place, "unknown_transformation", f"There is no “{name}”.")
                return [], Kind.ANY
            if not _fits(kind, operation.takes):
                self._refuse(place, "type_clash", f"“{name}” takes text, but gets {kind}.")
            if (step := self._built(operation, options, place)) is not None:
                steps.append((step, operation.fills_null))
            # Filling in for null leaves the kind of what was there.
            kind = kind if operation.fills_null else operation.gives
        return steps, kind

    def _built(self, operation: Operation, options: dict[str, Any], place: str) -> Step | None:
        parameters = inspect.signature(operation.build).parameters
        hints = get_type_hints(operation.build)
        chosen: dict[str, Any] = {
            name: text for name, text in self._defaults.items() if name in parameters
        }
        on_error = options.pop("on_error", "reject")
        if on_error not in {"reject", "null"}:
            self._refuse(place, "bad_option", "“on_error” is “reject” or “null”.")
            return None
        for option, value in options.items():
            if option not in parameters or not _is_a(value, hints[option]):
                self._refuse(place, "bad_option", f"“{operation.name}” refuses this {option}.")
                return None
            chosen[option] = tuple(value) if isinstance(value, list) else value
        missing = [
            name
            for name, parameter in parameters.items()
            if parameter.default is parameter.empty and name not in chosen
        ]
        if missing:
            self._refuse(place, "bad_option", f"“{operation.name}” needs {', '.join(missing)}.")
            return None
        try:
            ZoneInfo(chosen.get("zone", "UTC"))
        except (ZoneInfoNotFoundError, ValueError):
            self._refuse(place, "bad_option", "This time zone does not exist.")
            return None
        step = operation.build(**chosen)
        return step if on_error == "reject" else _forgiving(step)


def _forgiving(step: Step) -> Step:
    def forgive(value: Any) -> Any:
        result = step(value)
        return None if result.__class__ is Fault else result

    return forgive


def _named(entry: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(entry, str):
        return entry.strip(), {}
    if isinstance(entry, dict) and isinstance(entry.get("op"), str):
        return entry["op"], {name: value for name, value in entry.items() if name != "op"}
    return "?", {}


def _fits(kind: Kind, takes: Kind) -> bool:
    return takes is Kind.ANY or kind in {takes, Kind.ANY, Kind.PHONE, Kind.EMAIL}


def _is_a(value: Any, hint: Any) -> bool:
    """Whether a JSON value suits an option's annotation: a text, texts, or a table of texts."""
    if get_origin(hint) is tuple:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if get_origin(hint) is dict:
        texts = (
            [text for pair in value.items() for text in pair] if isinstance(value, dict) else [0]
        )
        return all(isinstance(text, get_args(hint)[0]) for text in texts)
    return isinstance(value, str)
