from typing import Any

from django.core.management.base import BaseCommand, CommandError

from loyalty.models import Account, PointsEntry
from loyalty.selectors import verify_ledger, verify_seals


class Command(BaseCommand):
    """Checks every promise of the points ledger; ends with an error if one is broken."""

    help = "Check that balances, lots, entries and sealed days agree, and that nothing was changed."

    def handle(self, *args: Any, **options: Any) -> None:
        faults = [*verify_ledger(), *verify_seals()]
        for fault in faults:
            self.stderr.write(f"{fault.promise}: broken at {fault.subject}")
        if faults:
            raise CommandError(f"The ledger breaks {len(faults)} promises.")
        self.stdout.write(
            f"The ledger holds: {Account.objects.count()} accounts,"
            f" {PointsEntry.objects.count()} entries."
        )
