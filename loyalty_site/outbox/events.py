"""What an event is, and how it is written down.

An app declares its events as frozen dataclasses::

    @dataclass(frozen=True, slots=True, kw_only=True)
    class PointsPosted(Event, name="loyalty.points_posted"):
        entry_id: int

Fields are ids and plain values: int, str, bool, Decimal, date, datetime, or None.
"""

import types
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Self, Union, get_args, get_origin, get_type_hints

_registry: dict[tuple[str, int], type["Event"]] = {}
_known_readers: dict[type["Event"], dict[str, Callable[[Any], Any]]] = {}
_READERS: dict[type, Callable[[Any], Any]] = {
    int: int,
    str: str,
    bool: bool,
    Decimal: Decimal,
    date: date.fromisoformat,
    datetime: datetime.fromisoformat,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, in past tense; `version` rises when its fields change."""

    name: ClassVar[str]
    version: ClassVar[int]

    def __init_subclass__(cls, name: str = "", version: int = 1) -> None:
        # A slotted dataclass is made twice; the second, final class comes without arguments
        # and replaces the first in the registry.
        if name:
            cls.name, cls.version = name, version
        _registry[cls.name, cls.version] = cls

    @property
    def ordering_key(self) -> str:
        """Events with one key reach an ordered handler in the order of their publication."""
        return ""

    def to_payload(self) -> dict[str, Any]:
        """Plain JSON values."""
        values = ((name, getattr(self, name)) for name in _readers(type(self)))
        return {
            name: value if isinstance(value, int | str | None) else _written(value)
            for name, value in values
        }

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Self:
        """Read back what `to_payload` wrote; fields added since take their defaults."""
        readers = _readers(cls)
        return cls(
            **{
                key: None if value is None else readers[key](value)
                for key, value in payload.items()
                if key in readers
            }
        )


def _written(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else value.isoformat()


def _readers(kind: type[Event]) -> dict[str, Callable[[Any], Any]]:
    if kind not in _known_readers:
        hints = get_type_hints(kind)
        _known_readers[kind] = {
            field.name: _READERS[_plain_type(hints[field.name])] for field in fields(kind)
        }
    return _known_readers[kind]


def _plain_type(hint: Any) -> Any:
    if get_origin(hint) in {Union, types.UnionType}:
        return next(option for option in get_args(hint) if option is not type(None))
    return hint


def event_type(name: str, version: int) -> type[Event]:
    """The class of a written event; raises KeyError for an event nobody declares any more."""
    return _registry[name, version]


def all_event_types() -> list[type[Event]]:
    """Every declared event, by name."""
    return [_registry[key] for key in sorted(_registry)]
