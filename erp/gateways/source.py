"""What every adapter offers the engine, and how it fails."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from erp.engine import Fault

Cursor = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an outside system is, how to sign in, and how long to wait for one answer.

    Credentials stay out of every repr.
    """

    kind: str
    base_url: str
    auth: str
    credentials: str = field(repr=False)
    deadline_s: float = 15.0
    tries: int = 3


@dataclass(frozen=True, slots=True)
class Record:
    """One document as received, its key, and the same in the regular form that mappings read.

    Numbers with a point are their digits as text, here and in storage. `fault` is set, and `row`
    empty, where the document has no regular form.
    """

    key: str
    payload: dict[str, Any]
    row: dict[str, Any]
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: its records and the cursor behind them. `is_last`: nothing is left for now."""

    records: Sequence[Record]
    cursor: Cursor
    is_last: bool


class GatewayError(Exception):
    """The outside system could not be read; nothing about the data follows from that."""

    class Kind(StrEnum):
        """What the failure calls for."""

        TRANSIENT = "transient", "unreachable or broken for the moment; try again"
        THROTTLED = "throttled", "asks to wait"
        AUTHENTICATION = "authentication", "does not accept the credentials; a person must act"
        REFUSED = "refused", "does not know this request; a person must act"
        CURSOR = "cursor", "its counter fell or stands still; a person must act"
        BAD_ANSWER = "bad_answer", "answered, but not with a whole page of data"

        hint: str

        def __new__(cls, value: str, hint: str) -> "GatewayError.Kind":
            member = str.__new__(cls, value)
            member._value_ = value
            member.hint = hint
            return member

        @property
        def needs_person(self) -> bool:
            """Whether trying again by itself would only do harm."""
            return self in {type(self).AUTHENTICATION, type(self).REFUSED, type(self).CURSOR}

    def __init__(self, kind: Kind, message: str, *, retry_after_s: float | None = None) -> None:
        self.kind = kind
        self.retry_after_s = retry_after_s
        super().__init__(message)


class Source(Protocol):
    """An adapter. Entities are item, customer, sale and return."""

    def fetch(self, entity: str, cursor: Cursor) -> Page:
        """The page behind a cursor ({} is the beginning).

        Raises:
            GatewayError: the page could not be had whole.
        """

    def read(self, entity: str, payload: dict[str, Any]) -> Record:
        """The regular form of a document that was received before; never raises."""

    def close(self) -> None:
        """Give connections back."""
