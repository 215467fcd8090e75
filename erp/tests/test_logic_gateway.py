import base64
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from requests.auth import HTTPBasicAuth

from erp.gateways import Endpoint, GatewayError
from erp.gateways.http import JsonClient
from erp.gateways.logic import LogicSource
from erp.tests.fault_server import Answer, FaultServer, envelope, reply, serving

ITEM = {"LogicUser_Code": "1", "ItemName": "Soap"}
KIND = GatewayError.Kind


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with serving() as server:
        yield server


@pytest.fixture
def source(server: FaultServer) -> Iterator[LogicSource]:
    source = source_of(server.url)
    yield source
    source.close()


def source_of(url: str) -> LogicSource:
    endpoint = Endpoint("logic", url, "basic", "loyalty:s3cret", deadline_s=1.0)
    assert "s3cret" not in repr(endpoint)
    source = LogicSource(endpoint)
    source._client._pause = lambda seconds: None
    return source


def refused(source: LogicSource, **cursor: int) -> GatewayError:
    with pytest.raises(GatewayError) as error:
        source.fetch("item", cursor)
    assert "s3cret" not in str(error.value)
    return error.value


def test_asks_as_the_reference_says_and_moves_the_cursor(
    server: FaultServer, source: LogicSource
) -> None:
    server.answer(envelope([ITEM], 7), envelope([], 0))
    page = source.fetch("item", {})
    assert [record.key for record in page.records] == ["1"]
    assert (page.cursor, page.is_last) == ({"modify_code": 7}, False)
    rest = source.fetch("item", page.cursor)
    assert (rest.records, rest.cursor, rest.is_last) == ((), {"modify_code": 7}, True)
    path, body, authorization = server.requests[1]
    assert path == "/api/GetItemMaster"
    assert body["GlobalModifyCode"] == 7
    assert base64.b64decode(authorization.removeprefix("Basic ")) == b"loyalty:s3cret"


def test_numbers_keep_their_digits(server: FaultServer, source: LogicSource) -> None:
    server.answer(
        reply('{"GetData":[{"LogicUser_Code":1,"MRP":0.10}],"Status":1,"LastGlobalModifyCode":"3"}')
    )
    payload = source.fetch("item", {}).records[0].payload
    assert (payload["MRP"], payload["LogicUser_Code"]) == ("0.10", 1)


@pytest.mark.parametrize(
    "answer",
    [
        envelope([ITEM], 5, Status=False, Message="Branch is locked"),
        envelope([ITEM], 5, Status=None),
        envelope(None, 5),
        envelope({"0": ITEM}, 5),
        envelope([1, 2], 5),
        envelope([ITEM], 5, LastGlobalModifyCode="soon"),
        reply('{"Status":true,"LastGlobalModifyCode":5}'),
        reply('{"GetData":[{"LogicUser_Code":"1"}],"Status":true,"LastGl'),
        reply("<html><body>Please sign in</body></html>"),
        reply('{"GetData":[{"LogicUser_Code":NaN}],"Status":true,"LastGlobalModifyCode":5}'),
        reply("[" * 100_000),
        reply(""),
    ],
)
def test_anything_but_a_whole_page_is_an_error_and_never_an_empty_page(
    server: FaultServer, source: LogicSource, answer: Answer
) -> None:
    server.answer(answer)
    assert refused(source).kind is KIND.BAD_ANSWER
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_not_tried_again(
    server: FaultServer, source: LogicSource, status: int
) -> None:
    server.answer(reply("", status))
    assert refused(source).kind is KIND.AUTHENTICATION
    assert len(server.requests) == 1


def test_a_fault_that_passes_is_tried_three_times(server: FaultServer, source: LogicSource) -> None:
    server.answer(reply("", 500), reply("", 500), envelope([ITEM], 2))
    assert len(source.fetch("item", {}).records) == 1
    server.answer(reply("", 500))
    assert refused(source).kind is KIND.TRANSIENT
    assert len(server.requests) == 6


def test_a_request_to_wait_is_passed_on_at_once(server: FaultServer, source: LogicSource) -> None:
    server.answer(reply("", 429, Retry_After="17"))
    error = refused(source)
    assert (error.kind, error.retry_after_s) == (KIND.THROTTLED, 17.0)
    server.answer(reply("", 429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"))
    assert refused(source).retry_after_s == 60.0
    assert len(server.requests) == 2


def test_redirects_are_not_followed(server: FaultServer, source: LogicSource) -> None:
    server.answer(reply("", 302, Location="http://127.0.0.1:1/"))
    assert refused(source).kind is KIND.REFUSED
    assert len(server.requests) == 1


@pytest.mark.parametrize(("last", "word"), [(5, "stands still"), (4, "fell")])
def test_a_counter_that_does_not_rise_stops_and_asks(
    server: FaultServer, source: LogicSource, last: int, word: str
) -> None:
    server.answer(envelope([ITEM], last))
    error = refused(source, modify_code=5)
    assert error.kind is KIND.CURSOR
    assert error.kind.needs_person
    assert word in str(error)


def drips_in_the_body(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _number in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def drips_in_the_headers(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(100):
        handler.wfile.write(f"X-{number}: 1\r\n".encode())
        handler.wfile.flush()
        time.sleep(0.1)


def breaks_off(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"GetData":[')
    handler.wfile.flush()
    handler.connection.shutdown(2)


@pytest.mark.parametrize("answer", [drips_in_the_body, drips_in_the_headers, breaks_off])
def test_slow_and_broken_answers_end_within_the_deadline(
    server: FaultServer, answer: Answer
) -> None:
    server.answer(answer)
    client = JsonClient(auth=HTTPBasicAuth("a", "b"), deadline_s=0.5, tries=1)
    started = time.monotonic()
    with pytest.raises(GatewayError) as error:
        client.post(server.url, {})
    assert error.value.kind is KIND.TRANSIENT
    assert time.monotonic() - started < 2


def test_a_body_without_end_is_cut(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("erp.gateways.http.MAX_BYTES", 1000)
    server.answer(reply(" " * 5000))
    assert refused(source_of(server.url)).kind is KIND.BAD_ANSWER


def test_nobody_listening_is_a_passing_fault() -> None:
    assert refused(source_of("http://127.0.0.1:9")).kind is KIND.TRANSIENT
