"""Whether somebody changed the ledger behind its back: digests of each finished day."""

import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Any

from django.db.models import Prefetch

from loyalty.models import Allocation, LedgerSeal, PointsEntry
from loyalty.selectors.verification import LedgerFault
from loyalty_site.common.crypto import blind_index

_ROW = struct.Struct(">q16s")
ROW_BYTES = _ROW.size
_FIELDS = (
    *("id", "account_id", "seq", "kind", "points", "pending", "qualifying", "requested"),
    *("balance_after", "reference", "reverses_id", "purchase_id", "reason", "actor_id"),
)


def digest_day(day: date) -> bytes:
    """The rows of a seal: 24 bytes for each entry taken up on a day (UTC), by id."""
    start = datetime.combine(day, time(), UTC)
    entries = (
        PointsEntry.objects.filter(
            recorded_at__gte=start, recorded_at__lt=start + timedelta(days=1)
        )
        .order_by("pk")
        .prefetch_related(Prefetch("allocations", Allocation.objects.order_by("pk")))
    )
    return b"".join(
        _ROW.pack(entry.pk, _digest_entry(entry)) for entry in entries.iterator(chunk_size=2000)
    )


def digest_seal(day: date, rows: bytes, previous: str) -> str:
    """The digest of a day that follows on another's."""
    return blind_index("loyalty.seal.day", f"{day}:{previous}:{sha256(rows).hexdigest()}")


def verify_seals(*, limit: int = 100) -> list[LedgerFault]:
    """Entries and seals that are not what they were when their day was sealed; bounded."""
    faults: list[LedgerFault] = []
    previous = ""
    for seal in LedgerSeal.objects.order_by("day").iterator(chunk_size=20):
        kept = bytes(seal.rows)
        if digest_seal(seal.day, kept, previous) != seal.digest:
            faults.append(LedgerFault("Sealed days stay as they are", f"the seal of {seal.day}"))
        faults += _differences(dict(_unpack(kept)), dict(_unpack(digest_day(seal.day))))
        previous = seal.digest
        if len(faults) >= limit:
            break
    return faults[:limit]


def _differences(kept: dict[int, bytes], present: dict[int, bytes]) -> list[LedgerFault]:
    return [
        LedgerFault("Sealed entries stay as they are", f"entry {entry_id}")
        for entry_id in sorted(kept.keys() | present.keys())
        if kept.get(entry_id) != present.get(entry_id)
    ]


def _unpack(rows: bytes) -> Iterator[tuple[int, bytes]]:
    yield from _ROW.iter_unpack(rows)


def _digest_entry(entry: PointsEntry) -> bytes:
    values: list[Any] = [getattr(entry, name) for name in _FIELDS]
    values += [entry.occurred_at.astimezone(UTC), entry.recorded_at.astimezone(UTC)]
    values += sorted(entry.details.items(), key=lambda item: item[0])
    values += [(part.lot_id, part.points) for part in entry.allocations.all()]
    return blind_index("loyalty.seal.entry", repr(values)).encode()[:16]
