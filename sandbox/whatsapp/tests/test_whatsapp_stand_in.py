"""The stand-in over real HTTP, with a small webhook receiver on the other side."""

import hashlib
import hmac
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sandbox.whatsapp import cloud as cloud_module
from sandbox.whatsapp.cloud import Cloud
from sandbox.whatsapp.errors import GraphError
from sandbox.whatsapp.journal import Journal
from sandbox.whatsapp.server import StandIn
from sandbox.whatsapp.settings import PHONE_NUMBER_ID, WABA_ID, Settings
from sandbox.whatsapp.templates import SHIPPED, Catalogue

T = TypeVar("T")
PHONE = "447700900101"
TOKEN = "sandbox-whatsapp-token"
ROOT = Path(__file__).resolve().parents[3]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Receiver:
    """The product's side: keeps what it was told and answers as the test wants."""

    answer: int = 200
    verify_token: str = "sandbox-verify-token"
    bodies: list[dict[str, Any]] = field(default_factory=list)
    signed: list[bool] = field(default_factory=list)
    handshakes: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/whatsapp/"

    @property
    def values(self) -> list[dict[str, Any]]:
        return [
            change["value"]
            for body in self.bodies
            for entry in body["entry"]
            for change in entry["changes"]
        ]

    @property
    def statuses(self) -> list[dict[str, Any]]:
        return [item for value in self.values for item in value.get("statuses", [])]

    @property
    def inbound(self) -> list[dict[str, Any]]:
        return [item for value in self.values for item in value.get("messages", [])]


def handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
            if not query:  # where a redirect leads
                return self.reply(200, "")
            granted = query.get("hub.verify_token") == receiver.verify_token
            receiver.handshakes += 1
            return self.reply(200 if granted else 403, query["hub.challenge"] if granted else "")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.answer == 200:
                digest = hmac.new(b"sandbox-app-secret", body, hashlib.sha256).hexdigest()
                receiver.signed.append(self.headers["X-Hub-Signature-256"] == f"sha256={digest}")
                receiver.bodies.append(json.loads(body))
            self.reply(receiver.answer, "")

        def reply(self, status: int, text: str) -> None:
            self.send_response(status)
            if status == 301:
                self.send_header("Location", receiver.url)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(receiver))
    receiver.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield receiver
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(receiver: Receiver, tmp_path: Path) -> Settings:
    return Settings(
        port=0,
        state_dir=tmp_path,
        webhook_url=receiver.url,
        status_delay=0.01,
        retry_first=0.02,
        retry_longest=0.1,
    )


@pytest.fixture
def stand_in(settings: Settings) -> Iterator[StandIn]:
    stand_in = StandIn(settings)
    stand_in.start()
    yield stand_in
    stand_in.stop()


@dataclass
class Reply:
    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> int:
        return int(self.json["error"]["code"])

    @property
    def text(self) -> str:
        return self.body.decode()


def call(
    url: str,
    *,
    data: bytes | None = None,
    token: str = TOKEN,
    content_type: str = "application/json",
) -> Reply:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
    request = urllib.request.Request(url, data=data, headers=headers)
    try:
        with OPENER.open(request, timeout=10) as response:
            return Reply(response.status, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.read())


def send(stand_in: StandIn, request: object, *, phone_id: str = PHONE_NUMBER_ID) -> Reply:
    return call(f"{stand_in.url}/v24.0/{phone_id}/messages", data=json.dumps(request).encode())


def post_form(stand_in: StandIn, phone: str, **form: str) -> Reply:
    return call(
        f"{stand_in.url}/chat/{phone}",
        data=urllib.parse.urlencode(form).encode(),
        content_type="application/x-www-form-urlencoded",
    )


def ledger(stand_in: StandIn, since: int = 0) -> list[dict[str, Any]]:
    answer = call(f"{stand_in.url}/_sandbox/ledger?since={since}").json
    assert isinstance(answer, list)
    return answer


def named(**values: str) -> dict[str, Any]:
    parameters = [
        {"type": "text", "parameter_name": name, "text": text} for name, text in values.items()
    ]
    return {"type": "body", "parameters": parameters}


def template(
    name: str, *components: dict[str, Any], language: str = "en", to: str = f"+{PHONE}", **more: Any
) -> dict[str, Any]:
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": to,
        "type": "template",
        "template": {
            "name": name,
            "language": {"code": language},
            "components": list(components),
        },
        **more,
    }


def welcome(to: str = f"+{PHONE}", **more: Any) -> dict[str, Any]:
    return template("welcome", named(first_name="Layla"), to=to, **more)


def sign_in(body_code: str, button_code: str | None) -> dict[str, Any]:
    components: list[dict[str, Any]] = [
        {"type": "body", "parameters": [{"type": "text", "text": body_code}]}
    ]
    if button_code is not None:
        parameters = [{"type": "text", "text": button_code}]
        components.append(
            {"type": "button", "sub_type": "url", "index": "0", "parameters": parameters}
        )
    return template("sign_in_code", *components)


def text(body: str, **more: Any) -> dict[str, Any]:
    return {
        "messaging_product": "whatsapp",
        "to": f"+{PHONE}",
        "type": "text",
        "text": {"body": body},
        **more,
    }


def interactive(**content: Any) -> dict[str, Any]:
    body = {"body": {"text": "Redeem 250 points for a coffee?"}, **content}
    return {**text(""), "type": "interactive", "interactive": body}


def eventually(read: Callable[[], T], seconds: float = 10) -> T:
    """Wait until `read` returns something true."""
    deadline = time.monotonic() + seconds
    while not (value := read()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
    return value


def all_told(stand_in: StandIn) -> bool:
    lines = ledger(stand_in)
    return bool(lines) and all(
        len(line["statuses"]) == 3 and all(step["told"] for step in line["statuses"])
        for line in lines
    )


# Sending


def test_accepts_a_template_and_answers_as_the_cloud_api_does(stand_in: StandIn) -> None:
    answer = send(stand_in, welcome())
    assert answer.status == 200
    contact, message = answer.json["contacts"][0], answer.json["messages"][0]
    assert answer.json["messaging_product"] == "whatsapp"
    assert (contact["input"], contact["wa_id"]) == (f"+{PHONE}", PHONE)
    assert re.fullmatch(r"GB\.\d{18}", contact["user_id"])
    assert message["id"].startswith("wamid.SBX")
    assert message["message_status"] == "accepted"


def test_sending_twice_delivers_twice_because_nothing_makes_a_send_idempotent(
    stand_in: StandIn,
) -> None:
    ids = {send(stand_in, welcome()).json["messages"][0]["id"] for _ in range(2)}
    assert len(ids) == len(ledger(stand_in)) == 2


def test_the_ledger_holds_the_text_that_the_person_sees(stand_in: StandIn) -> None:
    values = {"first_name": "Asha", "points": "42", "store": "MG Road", "balance": "420"}
    send(stand_in, template("points_earned", named(**values), biz_opaque_callback_data="att_1"))
    send(stand_in, template("points_earned", named(**values), language="hi"))
    english, hindi = ledger(stand_in)
    assert english["text"] == (
        "Hi Asha, you earned *42 points* at MG Road. Your balance is now 420 points."
    )
    assert english["biz_opaque_callback_data"] == "att_1"
    assert (english["template"], english["language"]) == ("points_earned", "en")
    assert "Asha" in hindi["text"] and "\N{DEVANAGARI LETTER PA}" in hindi["text"]
    assert [line["wamid"] for line in ledger(stand_in, since=1)] == [hindi["wamid"]]


def test_a_value_that_looks_like_a_variable_stays_as_it_is(stand_in: StandIn) -> None:
    send(stand_in, template("tier_up", named(first_name="{{tier}}", tier="Gold")))
    assert ledger(stand_in)[0]["text"].startswith("Congratulations {{tier}}!")


def test_every_shipped_template_can_be_sent_in_both_languages(stand_in: StandIn) -> None:
    for row in json.loads(SHIPPED.read_text(encoding="utf-8")):
        body = next(part for part in row["components"] if part["type"] == "BODY")
        if row["name"] == "sign_in_code":
            request = sign_in("123456", "123456")
        else:
            examples = body["example"]["body_text_named_params"]
            values = {each["param_name"]: each["example"] for each in examples}
            assert not re.search(r"^\W*\{\{|\}\}\W*$", body["text"]), "variable first or last"
            request = template(row["name"], named(**values))
        request["template"]["language"]["code"] = row["language"]
        assert send(stand_in, request).status == 200, row["name"]
    assert len(ledger(stand_in)) == 20


@pytest.mark.parametrize(
    ("request_body", "code"),
    [
        (["not an object"], 100),
        ({**welcome(), "messaging_product": "sms"}, 100),
        ({**welcome(), "to": None}, 131008),
        (welcome(to="not a phone"), 131009),
        (welcome(to="+123"), 131009),
        ({**welcome(), "recipient_type": "group"}, 131009),
        ({**welcome(), "type": "sticker"}, 131051),
        (welcome(biz_opaque_callback_data="x" * 513), 100),
        (template("no_such_template"), 132001),
        (template("welcome", named(first_name="Layla"), language="fr"), 132001),
        (template("welcome"), 132000),
        (template("tier_up", named(first_name="Layla")), 132000),
        (template("welcome", named(first_name="Layla", tier="Gold")), 132000),
        (template("welcome", named(name="Layla")), 132000),
        (template("tier_up", {"type": "header", "parameters": [{"type": "text"}]}), 132000),
        (template("welcome", {"type": "body", "parameters": [{"type": "image"}]}), 132012),
        (template("welcome", named(first_name="")), 131008),
        (template("welcome", named(first_name="two\nlines")), 100),
        (template("welcome", named(first_name="x" * 1024)), 132005),
        (template("welcome", named(first_name="a"), named(first_name="a")), 131009),
        (template("welcome", {"type": "body", "parameters": "x"}), 100),
        (template("welcome", {"type": "button", "sub_type": "url", "index": "0"}), 131009),
        (sign_in("123456", None), 132000),
        (sign_in("123456", "654321"), 131009),
        (sign_in("1" * 16, "1" * 16), 100),
        (text(""), 131008),
        (text("x" * 4097), 100),
        ({**text("x"), "text": "x"}, 100),
        (text("x", context="x"), 100),
        (interactive(type="carousel"), 131009),
        (interactive(type="button"), 131008),
        (interactive(type="button", action={"buttons": []}), 131009),
        (
            interactive(
                type="button",
                action={"buttons": [{"type": "reply", "reply": {"id": "a", "title": "x" * 21}}]},
            ),
            100,
        ),
        (
            interactive(
                type="button",
                action={"buttons": [{"type": "reply", "reply": {"id": "a", "title": "x"}}] * 2},
            ),
            131009,
        ),
        (interactive(type="list", action={"button": "Rewards", "sections": []}), 131009),
    ],
)
def test_refuses_what_the_cloud_api_would_refuse(
    stand_in: StandIn, request_body: object, code: int
) -> None:
    answer = send(stand_in, request_body)
    assert (answer.status >= 400, answer.code) == (True, code)
    assert answer.json["error"]["type"] == "OAuthException"
    assert ledger(stand_in) == []


def test_refuses_a_body_that_is_not_json(stand_in: StandIn) -> None:
    answer = call(f"{stand_in.url}/v24.0/{PHONE_NUMBER_ID}/messages", data=b"{")
    assert (answer.status, answer.code) == (400, 100)


@pytest.mark.parametrize("token", ["", "wrong", "sandbox-whatsapp-token-and-more", "\xe9"])
def test_refuses_a_wrong_token_everywhere(stand_in: StandIn, token: str) -> None:
    for path in (f"{PHONE_NUMBER_ID}/messages", PHONE_NUMBER_ID, f"{WABA_ID}/message_templates"):
        data = json.dumps(welcome()).encode() if path.endswith("messages") else None
        answer = call(f"{stand_in.url}/v24.0/{path}", data=data, token=token)
        assert (answer.status, answer.code) == (401, 190)
    assert ledger(stand_in) == []


def test_refuses_a_phone_number_id_that_is_not_ours(stand_in: StandIn) -> None:
    answer = send(stand_in, welcome(), phone_id="999")
    assert (answer.status, answer.code) == (400, 100)
    assert call(f"{stand_in.url}/v24.0/999").code == 100
    assert ledger(stand_in) == []


@pytest.mark.parametrize(
    ("status", "code"), [("PAUSED", 132015), ("DISABLED", 132016), ("PENDING", 132001)]
)
def test_refuses_a_template_that_is_not_approved(
    settings: Settings, status: str, code: int
) -> None:
    rows = json.loads(SHIPPED.read_text(encoding="utf-8"))
    catalogue = Catalogue({**row, "status": status} for row in rows)
    stand_in = StandIn(settings, catalogue=catalogue)
    stand_in.start()
    try:
        assert send(stand_in, welcome()).code == code
        assert ledger(stand_in) == []
    finally:
        stand_in.stop()


@pytest.mark.parametrize(
    ("to", "wa_id"),
    [
        ("+44 7700 900-101", PHONE),
        ("447700900101", PHONE),
        ("07700900101", PHONE),
        ("+919876543210", "919876543210"),
        ("919876543210", "44919876543210"),
    ],
)
def test_a_number_without_a_plus_is_read_as_a_number_of_the_shops_country(
    stand_in: StandIn, to: str, wa_id: str
) -> None:
    assert send(stand_in, welcome(to=to)).json["contacts"][0] | {"user_id": ""} == {
        "input": to,
        "wa_id": wa_id,
        "user_id": "",
    }


# The 24-hour window


def test_free_text_needs_a_person_who_wrote_first(stand_in: StandIn) -> None:
    refused = send(stand_in, text("You have 420 points."))
    assert (refused.status, refused.code) == (400, 131047)
    assert "24 hours" in refused.json["error"]["error_data"]["details"]
    assert ledger(stand_in) == []
    post_form(stand_in, PHONE, text="How many points do I have?")
    accepted = send(stand_in, text("You have 420 points."))
    assert "message_status" not in accepted.json["messages"][0]
    assert [line["text"] for line in ledger(stand_in)] == ["You have 420 points."]


def test_the_window_closes_after_24_hours(tmp_path: Path) -> None:
    now = 1_795_334_600.0
    cloud = Cloud(
        journal=Journal(tmp_path / "state.jsonl"),
        catalogue=Catalogue.shipped(),
        status_delay=0.2,
        clock=lambda: now,
    )
    cloud.receive_text(phone=PHONE, text="Hello")
    now += 24 * 60 * 60 - 1
    cloud.send(text("Still open"))
    now += 1
    with pytest.raises(GraphError) as refused:
        cloud.send(text("Too late"))
    assert refused.value.code == 131047
    assert [line["text"] for line in cloud.ledger()] == ["Still open"]
    cloud.close()


def test_marking_as_read_shows_the_person_that_the_shop_read_it(stand_in: StandIn) -> None:
    post_form(stand_in, PHONE, text="Hello")
    wamid = next(iter(stand_in.cloud.chat(PHONE).items)).wamid
    read = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
    assert send(stand_in, read).json == {"success": True}
    assert "Seen by the shop" in call(f"{stand_in.url}/chat/{PHONE}").text
    assert send(stand_in, {**read, "message_id": "wamid.unknown"}).code == 131009


# Webhooks


def test_statuses_arrive_signed_and_in_the_documented_shape(
    stand_in: StandIn, receiver: Receiver
) -> None:
    sent = send(stand_in, welcome(biz_opaque_callback_data="att_\u00e9"))
    wamid = sent.json["messages"][0]["id"]
    eventually(lambda: all_told(stand_in))
    assert receiver.signed and all(receiver.signed)
    assert [status["status"] for status in receiver.statuses] == ["sent", "delivered", "read"]
    for status in receiver.statuses:
        assert (status["id"], status["recipient_id"]) == (wamid, PHONE)
        assert status["biz_opaque_callback_data"] == "att_\u00e9"
        assert re.fullmatch(r"\d{10}", status["timestamp"])
        assert ("pricing" in status) == (status["status"] != "read")
    assert receiver.statuses[0]["pricing"] == {
        "billable": True,
        "pricing_model": "PMP",
        "type": "regular",
        "category": "utility",
    }
    value = receiver.values[0]
    assert value["metadata"]["phone_number_id"] == PHONE_NUMBER_ID
    assert value["contacts"][0]["wa_id"] == PHONE
    assert receiver.bodies[0]["object"] == "whatsapp_business_account"
    assert receiver.bodies[0]["entry"][0]["id"] == WABA_ID


@pytest.mark.parametrize("answer", [500, 301, 204])
def test_whatever_is_not_a_200_is_told_again(
    stand_in: StandIn, receiver: Receiver, answer: int
) -> None:
    receiver.answer = answer
    send(stand_in, welcome())
    eventually(lambda: len(ledger(stand_in)[0]["statuses"]) == 3)
    assert not any(step["told"] for step in ledger(stand_in)[0]["statuses"])
    receiver.answer = 200
    eventually(lambda: all_told(stand_in))
    assert {status["status"] for status in receiver.statuses} == {"sent", "delivered", "read"}


def test_a_backlog_comes_in_batches_of_at_most_100(stand_in: StandIn, receiver: Receiver) -> None:
    receiver.answer = 503
    for number in range(50):
        send(stand_in, welcome(to=f"+4477009{number:05d}"))
    eventually(lambda: stand_in.cloud.counts()["pending_updates"] == 150)
    receiver.answer = 200
    eventually(lambda: all_told(stand_in))
    sizes = [
        sum(len(change["value"]["statuses"]) for change in body["entry"][0]["changes"])
        for body in receiver.bodies
    ]
    assert 1 < max(sizes) <= 100
    assert sum(sizes) == 150
    for value in receiver.values:
        (contact,) = value["contacts"]
        assert {status["recipient_id"] for status in value["statuses"]} == {contact["wa_id"]}


def test_a_restart_loses_neither_messages_nor_updates(
    settings: Settings, receiver: Receiver
) -> None:
    receiver.answer = 503
    first = StandIn(settings)
    first.start()
    post_form(first, PHONE, text="Hello")
    send(first, welcome(biz_opaque_callback_data="att_1"))
    eventually(lambda: len(ledger(first)[0]["statuses"]) == 3)
    before = ledger(first)
    first.stop()

    receiver.answer = 200
    second = StandIn(settings)
    assert second.cloud.ledger() == before
    second.start()
    eventually(lambda: all_told(second))
    assert send(second, text("The window is still open.")).status == 200
    eventually(lambda: all_told(second))
    second.stop()
    assert [message["text"]["body"] for message in receiver.inbound] == ["Hello"]
    assert len(receiver.statuses) == 6

    third = StandIn(settings)
    third.start()
    assert third.cloud.counts() == {"messages": 2, "inbound": 1, "pending_updates": 0}
    third.stop()
    assert len(receiver.statuses) == 6


def test_steps_that_were_still_to_come_happen_after_a_restart(
    settings: Settings, receiver: Receiver
) -> None:
    first = StandIn(replace(settings, status_delay=0.3))
    first.start()
    send(first, welcome())
    first.stop()
    second = StandIn(settings)
    second.start()
    eventually(lambda: all_told(second))
    second.stop()
    assert [status["status"] for status in receiver.statuses] == ["sent", "delivered", "read"]


def test_a_line_that_was_half_written_is_dropped(settings: Settings) -> None:
    first = StandIn(settings)
    first.start()
    send(first, welcome())
    first.stop()
    path = settings.state_dir / "whatsapp.jsonl"
    with path.open("ab") as file:
        file.write(b'{"kind":"message","wam')
    second = StandIn(settings)
    second.start()
    send(second, welcome())
    assert len(ledger(second)) == 2
    second.stop()
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_the_handshake_is_repeated_until_the_product_is_there(settings: Settings) -> None:
    late = Receiver(verify_token="not yet")
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(late))
    late.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    stand_in = StandIn(replace(settings, webhook_url=late.url, retry_first=0.2, retry_longest=5.0))
    stand_in.start()
    try:
        eventually(lambda: late.handshakes)
        assert call(f"{stand_in.url}/_sandbox/health").json["handshake"] == "waiting"
        late.verify_token = "sandbox-verify-token"
        eventually(lambda: call(f"{stand_in.url}/_sandbox/health").json["handshake"] == "answered")
    finally:
        stand_in.stop()
        server.shutdown()
        server.server_close()


# The pages


def test_a_text_typed_on_the_page_reaches_the_webhook(
    stand_in: StandIn, receiver: Receiver
) -> None:
    page = post_form(stand_in, PHONE, text="How many <b>points</b>?")
    assert page.status == 200
    assert "How many &lt;b&gt;points&lt;/b&gt;?" in page.text
    (message,) = eventually(lambda: receiver.inbound)
    assert (message["from"], message["type"]) == (PHONE, "text")
    assert message["text"] == {"body": "How many <b>points</b>?"}
    assert message["id"].startswith("wamid.SBX")
    assert message["from_user_id"] == receiver.values[0]["contacts"][0]["user_id"]
    assert "context" not in message
    assert post_form(stand_in, PHONE, text="  ").status == 400
    assert stand_in.cloud.counts()["inbound"] == 1


def test_a_tapped_quick_reply_comes_back_with_its_payload(
    stand_in: StandIn, receiver: Receiver
) -> None:
    payload = {
        "type": "button",
        "sub_type": "quick_reply",
        "index": 0,
        "parameters": [{"type": "payload", "payload": "OPTOUT:MARKETING"}],
    }
    body = named(first_name="Omar", offer="double points")
    wamid = send(stand_in, template("weekend_offer", body, payload)).json["messages"][0]["id"]
    assert post_form(stand_in, PHONE, message=wamid, button="0").status == 200
    (message,) = eventually(lambda: receiver.inbound)
    assert message["type"] == "button"
    assert message["button"] == {"payload": "OPTOUT:MARKETING", "text": "Stop promotions"}
    assert message["context"] == {"from": "442079460100", "id": wamid}
    for form in ({"message": wamid, "button": "1"}, {"message": "other", "button": "0"}):
        assert post_form(stand_in, PHONE, **form).status == 400
    assert post_form(stand_in, "447700900102", message=wamid, button="0").status == 400
    assert stand_in.cloud.counts()["inbound"] == 1


def test_tapped_reply_buttons_and_list_rows_come_back_as_interactive(
    stand_in: StandIn, receiver: Receiver
) -> None:
    post_form(stand_in, PHONE, text="Hello")
    reply = {"id": "redeem:confirm:7f3c", "title": "Redeem"}
    row = {"id": "reward:coffee-250", "title": "Free coffee", "description": "250 points"}
    buttons = {"buttons": [{"type": "reply", "reply": reply}]}
    rows = {"button": "Rewards", "sections": [{"title": "Drinks", "rows": [row]}]}
    for kind, action in (("button", buttons), ("list", rows)):
        answer = send(stand_in, interactive(type=kind, action=action))
        post_form(stand_in, PHONE, message=answer.json["messages"][0]["id"], button="0")
    eventually(lambda: len(receiver.inbound) == 3)
    _, first, second = receiver.inbound
    assert first["interactive"] == {"type": "button_reply", "button_reply": reply}
    assert second["interactive"] == {"type": "list_reply", "list_reply": row}


def test_the_chat_page_shows_what_the_person_sees(stand_in: StandIn) -> None:
    body = named(first_name="<script>", offer="2 for 1 at https://shop.example/r/8fK2?a=1&b=2")
    send(stand_in, template("weekend_offer", body))
    eventually(lambda: all_told(stand_in))
    page = call(f"{stand_in.url}/chat/{PHONE}").text
    for part in (
        "<h2>This weekend only</h2>",
        "Hi &lt;script&gt;, here",
        'href="https://shop.example/r/8fK2?a=1&amp;b=2"',
        "Valid in all our shops",
        "Stop promotions</button>",
        'title="Read"',
        "No open window",
    ):
        assert part in page
    assert "<script>" not in page
    loaded = re.findall(r'(?:src|action|<link[^>]* href)="([^"]*)"', page)
    assert len(loaded) > 3
    assert all(address.startswith(("/", "data:")) for address in loaded)


def test_the_home_page_lists_chats_newest_first_and_can_be_searched(stand_in: StandIn) -> None:
    for phone in ("447700900101", "447700900102", "919876543210"):
        send(stand_in, welcome(to=f"+{phone}"))
    post_form(stand_in, "447700900101", text="Where is my coffee?")

    def listed(search: str = "") -> list[str]:
        page = call(f"{stand_in.url}/?{urllib.parse.urlencode({'q': search})}").text
        return re.findall(r'href="/chat/(\d+)"', page)

    assert listed() == ["447700900101", "919876543210", "447700900102"]
    assert listed("+91 98765") == ["919876543210"]
    assert listed("COFFEE") == ["447700900101"]
    assert listed("no such thing") == []
    assert "&quot;&gt;&lt;i" in call(f"{stand_in.url}/?q=%22%3E%3Ci").text


def test_a_chat_can_be_opened_for_a_phone_that_never_wrote(stand_in: StandIn) -> None:
    page = call(f"{stand_in.url}/chat?phone=%2B44+7700+900199")
    assert "+447700900199" in page.text
    assert call(f"{stand_in.url}/chat?phone=hello").status == 400
    assert call(f"{stand_in.url}/nowhere").status == 404


# Reading from Graph


def test_templates_are_listed_in_pages(stand_in: StandIn) -> None:
    url = f"{stand_in.url}/v24.0/{WABA_ID}/message_templates?limit=6&fields=name,language,status"
    seen: list[tuple[str, str]] = []
    pages = 0
    while url:
        answer = call(url).json
        pages += 1
        seen += [(row["name"], row["language"]) for row in answer["data"]]
        assert all(set(row) == {"name", "language", "status", "id"} for row in answer["data"])
        assert set(answer["paging"]["cursors"]) == {"before", "after"}
        url = answer["paging"].get("next", "")
    assert (pages, len(seen), len(set(seen))) == (4, 20, 20)
    assert {language for _, language in seen} == {"en", "hi"}


def test_a_template_row_has_every_documented_field(stand_in: StandIn) -> None:
    url = f"{stand_in.url}/v24.0/{WABA_ID}/message_templates"
    rows = call(f"{url}?status=APPROVED&limit=100").json["data"]
    assert len({row["id"] for row in rows}) == 20
    for row in rows:
        assert set(row) == {
            "id",
            "name",
            "language",
            "status",
            "category",
            "parameter_format",
            "components",
            "quality_score",
        }
    assert call(f"{url}?status=PAUSED").json == {"data": []}
    assert call(f"{url}?after=nonsense").code == 131059
    assert call(f"{url}?limit=many").code == 100
    assert call(f"{url}?fields=colour").code == 100


def test_the_number_tells_its_quality_and_health(stand_in: StandIn) -> None:
    url = f"{stand_in.url}/v25.0/{PHONE_NUMBER_ID}"
    some = call(f"{url}?fields=quality_rating,throughput,health_status").json
    assert some["quality_rating"] == "GREEN"
    assert some["throughput"] == {"level": "STANDARD"}
    assert some["health_status"]["can_send_message"] == "AVAILABLE"
    assert set(some) == {"id", "quality_rating", "throughput", "health_status"}
    assert call(f"{url}?fields=colour").code == 100
    assert call(f"{stand_in.url}/v25.0/{WABA_ID}?fields=name").json["id"] == WABA_ID


# The sandbox's own addresses


def test_a_reset_forgets_everything_also_after_a_restart(settings: Settings) -> None:
    first = StandIn(settings)
    first.start()
    send(first, welcome())
    post_form(first, PHONE, text="Hello")
    assert call(f"{first.url}/_sandbox/reset", data=b"").status == 200
    assert ledger(first) == []
    assert "/chat/4477" not in call(f"{first.url}/").text
    assert send(first, text("Hello")).code == 131047
    first.stop()
    second = StandIn(settings)
    assert second.cloud.counts() == {"messages": 0, "inbound": 0, "pending_updates": 0}
    second.start()
    second.stop()


def test_many_senders_at_once_lose_and_repeat_nothing(
    stand_in: StandIn, receiver: Receiver
) -> None:
    def one(number: int) -> str:
        reference = f"att_{number}"
        answer = send(
            stand_in, welcome(to=f"+4477009{number:05d}", biz_opaque_callback_data=reference)
        )
        return str(answer.json["messages"][0]["id"])

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(one, range(200)))
    lines = ledger(stand_in)
    assert [line["index"] for line in lines] == list(range(200))
    assert {line["wamid"] for line in lines} == set(ids)
    assert len({line["biz_opaque_callback_data"] for line in lines}) == 200
    eventually(lambda: all_told(stand_in))
    keys = [(status["id"], status["status"]) for status in receiver.statuses]
    assert (len(keys), len(set(keys))) == (600, 600)


# The process


def run_process(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.whatsapp", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_taken_port_ends_with_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = run_process("--port", port, "--state-dir", str(tmp_path))
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert errors == f"WhatsApp stand-in: Port {port} is already in use.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [("--port", "99999"), ("--status-delay", "-1"), ("--webhook-url", "shop")]
)
def test_a_bad_option_is_refused_with_the_reason(arguments: tuple[str, str]) -> None:
    process = run_process(*arguments)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert f"{arguments[1]!r} is not" in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_and_cleanly(
    tmp_path: Path, receiver: Receiver, number: signal.Signals
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = run_process(
        *("--port", str(port), "--state-dir", str(tmp_path), "--webhook-url", receiver.url),
        SANDBOX_WHATSAPP_TOKEN="another-token",
    )
    url = f"http://127.0.0.1:{port}/v24.0/{PHONE_NUMBER_ID}/messages"

    def accepted() -> bool:
        try:
            data = json.dumps(welcome()).encode()
            return call(url, data=data, token="another-token").status == 200
        except urllib.error.URLError:
            return False

    eventually(accepted, seconds=20)
    process.send_signal(number)
    _, errors = process.communicate(timeout=5)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "send: welcome to ...0101 accepted" in errors
    assert PHONE not in errors and "Layla" not in errors
    assert len((tmp_path / "whatsapp.jsonl").read_text().splitlines()) >= 1


def test_the_stand_in_does_not_import_the_product() -> None:
    for source in Path(cloud_module.__file__).parent.glob("*.py"):
        imported = re.findall(r"^\s*(?:from|import) (\w+)", source.read_text(), re.MULTILINE)
        assert not set(imported) - sys.stdlib_module_names - {"sandbox"}, source
