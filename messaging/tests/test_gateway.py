"""Every way a call can end, over real sockets."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from messaging.engine.failures import KIND_OF_CODE
from messaging.errors import FailureKind, GatewayError
from messaging.gateways.whatsapp import (
    Address,
    TemplateCall,
    list_templates,
    read_number,
    send_template,
)
from messaging.tests.servers import Script, accepted, answering, free_port, scripted_server

TOKEN = "canary-token-4711"
CALL = TemplateCall(
    to="+447700900101", template="points_earned", language="en", components=[], attempt=uuid4()
)


def address(base_url: str, *, token: str = TOKEN) -> Address:
    return Address(
        base_url=base_url,
        api_version="v26.0",
        phone_number_id="118",
        business_account_id="204",
        access_token=token,
    )


def failure(base_url: str, *, token: str = TOKEN, deadline_s: float = 2.0) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        send_template(address(base_url, token=token), CALL, deadline_s=deadline_s)
    assert TOKEN not in f"{caught.value!r} {caught.value}"
    return caught.value


def test_a_taken_message_has_an_id_and_carries_the_attempt() -> None:
    with scripted_server(answering(200, accepted("wamid.A"))) as (url, requests):
        assert send_template(address(url), CALL) == "wamid.A"
    assert requests[0].startswith(b"POST /v26.0/118/messages HTTP/1.1\r\n")
    assert f"Authorization: Bearer {TOKEN}".encode() in requests[0]
    assert str(CALL.attempt).encode() in requests[0]
    assert b'"to": "+447700900101"' in requests[0]


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with scripted_server(answering(200, accepted())) as (url, _):
        assert send_template(address(url), CALL) == "wamid.TEST1"


@pytest.mark.parametrize("code", sorted(KIND_OF_CODE))
def test_a_refusal_means_what_its_code_means(code: int) -> None:
    error = {"error": {"code": code, "message": "m", "error_data": {"details": "why"}}}
    with scripted_server(answering(400, error)) as (url, _):
        refused = failure(url)
    assert (refused.kind, refused.code, refused.details) == (KIND_OF_CODE[code], code, "why")


def hang(connection: socket.socket) -> None:
    time.sleep(30)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def cut_short(connection: socket.socket) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"messages":')


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(300):
        connection.sendall(b"a")
        time.sleep(0.1)


def drip_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(300):
        connection.sendall(b"a")
        time.sleep(0.1)


def endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"a" * 65536)


@pytest.mark.parametrize("script", [reset, close, cut_short, endless])
def test_a_broken_answer_leaves_the_outcome_open(script: Script) -> None:
    with scripted_server(script) as (url, requests):
        assert failure(url).kind is FailureKind.AMBIGUOUS
    assert len(requests) == 1


@pytest.mark.parametrize("script", [hang, drip_headers, drip_body])
def test_no_answer_takes_longer_than_the_deadline(script: Script) -> None:
    started = time.monotonic()
    with scripted_server(script) as (url, requests):
        assert failure(url, deadline_s=0.6).kind is FailureKind.AMBIGUOUS
    assert time.monotonic() - started < 1.6
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (502, "<html>Bad gateway</html>", FailureKind.AMBIGUOUS),
        (500, {"error": {"code": 131000, "message": "try later"}}, FailureKind.TRANSIENT),
        (500, {"error": {"code": "131000"}}, FailureKind.AMBIGUOUS),
        (500, {"error": "odd"}, FailureKind.AMBIGUOUS),
        (500, [], FailureKind.AMBIGUOUS),
        (200, "<html>", FailureKind.AMBIGUOUS),
        (200, "[" * 100_000, FailureKind.AMBIGUOUS),
        (200, {"messages": []}, FailureKind.AMBIGUOUS),
        (200, {"messages": [{"id": 7}]}, FailureKind.AMBIGUOUS),
        (200, {"error": {"code": 131026}}, FailureKind.UNREACHABLE),
        (404, "<html>", FailureKind.OUR_FAULT),
        (401, "", FailureKind.AUTHENTICATION),
        (429, "<html>slow down</html>", FailureKind.THROTTLE_NUMBER),
    ],
)
def test_an_odd_answer_is_sorted_with_care(status: int, body: object, kind: FailureKind) -> None:
    with scripted_server(answering(status, body)) as (url, _):
        assert failure(url).kind is kind


def test_redirects_are_not_followed() -> None:
    with (
        scripted_server(answering(200, accepted())) as (elsewhere, elsewhere_requests),
        scripted_server(answering(307, "", headers=f"Location: {elsewhere}\r\n")) as (url, _),
    ):
        assert failure(url).kind is FailureKind.TRANSIENT
    assert not elsewhere_requests


def test_a_refused_connection_is_safe_to_repeat() -> None:
    assert failure(f"http://127.0.0.1:{free_port()}").kind is FailureKind.TRANSIENT


def test_an_unknown_host_is_safe_to_repeat() -> None:
    assert failure("http://no-such-host.invalid").kind is FailureKind.TRANSIENT


@pytest.mark.parametrize("base_url", ["ftp://127.0.0.1", "127.0.0.1", "http://"])
def test_an_address_that_is_none_is_our_fault(base_url: str) -> None:
    assert failure(base_url).kind is FailureKind.OUR_FAULT


@pytest.mark.parametrize("token", ["a\nb", "टोकन"])
def test_a_token_that_fits_no_header_is_our_fault(token: str) -> None:
    with scripted_server(answering(200, accepted())) as (url, requests):
        assert failure(url, token=token).kind is FailureKind.OUR_FAULT
    assert not requests


def test_plain_text_where_tls_is_expected_leaves_the_outcome_open() -> None:
    with scripted_server(answering(200, accepted())) as (url, _):
        assert failure(url.replace("http", "https")).kind is FailureKind.AMBIGUOUS


@pytest.fixture
def untrusted_tls(tmp_path: Path) -> Iterator[str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def handshake(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True)

    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                handshake(connection)
            except (OSError, ssl.SSLError):
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def test_an_untrusted_certificate_is_safe_to_repeat(untrusted_tls: str) -> None:
    assert failure(untrusted_tls).kind is FailureKind.TRANSIENT


def page(names: list[str], *, after: str = "", more: bool = False) -> dict[str, object]:
    rows = [
        {
            "id": name,
            "name": name,
            "language": "en",
            "status": "APPROVED",
            "category": "UTILITY",
            "components": [{"type": "BODY", "text": "x"}],
        }
        for name in names
    ]
    paging = {"cursors": {"after": after}, **({"next": "https://x.test"} if more else {})}
    return {"data": rows, "paging": paging}


def serving(*answers: tuple[int, object]) -> Script:
    pending = list(answers)

    def script(connection: socket.socket) -> None:
        answering(*pending.pop(0))(connection)

    return script


def test_templates_are_listed_over_all_pages() -> None:
    script = serving((200, page(["a", "b"], after="c1", more=True)), (200, page(["c"])))
    with scripted_server(script) as (url, requests):
        assert [each.name for each in list_templates(address(url))] == ["a", "b", "c"]
    assert b"after=c1" in requests[1]


def test_a_cursor_that_whatsapp_forgot_starts_the_list_again() -> None:
    bad_cursor = {"error": {"code": 131059, "message": "bad cursor"}}
    script = serving(
        (200, page(["a"], after="c1", more=True)),
        (400, bad_cursor),
        (200, page(["a"], after="c2", more=True)),
        (200, page(["b"])),
    )
    with scripted_server(script) as (url, _):
        names = {each.name for each in list_templates(address(url))}
    assert names == {"a", "b"}


@pytest.mark.parametrize(
    "answers",
    [
        [(200, page(["a"], after="c1", more=True))] * 3,
        [(200, {"data": 7})],
        [(200, {"data": [{"id": "1"}]})],
        [(502, "<html>")],
    ],
)
def test_a_list_that_does_not_end_or_is_odd_is_refused(answers: list[tuple[int, object]]) -> None:
    with (
        scripted_server(serving(*answers)) as (url, _),
        pytest.raises(GatewayError),
    ):
        list(list_templates(address(url)))


def test_the_number_says_its_name() -> None:
    answer = {"display_phone_number": "+44 20", "verified_name": "Shop", "quality_rating": "GREEN"}
    with scripted_server(answering(200, answer)) as (url, _):
        state = read_number(address(url), deadline_s=2)
    assert (state.display_number, state.verified_name, state.quality) == ("+44 20", "Shop", "GREEN")
