"""Run every benchmark, each in a process of its own on a throw-away database."""

import argparse
import os
import subprocess
import sys

NAMES = (
    "ledger",
    "sqlite",
    "http",
    "api_repeats",
    "histories",
    "returns",
    "sync",
    "periodic",
    "redirect",
    "commissions",
)
_ONLY_SQLITE = {"sqlite"}
_ONLY_POSTGRESQL = {"ledger"}


def main() -> int:
    """Exit code 1 if one of them found something functionally wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which; all without")
    parser.add_argument("--quick", action="store_true", help="short rounds")
    given = parser.parse_args()
    has_server = os.environ.get("DATABASE_URL", "").startswith("postgres")
    failed = 0
    for name in given.names or NAMES:
        if name in _ONLY_POSTGRESQL and not has_server:
            print(f"\nbenchmarks.{name} is left out: DATABASE_URL names no PostgreSQL.", flush=True)
            continue
        environment = dict(os.environ)
        if name in _ONLY_SQLITE:
            environment["DATABASE_URL"] = ""
        command = [sys.executable, "-m", f"benchmarks.{name}", *["--quick"] * given.quick]
        failed += subprocess.run(command, env=environment, check=False).returncode != 0
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
