"""HTTP: the Graph calls, the pages and the sandbox's own addresses."""

import hmac
import json
import logging
import re
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from sandbox.whatsapp.cloud import Cloud
from sandbox.whatsapp.errors import (
    GraphError,
    TapError,
    bad_request,
    unknown_object,
    wrong_token,
)
from sandbox.whatsapp.journal import Journal
from sandbox.whatsapp.models import Message, masked, user_id
from sandbox.whatsapp.nodes import NODES, list_templates, read_node
from sandbox.whatsapp.pages import ASSETS, chat_page, error_page, home_page
from sandbox.whatsapp.sending import normalise_phone
from sandbox.whatsapp.settings import PHONE_NUMBER_ID, WABA_ID, Settings
from sandbox.whatsapp.templates import Catalogue
from sandbox.whatsapp.webhooks import WebhookSender

HOST = "127.0.0.1"
LONGEST_BODY = 1024 * 1024
STATE_FILE = "whatsapp.jsonl"
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_GRAPH_PATH = re.compile(r"/v\d+\.\d+/([^/]+)(?:/([^/]+))?/?", re.ASCII)
_CHAT_PATH = re.compile(r"/chat/(\d{7,15})", re.ASCII)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What goes back over the wire."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class StandIn:
    """The whole stand-in: state, webhook sender and HTTP server.

    Raises:
        OSError: the port is taken or the state folder cannot be used.
        JournalError: the state file cannot be read.
    """

    def __init__(self, settings: Settings, *, catalogue: Catalogue | None = None) -> None:
        # The port comes first: a second stand-in must not touch the state of the first.
        self._server = _Server((settings.host, settings.port), _Handler)
        try:
            journal = Journal(settings.state_dir / STATE_FILE)
            self.cloud = Cloud(
                journal=journal,
                catalogue=catalogue or Catalogue.shipped(),
                status_delay=settings.status_delay,
            )
        except Exception:
            self._server.server_close()
            raise
        self._sender = WebhookSender(cloud=self.cloud, settings=settings)
        self._server.app = App(cloud=self.cloud, sender=self._sender, settings=settings)
        self.url = f"http://{HOST}:{self._server.server_address[1]}"

    def start(self) -> None:
        """Serve in the background until `stop`."""
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        self._sender.start()

    def stop(self) -> None:
        """Take no more requests and close the state."""
        self._server.shutdown()
        self._server.server_close()
        self._sender.stop()
        self.cloud.close()


class App:
    """Routing: one method for each address, no sockets."""

    def __init__(self, *, cloud: Cloud, sender: WebhookSender, settings: Settings) -> None:
        self._cloud = cloud
        self._sender = sender
        self._settings = settings

    def get(self, path: str, query: dict[str, str], headers: dict[str, str]) -> Answer:
        """Answer a GET."""
        if graph := _GRAPH_PATH.fullmatch(path):
            self._check_token(headers)
            address = f"http://{headers.get('host', HOST)}{path}"
            return _json(self._graph_get(graph[1], graph[2], query, address))
        if chat := _CHAT_PATH.fullmatch(path):
            return _page(chat_page(self._cloud.chat(chat[1])))
        match path:
            case "/":
                search = query.get("q", "")
                return _page(home_page(self._cloud.chats(search=search), search=search))
            case "/chat":
                return self._open_chat(query.get("phone", ""))
            case "/_sandbox/ledger":
                return self._ledger(query.get("since", "0"))
            case "/_sandbox/health":
                return self._health()
            case "/_sandbox/page.css" | "/_sandbox/page.js":
                content_type, body = ASSETS[path.rpartition("/")[2]]
                return Answer(200, content_type, body)
        return _page(error_page("Not found", "There is nothing at this address."), status=404)

    def post(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer a POST."""
        if graph := _GRAPH_PATH.fullmatch(path):
            self._check_token(headers)
            if (graph[1], graph[2]) != (PHONE_NUMBER_ID, "messages"):
                raise unknown_object("post", graph[1])
            return _json(self._messages(_read_json(body)))
        if chat := _CHAT_PATH.fullmatch(path):
            return self._write(chat[1], dict(parse_qsl(body.decode("utf-8", "replace"))))
        if path == "/_sandbox/reset":
            self._cloud.reset()
            log.info("reset: everything forgotten")
            return _json({"reset": True})
        return _page(error_page("Not found", "There is nothing at this address."), status=404)

    def _check_token(self, headers: dict[str, str]) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        expected = self._settings.token.encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            token.strip().encode("latin-1", "replace"), expected
        ):
            raise wrong_token()

    def _graph_get(
        self, node_id: str, edge: str | None, query: dict[str, str], address: str
    ) -> dict[str, Any]:
        if (node_id, edge) == (WABA_ID, "message_templates"):
            return list_templates(self._cloud.catalogue, query, address=address)
        if edge is None and node_id in NODES:
            return read_node(NODES[node_id], query)
        raise unknown_object("get", node_id)

    def _messages(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("status") == "read":
            if request.get("messaging_product") != "whatsapp":
                raise bad_request("The parameter messaging_product must be 'whatsapp'.")
            self._cloud.mark_read(str(request.get("message_id", "")))
            return {"success": True}
        started = time.monotonic()
        try:
            message = self._cloud.send(request)
        except GraphError as error:
            log.info("send: refused, %s", error.message)
            raise
        took = int(1000 * (time.monotonic() - started))
        draft = message.draft
        what = draft.template or draft.kind
        log.info("send: %s to %s accepted in %d ms", what, masked(draft.phone), took)
        return _accepted(message)

    def _write(self, phone: str, form: dict[str, str]) -> Answer:
        try:
            if "button" in form:
                button = int(form["button"]) if form["button"].isdecimal() else -1
                inbound = self._cloud.receive_tap(
                    phone=phone, wamid=form.get("message", ""), button=button
                )
            else:
                inbound = self._cloud.receive_text(phone=phone, text=form.get("text", ""))
        except TapError as error:
            return _page(chat_page(self._cloud.chat(phone), notice=str(error)), status=400)
        log.info("inbound: %s from %s", inbound.kind, masked(phone))
        return _redirect(f"/chat/{phone}")

    def _open_chat(self, typed: str) -> Answer:
        try:
            return _redirect(f"/chat/{normalise_phone(typed)}")
        except GraphError:
            notice = "That is not a phone number. Write it with the country code."
            page = home_page(self._cloud.chats(), search="", notice=notice)
            return _page(page, status=400)

    def _ledger(self, since: str) -> Answer:
        if not (since.isascii() and since.isdigit()):
            return _json({"error": "since must be a number of messages"}, status=400)
        return _json(self._cloud.ledger(since=int(since)))

    def _health(self) -> Answer:
        return _json(
            {
                "status": "ok",
                "webhook_url": self._settings.webhook_url,
                "handshake": self._sender.handshake,
                **self._cloud.counts(),
            }
        )


class _Server(ThreadingHTTPServer):
    app: App
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        """Bind without asking a name server what the host is called."""
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that hangs up is no news."""
        log.info("a caller hung up (%s)", type(sys.exception()).__name__)


class _Handler(BaseHTTPRequestHandler):
    """Reads a request, asks the app, writes the answer in one piece."""

    protocol_version = "HTTP/1.1"
    server_version = "WhatsAppStandIn"
    sys_version = ""
    timeout = 60
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: paths hold phones. The app logs one line for each send."""

    def _answer(self) -> None:
        try:
            answer = self._route()
        except GraphError as error:
            headers = (("WWW-Authenticate", "OAuth"),) if error.http_status == 401 else ()
            answer = _json(error.as_json(), status=error.http_status, headers=headers)
        except OSError:
            raise  # the connection is gone
        except Exception:
            log.exception("request failed")
            unknown = GraphError(1, "An unknown error occurred", http_status=500)
            answer = _json(unknown.as_json(), status=500)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        for name, value in answer.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def _route(self) -> Answer:
        app = cast(_Server, self.server).app
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.command == "GET":
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            return app.get(parts.path, query, headers)
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()) or int(length) > LONGEST_BODY:
            self.close_connection = True  # the body stays unread
            raise GraphError(
                100,
                "(#100) Invalid parameter",
                f"A request needs a Content-Length of at most {LONGEST_BODY}.",
                http_status=413 if length.isdigit() else 411,
            )
        return app.post(parts.path, headers, self.rfile.read(int(length)))


def _accepted(message: Message) -> dict[str, Any]:
    draft = message.draft
    accepted = {"id": message.wamid}
    if draft.is_template:
        accepted["message_status"] = "accepted"
    return {
        "messaging_product": "whatsapp",
        "contacts": [{"input": draft.to, "wa_id": draft.phone, "user_id": user_id(draft.phone)}],
        "messages": [accepted],
    }


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise bad_request("The body is not JSON.") from None
    if not isinstance(request, dict):
        raise bad_request("The body must be a JSON object.")
    return request


def _json(
    content: object, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    body = json.dumps(content).encode("ascii")
    return Answer(status, "application/json; charset=UTF-8", body, headers)


def _page(page: str, *, status: int = 200) -> Answer:
    body = page.encode("utf-8", "replace")
    headers = (("Content-Security-Policy", PAGE_POLICY),)
    return Answer(status, "text/html; charset=utf-8", body, headers)


def _redirect(path: str) -> Answer:
    return Answer(303, "text/plain", b"", (("Location", path),))
