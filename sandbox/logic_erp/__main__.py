"""``python -m sandbox.logic_erp``: start the stand-in and serve until interrupted."""

import argparse
import errno
import gc
import os
import signal
import sys
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from types import FrameType

from sandbox.logic_erp.books import Books
from sandbox.logic_erp.dataset import DATA_DIR
from sandbox.logic_erp.errors import StateError
from sandbox.logic_erp.history import read_history
from sandbox.logic_erp.server import StandIn, StandInServer
from sandbox.logic_erp.shapes import Shapes
from sandbox.logic_erp.state import FILE_NAME, State, load_state, save_state
from sandbox.logic_erp.till import Till

KOLKATA = timezone(timedelta(hours=5, minutes=30), "Asia/Kolkata")
"""India has one zone and no summer time; a fixed offset needs no zone files."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stand-in; return the exit code."""
    options = _parser().parse_args(arguments)
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _interrupt)
    try:
        server = StandInServer(options.port, options.host)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "is taken" if taken else f"cannot be used ({error.strerror})"
        return _fail(f"Port {options.port} {reason}; choose another with --port.")
    try:
        stand_in = _open(options.state_dir / FILE_NAME, options.newest_on, options.page)
        history = stand_in.books.history
        print(
            f"LOGIC ERP stand-in: http://127.0.0.1:{server.port}/ "
            f"({len(history.bills)} bills up to {history.newest_on})",
            flush=True,
        )
        server.serve(stand_in)
    except StateError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()
    return 0


def _open(state_path: Path, newest_on: date | None, page_size: int) -> StandIn:
    """Read state and history.

    Raises:
        StateError: the state file cannot be used, or belongs to another day.
    """
    state = load_state(state_path)
    if state is None:
        state = State(newest_on or _now().date() - timedelta(days=1))
    elif newest_on is not None and newest_on != state.newest_on:
        if state.live_bills:
            raise StateError(
                f"{state_path} has bills rung up after a history that ends on {state.newest_on}; "
                "leave out --newest-on or choose another --state-dir."
            )
        state = State(newest_on)
    save_state(state_path, state)
    gc.disable()  # Nothing loaded here is ever garbage; looking for it takes a third of the time.
    books = Books(read_history(DATA_DIR, state.newest_on))
    till = Till(books, state, state_path, _now)
    gc.freeze()
    gc.enable()
    return StandIn(
        books=books,
        shapes=Shapes(books.history.items),
        till=till,
        user=os.environ.get("SANDBOX_LOGIC_USER", "loyalty"),
        password=os.environ.get("SANDBOX_LOGIC_PASSWORD", "sandbox-erp"),
        page_size=page_size,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.logic_erp", description="A stand-in for LOGIC ERP."
    )
    parser.add_argument("--port", type=int, default=8102, help="0 lets the system choose")
    parser.add_argument("--host", default="127.0.0.1", help="an address of this machine")
    parser.add_argument("--state-dir", type=Path, default=Path("var/sandbox"))
    parser.add_argument("--page", type=_page_size, default=500, help="documents a page")
    parser.add_argument(
        "--newest-on",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="day of the newest basket; yesterday at the first start if left out",
    )
    return parser


def _page_size(text: str) -> int:
    size = int(text)
    if not 1 <= size <= 10_000:
        raise ValueError
    return size


def _now() -> datetime:
    return datetime.now(KOLKATA).replace(tzinfo=None, microsecond=0)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
