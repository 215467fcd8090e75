from typing import Any

from django.core.management.base import BaseCommand, CommandError

from affiliates.models import CommissionEntry, Payout
from affiliates.selectors import verify_commissions


class Command(BaseCommand):
    """Checks every promise about commissions and payouts; ends with an error if one is broken."""

    help = "Check that commissions, payouts, files and balances agree, and that each was paid once."

    def handle(self, *args: Any, **options: Any) -> None:
        faults = verify_commissions()
        for fault in faults:
            self.stderr.write(f"{fault.promise}: broken at {fault.subject}")
        if faults:
            raise CommandError(f"Commissions and payouts break {len(faults)} promises.")
        self.stdout.write(
            f"Commissions and payouts agree: {CommissionEntry.objects.count()} commissions,"
            f" {Payout.objects.count()} payouts."
        )
