"""Set-aside documents, tried again."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import transaction

from erp.gateways import open_source
from erp.models import Quarantine, RawRecord, Stream
from erp.services.connections import endpoint_of
from erp.services.pages import document_of, map_documents, write_documents


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a replay, in documents."""

    applied: int
    refused: int


def replay_quarantined(*, rows: Sequence[Quarantine]) -> Replay:
    """Map and apply set-aside documents again, by their stream's present mapping.

    The newest content that the ERP sent counts. What was put right meanwhile is left alone, so
    a document takes effect once however often this is called.
    """
    ids: dict[int, list[int]] = defaultdict(list)
    for stream_id, row_id in Quarantine.objects.filter(pk__in=[row.pk for row in rows]).values_list(
        "record__stream_id", "pk"
    ):
        ids[stream_id].append(row_id)
    replays = [_replay_stream(stream_id, ids[stream_id]) for stream_id in sorted(ids)]
    return Replay(
        applied=sum(replay.applied for replay in replays),
        refused=sum(replay.refused for replay in replays),
    )


@transaction.atomic
def _replay_stream(stream_id: int, row_ids: Sequence[int]) -> Replay:
    # The stream's lock keeps a page of the same documents out meanwhile.
    stream = (
        Stream.objects.select_for_update(of=("self",))
        .select_related("connection", "mapping_version__mapping")
        .get(pk=stream_id)
    )
    records = RawRecord.objects.filter(
        quarantine__in=row_ids, quarantine__state=Quarantine.State.OPEN
    ).order_by("pk")
    source = open_source(endpoint_of(stream.connection))
    try:
        documents = [
            replace(
                document_of(
                    source.read(stream.entity, json.loads(record.payload)),
                    run_id=record.run_id,
                    key=record.external_key,
                ),
                record_id=record.pk,
            )
            for record in records
        ]
    finally:
        source.close()
    map_documents(stream, documents)
    write_documents(stream, documents)
    refused = sum(document.fault is not None for document in documents)
    return Replay(applied=len(documents) - refused, refused=refused)
