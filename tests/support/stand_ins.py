"""The stand-in servers as processes of a test."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def logic_erp(state_dir: Path, *, newest_on: date) -> Iterator[str]:
    """A LOGIC ERP stand-in on a free port; yields its base address."""
    command = [
        *(sys.executable, "-m", "sandbox.logic_erp", "--port", "0"),
        *("--state-dir", str(state_dir), "--newest-on", str(newest_on)),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        match = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert match, f"the stand-in did not start: {line}"
        yield f"{match.group()}/api"
    finally:
        process.terminate()
        process.wait(timeout=10)
