"""Reading bodies: everything in them, each item on its own."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from messaging.engine.webhooks import read_body
from messaging.engine.words import Wish, read_button_wish, read_wish
from messaging.errors import MalformedUpdateError
from messaging.tests.factories import body_of, status_item

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)


def read(**values: Any) -> Any:
    return read_body(body_of(**values).decode())


def inbound(**fields: Any) -> dict[str, Any]:
    return {
        "from": "447700900101",
        "id": "wamid.IN1",
        "timestamp": "1795334600",
        "type": "text",
        "text": {"body": "Hello"},
        **fields,
    }


def test_every_item_of_every_entry_is_read() -> None:
    statuses = [status_item(wamid=f"wamid.{n}", status="sent", at=AT) for n in range(3)]
    one = json.loads(body_of(statuses=statuses, messages=[inbound()]))
    two = json.loads(body_of(statuses=[status_item(wamid="wamid.9", status="read", at=AT)]))
    one["entry"] += two["entry"]
    one["entry"][0]["changes"] += two["entry"][0]["changes"]
    reading = read_body(json.dumps(one))
    assert [each.wamid for each in reading.statuses] == [
        *("wamid.0", "wamid.1", "wamid.2", "wamid.9", "wamid.9"),
    ]
    assert len(reading.inbound) == 1
    assert not reading.faulty


@pytest.mark.parametrize(
    "bad",
    [
        {},
        None,
        7,
        [],
        {"id": "wamid.1", "status": "sent"},
        {"id": "wamid.1", "status": "sent", "timestamp": "soon"},
        {"id": "wamid.1", "status": "sent", "timestamp": "٠١٢٣٤٥٦٧٨٩"},
        {"id": "wamid.1", "status": "sent", "timestamp": True},
        {"id": "a\x00b", "status": "sent", "timestamp": "1795334600"},
        {"id": "w" * 201, "status": "sent", "timestamp": "1795334600"},
        {"id": "wamid.1", "status": {"x": 1}, "timestamp": "1795334600"},
        {"id": "wamid.1", "status": "sent", "timestamp": "1795334600", "pricing": [1]},
        {"id": "wamid.1", "status": "failed", "timestamp": "1795334600", "errors": ["x"]},
    ],
)
def test_one_bad_item_among_fifty_is_set_aside(bad: Any) -> None:
    good = [status_item(wamid=f"wamid.g{n}", status="sent", at=AT) for n in range(49)]
    reading = read(statuses=[*good[:20], bad, *good[20:]])
    assert len(reading.statuses) == 49
    (faulty,) = reading.faulty
    assert faulty.position == "entry[0].changes[0].value.statuses[20]"
    assert json.loads(faulty.raw) == bad


def test_a_list_that_is_none_does_not_harm_the_list_beside_it() -> None:
    reading = read(statuses={"a": 1}, messages=[inbound()])
    assert (len(reading.inbound), len(reading.faulty)) == (1, 1)


@pytest.mark.parametrize("raw", ["", "{", "[]", "7", "null", '{"entry": {}}', "[" * 100_000])
def test_refuses_a_body_that_is_no_list_of_entries(raw: str) -> None:
    with pytest.raises(MalformedUpdateError):
        read_body(raw)


def test_unknown_kinds_are_counted_and_never_an_error() -> None:
    body = {
        "entry": [
            {"id": "1", "changes": [{"field": "flows", "value": {"x": 1}}]},
            {"id": "1", "changes": [{"field": "messages", "value": {"metadata": {}}}]},
        ]
    }
    reading = read_body(json.dumps(body))
    assert (reading.unknown, reading.items, reading.faulty) == (2, 0, [])


def test_milliseconds_are_understood() -> None:
    item = {**status_item(wamid="wamid.1", status="sent", at=AT), "timestamp": "1795334600123"}
    assert read(statuses=[item]).statuses[0].at.year == 2026


def test_a_callback_that_is_none_of_our_ids_is_ignored() -> None:
    ours = uuid4()
    items = [
        status_item(wamid="wamid.1", status="sent", at=AT, callback="att_0001"),
        status_item(wamid="wamid.2", status="sent", at=AT, callback=str(ours)),
    ]
    assert [each.callback for each in read(statuses=items).statuses] == [None, ours]


def test_a_sender_without_a_phone_is_known_by_the_user_id() -> None:
    item = inbound(from_user_id="GB.1")
    del item["from"]
    (update,) = read(messages=[item]).inbound
    assert (update.phone, update.sender_id) == ("", "GB.1")


def test_texts_lose_what_no_database_takes() -> None:
    (update,) = read(messages=[inbound(text={"body": "a\ud800b\x00c"})]).inbound
    assert update.text == "a?bc"


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("STOP", Wish.STOP),
        (" stop! ", Wish.STOP),
        ("Unsubscribe.", Wish.STOP),
        ("बंद करें", Wish.STOP),
        ("रोकें।", Wish.STOP),
        ("start", Wish.START),
        ("शुरू करें", Wish.START),
        ("please stop by tomorrow", None),
        ("", None),
        ("balance", None),
    ],
)
def test_a_wish_is_the_whole_text(text: str, wish: Wish | None) -> None:
    assert read_wish(text) is wish


def test_a_tapped_stop_ends_promotions_only() -> None:
    assert read_button_wish(payload="OPTOUT:MARKETING", label="x") is Wish.STOP_MARKETING
    assert read_button_wish(payload="x", label="Stop promotions") is Wish.STOP_MARKETING
    assert read_button_wish(payload="yes", label="Redeem") is None
