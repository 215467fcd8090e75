"""One page of documents, in one transaction with the cursor behind it."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from erp.engine import Fault
from erp.errors import FloodError
from erp.gateways import Page, Record
from erp.models import Binding, Entity, Quarantine, RawRecord, Stream, SyncRun
from erp.services.applying import apply_rows
from erp.services.mappings import compiled
from erp.services.runs import Lease, advance
from loyalty_site.common.crypto import encrypt
from loyalty_site.common.rows import insert_missing_rows, insert_rows, update_rows

_BATCH = 1000
_FLOOD = 20
_CONTENT_COLUMNS = ("content_hash", "payload", "run_id", "applied_version_id", "seen_at")
_written = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(slots=True)
class Document:
    """A record on its way through a page: what was stored, what it became, or why not."""

    record: Record
    key: str
    content: str
    content_hash: str
    run_id: int | None
    record_id: int | None = None
    stage: str = Quarantine.Stage.READ
    row: dict[str, Any] | None = None
    fault: Fault | None = None
    local_id: int | None = None


@transaction.atomic
def apply_page(lease: Lease, page: Page) -> SyncRun:
    """Store, map and apply a page, set aside what cannot be applied, and move the cursor.

    All of it is committed together or not at all, so the cursor never passes a document that is
    neither applied nor set aside. Documents whose content is known under the same mapping write
    nothing. The number of queries does not depend on the number of documents.

    Raises:
        LeaseLostError: another worker took the stream over; nothing was written.
        FloodError: most of the page is refused for one reason; nothing was written.
    """
    advance(lease, page.cursor)
    stream = Stream.objects.select_related("connection", "mapping_version__mapping").get(
        pk=lease.stream.pk
    )
    documents = _documents(page.records, run_id=lease.run_id)
    fresh = _without_known(stream, documents)
    map_documents(stream, fresh)
    write_documents(stream, fresh)
    _refuse_flood(fresh)
    return _count(lease, page, fresh)


def _documents(records: Sequence[Record], *, run_id: int) -> list[Document]:
    """One document per key; of a key that comes twice, the later content counts."""
    documents = (document_of(record, run_id=run_id) for record in records)
    return list({document.key: document for document in documents}.values())


def document_of(record: Record, *, run_id: int | None, key: str = "") -> Document:
    """A record with its content as it is stored; without a key of its own it is its hash."""
    content = _written(record.payload)
    digest = hashlib.sha256(content.encode()).hexdigest()
    key = key or record.key or f"?{digest[:40]}"
    return Document(record, key, content, digest, run_id, fault=record.fault)


def _without_known(stream: Stream, documents: list[Document]) -> list[Document]:
    """Those whose content or mapping is new; they learn where an earlier content is stored."""
    stored = {
        key: (record_id, content_hash, version_id)
        for key, *(record_id, content_hash, version_id) in RawRecord.objects.filter(
            stream=stream, external_key__in=[document.key for document in documents]
        ).values_list("external_key", "pk", "content_hash", "applied_version")
    }
    fresh = []
    for document in documents:
        record_id, content_hash, version_id = stored.get(document.key, (None, None, None))
        if (content_hash, version_id) != (document.content_hash, stream.mapping_version_id):
            document.record_id = record_id
            fresh.append(document)
    return fresh


def map_documents(stream: Stream, documents: Sequence[Document]) -> None:
    """Fill `row`, or `fault` where the mapping refuses."""
    mapping = compiled(stream.mapping_version, zone=stream.connection.zone)
    for document in documents:
        if document.fault:
            continue
        document.stage = Quarantine.Stage.MAP
        mapped = mapping.apply(document.record.row)
        if isinstance(mapped, Fault):
            document.fault = mapped
        else:
            document.row = mapped


def write_documents(stream: Stream, documents: Sequence[Document]) -> None:
    """Apply what was mapped, keep all as received, and set aside what could not be applied."""
    mapped = [document for document in documents if document.row is not None]
    results = apply_rows(stream, [document.row or {} for document in mapped])
    for document, result in zip(mapped, results, strict=True):
        document.stage = Quarantine.Stage.APPLY
        if isinstance(result, Fault):
            document.fault = result
        else:
            document.local_id = result
    _store(stream, documents)
    _bind(stream, mapped)
    _set_aside(stream, documents)


def _refuse_flood(documents: Sequence[Document]) -> None:
    """A page that is mostly refused for one reason points to the mapping or to us."""
    reasons = Counter(
        (document.fault.code, document.fault.field) for document in documents if document.fault
    )
    for (code, field), count in reasons.most_common(1):
        if count > max(_FLOOD, len(documents) // 2):
            fault = next(
                document.fault
                for document in documents
                if document.fault and (document.fault.code, document.fault.field) == (code, field)
            )
            raise FloodError(
                count=count, total=len(documents), reason=f"{fault.field} {fault.message}".strip()
            )


def _store(stream: Stream, documents: Sequence[Document]) -> None:
    """Keep all as received, sealed; of what is here already only the newest content."""
    now = timezone.now()
    contents = {
        document.key: (
            document.content_hash,
            encrypt(document.content),
            document.run_id,
            None if document.fault else stream.mapping_version_id,
            now,
        )
        for document in documents
    }
    insert_rows(
        RawRecord,
        ("stream_id", "external_key", *_CONTENT_COLUMNS),
        [
            (stream.pk, document.key, *contents[document.key])
            for document in documents
            if document.record_id is None
        ],
    )
    update_rows(
        RawRecord,
        ("id", *_CONTENT_COLUMNS),
        [
            (document.record_id, *contents[document.key])
            for document in documents
            if document.record_id is not None
        ],
    )


def _bind(stream: Stream, documents: Sequence[Document]) -> None:
    """Customers are bound where they are found; the others here."""
    if stream.entity == Entity.CUSTOMER:
        return
    now = timezone.now()
    insert_missing_rows(
        Binding,
        ("connection_id", "entity", "external_key", "local_id", "bound_at"),
        sorted(
            (stream.connection_id, stream.entity, document.row["erp_id"], document.local_id, now)
            for document in documents
            if document.row and document.local_id is not None
        ),
    )


def _set_aside(stream: Stream, documents: Sequence[Document]) -> None:
    """Open a case for each refused document, and close those of documents that came right."""
    now = timezone.now()
    refused = {document.key: document for document in documents if document.fault}
    came_right = [document.record_id for document in documents if not document.fault]
    if any(came_right):
        Quarantine.objects.filter(
            state=Quarantine.State.OPEN, record__in=[pk for pk in came_right if pk]
        ).update(state=Quarantine.State.RESOLVED, resolved_at=now)
    if not refused:
        return
    records = RawRecord.objects.filter(stream=stream, external_key__in=refused)
    Quarantine.objects.bulk_create(
        [
            Quarantine(
                record_id=record_id,
                stage=refused[key].stage,
                code=fault.code,
                field=fault.field[:80],
                message=fault.message[:300],
                mapping_version=stream.mapping_version,
                tries=(tries or 0) + 1,
                first_seen_at=now,
                last_seen_at=now,
            )
            for record_id, key, tries in records.values_list(
                "pk", "external_key", "quarantine__tries"
            )
            if (fault := refused[key].fault)
        ],
        batch_size=_BATCH,
        update_conflicts=True,
        unique_fields=["record"],
        update_fields=[
            "stage",
            "code",
            "field",
            "message",
            "mapping_version",
            "state",
            "tries",
            "last_seen_at",
            "resolved_at",
        ],
    )


def _count(lease: Lease, page: Page, fresh: Sequence[Document]) -> SyncRun:
    rejected = sum(document.fault is not None for document in fresh)
    applied = [document.row for document in fresh if document.row and not document.fault]
    moments: list[datetime] = [row["occurred_at"] for row in applied if "occurred_at" in row]
    times = (
        {
            "first_bill_at": Coalesce(F("first_bill_at"), Value(min(moments))),
            "last_bill_at": max(moments),
        }
        if moments
        else {}
    )
    SyncRun.objects.filter(pk=lease.run_id).update(
        pages=F("pages") + 1,
        fetched=F("fetched") + len(page.records),
        applied=F("applied") + len(applied),
        unchanged=F("unchanged") + len(page.records) - len(fresh),
        rejected=F("rejected") + rejected,
        lines=F("lines") + sum(len(row.get("lines", ())) for row in applied),
        cursor_after=page.cursor,
        **times,
    )
    return SyncRun.objects.get(pk=lease.run_id)
