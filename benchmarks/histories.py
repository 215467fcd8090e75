"""Random histories against the pure model, and racing threads with exact balances (T15).

Prints how many differences there were; any difference ends with an exit code of 1.
"""

import random
import sys
from collections import Counter
from collections.abc import Callable

from django.db import connection

from benchmarks import shop
from benchmarks.harness import Table, check_ledger, disconnect, options, throwaway_database, timed
from loyalty import ledger
from loyalty.errors import InsufficientPointsError
from loyalty.ledger import Award, ClawBack, Command, Outcome, Redeem
from loyalty.models import Account
from loyalty.tests.factories import NOW, TODAY
from loyalty.tests.histories import play
from tests.support.threads import run_together

BATCHES_A_HISTORY = 60
THREADS = 16


def main() -> None:
    """Play, race, check."""
    quick = options(__doc__).quick
    table = Table(f"The ledger against its model on {connection.vendor}")
    with throwaway_database():
        faults = play_histories(table, operations=1_000 if quick else 20_000)
        if connection.vendor == "postgresql":
            faults += race(table, operations=1_000 if quick else 10_000)
        check_ledger()
    table.show()
    if faults:
        sys.exit("\n".join(faults))


def play_histories(table: Table, *, operations: int) -> list[str]:
    """Histories of 3 accounts each, every answer and row compared with the model's."""
    done, seed = 0, 0
    faults: list[str] = []

    def work() -> int:
        nonlocal done, seed
        while done < operations:
            seed += 1
            accounts = [account.pk for account in shop.make_accounts(3)]
            try:
                count, _ = play(random.Random(seed), accounts, batches=BATCHES_A_HISTORY)
            except AssertionError as fault:
                faults.append(f"history {seed}: {fault}")
                count = BATCHES_A_HISTORY
            done += count
        return done

    sample = timed(work)
    what = f"T15 differences in {done:,} random operations"
    table.add(what, rate=sample.rate, ratio=len(faults), most=0)
    return faults


def race(table: Table, *, operations: int) -> list[str]:
    """Threads that award, spend, take back and repeat on few accounts; sums must be exact."""
    accounts = shop.make_accounts(8)
    rng = random.Random(15)
    commands = [random_command(rng, accounts, number) for number in range(operations * 3 // 4)]
    commands += rng.sample(commands, operations - len(commands))
    rng.shuffle(commands)
    parts = [commands[number::THREADS] for number in range(THREADS)]
    outcomes: list[Outcome] = []

    def post_all(part: list[Command]) -> Callable[[], list[Outcome]]:
        return lambda: [ledger.post([command], now=NOW, today=TODAY)[0] for command in part]

    def work() -> int:
        for answer in run_together([post_all(part) for part in parts]):
            if isinstance(answer, BaseException):
                raise answer
            outcomes.extend(answer)
        return operations

    disconnect()
    sample = timed(work)
    faults = race_faults(accounts, commands, outcomes)
    what = f"T15 differences in {operations:,} racing operations, {THREADS} threads"
    table.add(what, rate=sample.rate, ratio=len(faults), most=0)
    return faults


def random_command(rng: random.Random, accounts: list[Account], number: int) -> Command:
    """An award, a redemption or a take-back with a reference of its own."""
    kinds: list[type[Award | Redeem | ClawBack]] = [Award, Award, Redeem, ClawBack]
    kind = rng.choice(kinds)
    return kind(
        account_id=rng.choice(accounts).pk,
        points=rng.randint(1, 50),
        reference=f"race:{number}",
        reason="race",
        occurred_at=NOW,
    )


def race_faults(
    accounts: list[Account], commands: list[Command], outcomes: list[Outcome]
) -> list[str]:
    """What is wrong with the end of a race."""
    refused = [outcome.refusal for outcome in outcomes if outcome.refusal]
    faults = [
        f"refused: {refusal!r}"
        for refusal in refused
        if not isinstance(refusal, InsufficientPointsError)
    ]
    fresh = [outcome.entry for outcome in outcomes if not outcome.refusal and not outcome.replayed]
    references = Counter((entry.account_id, entry.reference) for entry in fresh)
    faults += [f"posted twice: {reference}" for reference, n in references.items() if n > 1]
    lost = {command.reference for command in commands if isinstance(command, Award | ClawBack)} - {
        reference for _, reference in references
    }
    faults += [f"lost: {reference}" for reference in sorted(lost)]
    for account in Account.objects.filter(pk__in=[account.pk for account in accounts]):
        wanted = sum(entry.points for entry in fresh if entry.account_id == account.pk)
        if account.balance != wanted:
            faults.append(f"account {account.pk}: {account.balance} instead of {wanted}")
    return faults


if __name__ == "__main__":
    main()
