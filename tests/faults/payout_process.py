"""A process that carries payouts to their end, and kills itself where it is told to.

`python -m tests.faults.payout_process STATEMENTS FOLDER` works on the database of DATABASE_URL;
files that it fetched lie in the folder, as they would at the bank.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.db import connection  # noqa: E402

from affiliates.models import PayoutBatch  # noqa: E402
from affiliates.tests.payout_flow import carry_on  # noqa: E402


def main(statements: int, folder: Path) -> None:
    """Carry on; die at so many statements, never for 0."""
    left = statements

    def count(execute: Callable[..., Any], *args: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(*args)

    def fetched(batch: PayoutBatch) -> None:
        (folder / f"{batch.file_hash}.csv").write_text(batch.content)

    with connection.execute_wrapper(count):
        carry_on(fetched)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
