"""The state file: the day that the history ends on, and the bills rung up since."""

import json
import os
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sandbox.logic_erp.documents import Bill, Line
from sandbox.logic_erp.errors import StateError
from sandbox.logic_erp.history import History

FILE_NAME = "logic_erp.json"


@dataclass(slots=True)
class State:
    """What a restart must find again; live bills are kept as `as_kept` writes them."""

    newest_on: date
    live_bills: list[dict[str, Any]] = field(default_factory=list)


def load_state(path: Path) -> State | None:
    """Read the file; None if there is none yet.

    Raises:
        StateError: the file cannot be read.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return State(date.fromisoformat(kept["newest_on"]), list(kept["live_bills"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path} cannot be read ({error}); move it away to start anew.") from error


def save_state(path: Path, state: State) -> None:
    """Replace the file as a whole.

    Raises:
        StateError: the file cannot be written; the former one stays.
    """
    text = json.dumps({"newest_on": state.newest_on.isoformat(), "live_bills": state.live_bills})
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, path)
    except OSError as error:
        raise StateError(f"{path} cannot be written ({error}).") from error


def as_kept(bill: Bill) -> dict[str, Any]:
    """A live bill for the state file, with every number it was given."""
    return {
        "modify_code": bill.modify_code,
        "kind": bill.kind,
        "key": bill.key,
        "vouch_code": bill.vouch_code,
        "branch": bill.branch.code,
        "customer": bill.customer.code,
        "at": bill.at.isoformat(),
        "lines": [list(line) for line in bill.lines],
        "affiliate_code": bill.affiliate_code,
        "return_of": bill.return_of,
    }


def from_kept(kept: dict[str, Any], history: History) -> Bill:
    """The live bill that `as_kept` wrote.

    Raises:
        StateError: it is damaged or does not fit the history.
    """
    try:
        return Bill(
            **{
                **kept,
                "branch": history.branches[kept["branch"]],
                "customer": history.customers[kept["customer"]],
                "at": datetime.fromisoformat(kept["at"]),
                "lines": tuple(Line(*line) for line in kept["lines"]),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"A live bill in {FILE_NAME} cannot be read ({error!r}).") from error
