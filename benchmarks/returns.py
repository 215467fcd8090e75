"""`python -m benchmarks.returns [--quick]`: every real basket comes back in three random parts.

With rules of every kind, what the three returns take back is exactly what the basket earned.
"""

import random
import sys

from benchmarks.harness import Table, options, timed
from loyalty.tests.baskets import baskets, fault_of, rules

QUICK_BASKETS = 1000
ROUNDS = 2


def main() -> None:
    """Compute and print; ends with an error if a single basket does not sum up."""
    quick = options(__doc__ or "").quick
    chosen = list(baskets())[: QUICK_BASKETS if quick else None]
    parsed = rules()
    rng = random.Random(7)
    faults: list[str] = []

    def take_all_back() -> int:
        for _ in range(ROUNDS):
            faults.extend(fault for one in chosen if (fault := fault_of(one, parsed, rng)))
        return ROUNDS * len(chosen)

    sample = timed(take_all_back)
    table = Table(f"Three returns of {len(chosen):,} real baskets, {len(parsed)} rules")
    table.add("baskets returned in three random parts", rate=sample.rate)
    table.add("baskets that do not sum up exactly", rate=f"{len(faults):,}")
    table.show()
    if faults:
        sys.exit("\n".join(faults[:10]))


if __name__ == "__main__":
    main()
