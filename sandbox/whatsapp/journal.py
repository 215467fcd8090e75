"""The state file: one JSON object a line, appended and never rewritten."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.whatsapp.errors import JournalError


class Journal:
    """Append-only file; a line is with the operating system before append returns."""

    def __init__(self, path: Path) -> None:
        """Open the file and drop a last line that a killed process left half written.

        Raises:
            OSError: the folder or the file cannot be used.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = path.open("a+b", buffering=0)
        self._drop_torn_line()

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield every entry, oldest first.

        Raises:
            JournalError: a line is not a JSON object.
        """
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    entry = json.loads(line)
                except ValueError:
                    entry = None
                if not isinstance(entry, dict):
                    raise JournalError(f"{self._path}: line {number} cannot be read.")
                yield entry

    def append(self, *entries: dict[str, Any]) -> None:
        """Write all the entries or none.

        Raises:
            JournalError: they could not be written.
        """
        lines = "".join(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries)
        before = self._file.seek(0, 2)
        try:
            written = self._file.write(lines.encode("ascii"))
        except OSError as error:
            raise JournalError(f"{self._path}: {error}") from error
        if written != len(lines):
            self._file.truncate(before)
            raise JournalError(f"{self._path}: no room left.")

    def clear(self) -> None:
        """Forget everything."""
        self._file.truncate(0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _drop_torn_line(self) -> None:
        content_end = self._file.seek(0, 2)
        kept = content_end
        while kept:
            start = max(0, kept - 65536)
            self._file.seek(start)
            newline = self._file.read(kept - start).rfind(b"\n")
            if newline >= 0:
                kept = start + newline + 1
                break
            kept = start
        if kept != content_end:
            self._file.truncate(kept)
