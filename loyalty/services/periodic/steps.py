"""The shape of a job: counted once, taken bite by bite."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from loyalty.ledger import Outcome
from loyalty.models import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Bite:
    """How many rows one bite took, up to which id, and what came of them; 0 taken: all done."""

    taken: int
    position: int
    figures: Mapping[str, int] = field(default_factory=dict)


class Take(Protocol):
    """Does up to `limit` rows with a higher id than `after`, in the caller's transaction."""

    def __call__(
        self, *, program: Program, on: date, now: datetime, after: int, limit: int
    ) -> Bite: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A job: how many rows are due on a day, and how to take a bite of them."""

    count: Callable[[Program, date], int]
    take: Take


def posted(outcomes: Iterable[Outcome], *, points: str) -> dict[str, int]:
    """Figures of what the ledger answered: entries, signed points under a name, refusals."""
    found = {"entries": 0, points: 0, "refused": 0}
    for outcome in outcomes:
        if outcome.refusal is not None:
            found["refused"] += 1
        elif not outcome.replayed and outcome.own is not None:
            found["entries"] += 1
            found[points] += outcome.own.points
    return found
