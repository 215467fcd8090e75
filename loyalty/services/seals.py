"""Sealing the finished days of the ledger."""

from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from django.db.models import Min

from loyalty.models import LedgerSeal, PointsEntry
from loyalty.selectors.seals import ROW_BYTES, digest_day, digest_seal

# Whatever was taken up before midnight has been committed or given up an hour later.
_SETTLED = timedelta(hours=1)


def seal_days(*, now: datetime) -> list[LedgerSeal]:
    """Seal every finished day since the last seal, oldest first; days without entries too.

    Two workers that seal at once, or a run that was cut off, leave one seal a day.
    """
    sealed: list[LedgerSeal] = []
    while (day := _next_day()) is not None and day < (now - _SETTLED).astimezone(UTC).date():
        with transaction.atomic():
            previous = LedgerSeal.objects.select_for_update().order_by("day").last()
            rows = digest_day(day)
            digest = digest_seal(day, rows, previous.digest if previous else "")
            seal, is_new = LedgerSeal.objects.get_or_create(
                day=day,
                defaults={
                    "entry_count": len(rows) // ROW_BYTES,
                    "rows": rows,
                    "digest": digest,
                    "sealed_at": now,
                },
            )
        if is_new:
            sealed.append(seal)
    return sealed


def _next_day() -> date | None:
    last = LedgerSeal.objects.order_by("day").last()
    if last is not None:
        return last.day + timedelta(days=1)
    first: datetime | None = PointsEntry.objects.aggregate(first=Min("recorded_at"))["first"]
    return first.astimezone(UTC).date() if first else None
