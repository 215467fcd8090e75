"""docs/events.md is what the code says."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_catalogue_of_events_is_up_to_date() -> None:
    # A process of its own, for other tests declare events and handlers in this one.
    command = [sys.executable, "manage.py", "describe_events"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs" / "events.md").read_text(encoding="utf-8") == said, (
        "run: manage.py describe_events > docs/events.md"
    )
