from django.db import models
from django.utils import timezone


class LedgerSeal(models.Model):
    """A finished day of the ledger under lock and key; append-only.

    `rows` holds 24 bytes for each entry, in id order: the id and a keyed digest of the entry with
    its allocations. `digest` covers them and the seal before, so that days cannot be swapped,
    dropped or sealed anew without the key, which is not in the database.
    """

    day = models.DateField(unique=True, help_text="In UTC, by when the ledger took entries up.")
    entry_count = models.PositiveIntegerField()
    rows = models.BinaryField()
    digest = models.CharField(max_length=43)
    sealed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["day"]

    def __str__(self) -> str:
        return f"{self.day}: {self.entry_count} entries"
