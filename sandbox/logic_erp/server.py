"""HTTP: who may call, which address does what, and nothing else."""

import base64
import hmac
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlsplit

from sandbox.logic_erp.api import answer, find_stream
from sandbox.logic_erp.books import Books
from sandbox.logic_erp.documents import Bill
from sandbox.logic_erp.errors import StandInError, StateError
from sandbox.logic_erp.money import rupees
from sandbox.logic_erp.pages import home_page
from sandbox.logic_erp.shapes import Shapes
from sandbox.logic_erp.till import ReturnOrder, SaleOrder, Till, read_order
from sandbox.logic_erp.totals import totals

MOST_BYTES = 1_000_000
HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"
NOT_FOUND_PAGE = """<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" \
"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">
<html xmlns="http://www.w3.org/1999/xhtml"><head>
<title>404 - File or directory not found.</title></head>
<body><div id="header"><h1>Server Error</h1></div>
<div id="content"><h2>404 - File or directory not found.</h2>
<h3>The resource you are looking for might have been removed, had its name changed, or is \
temporarily unavailable.</h3></div></body></html>
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it goes over the wire."""

    body: str
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """What every request works with."""

    books: Books
    shapes: Shapes
    till: Till
    user: str
    password: str
    page_size: int

    def knows(self, authorization: str) -> bool:
        """Whether the header holds the right Basic credentials."""
        scheme, _, token = authorization.partition(" ")
        try:
            given = base64.b64decode(token.strip(), validate=True)
        except ValueError:
            return False
        expected = f"{self.user}:{self.password}".encode()
        return scheme.lower() == "basic" and hmac.compare_digest(given, expected)


class StandInServer(ThreadingHTTPServer):
    """Takes the port at once, requests after `serve`; on loopback unless told otherwise."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        """Take the port.

        Raises:
            OSError: it is taken or not allowed.
        """
        super().__init__((host, port), Handler)
        self.stand_in: StandIn | None = None

    @property
    def port(self) -> int:
        """The port that was taken, which the system chose if 0 was asked for."""
        return int(self.server_address[1])

    def server_bind(self) -> None:
        """Bind without asking a name server who we are, as HTTPServer would."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.port

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a caller hangs up early."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)

    def serve(self, stand_in: StandIn) -> None:
        """Answer requests until interrupted."""
        self.stand_in = stand_in
        self.serve_forever(poll_interval=0.2)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 300
    wbufsize = -1  # Headers and body leave together, or each answer waits for the client's ACK.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """The page, health and totals."""
        self._reply(self._get)

    def do_POST(self) -> None:
        """LOGIC's calls and the till."""
        self._reply(self._post)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet: a full pull makes hundreds of requests."""

    def version_string(self) -> str:
        """The Server header."""
        return "LogicStandIn"

    @property
    def _stand_in(self) -> StandIn:
        stand_in = cast(StandInServer, self.server).stand_in
        assert stand_in is not None
        return stand_in

    def _reply(self, respond: Callable[[str, bytes], Reply]) -> None:
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= MOST_BYTES or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            reply = _error("The request is too large or has no length.", HTTPStatus.BAD_REQUEST)
        else:
            body = self.rfile.read(length)
            reply = respond(urlsplit(self.path).path, body)
        content = reply.body.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        for name, value in reply.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def _get(self, path: str, _body: bytes) -> Reply:
        books = self._stand_in.books
        asked = parse_qs(urlsplit(self.path).query)
        if path == "/":
            return Reply(home_page(books, done=asked.get("done", [""])[0]), content_type=HTML)
        if path == "/_sandbox/health":
            return _json({"status": "ok", "last_modify_code": books.last_modify_code})
        if path == "/_sandbox/totals":
            return _json(totals(books, with_bills=asked.get("detail") == ["1"]))
        if path.lower().startswith("/api/") and find_stream(path[5:]):
            return Reply(
                '{"Message":"The requested resource does not support http method \'GET\'."}',
                HTTPStatus.METHOD_NOT_ALLOWED,
                headers=(("Allow", "POST"),),
            )
        return Reply(NOT_FOUND_PAGE, HTTPStatus.NOT_FOUND, HTML)

    def _post(self, path: str, body: bytes) -> Reply:
        if path.lower().startswith("/api/"):
            return self._pull(path[5:].rstrip("/"), body)
        doors = {
            "/_sandbox/bill": self._bill_by_json,
            "/ring-up": self._bill_by_form,
            "/take-back": self._bill_by_form,
        }
        if path not in doors:
            return Reply(NOT_FOUND_PAGE, HTTPStatus.NOT_FOUND, HTML)
        origin = self.headers.get("Origin")
        if origin and urlsplit(origin).netloc != self.headers.get("Host"):
            return _error("Pages of other sites may not use the till.", HTTPStatus.FORBIDDEN)
        return doors[path](body)

    def _pull(self, method: str, body: bytes) -> Reply:
        stand_in = self._stand_in
        if not stand_in.knows(self.headers.get("Authorization") or ""):
            return Reply(
                '{"Message":"Authorization has been denied for this request."}',
                HTTPStatus.UNAUTHORIZED,
                headers=(("WWW-Authenticate", 'Basic realm="LOGIC ERP"'),),
            )
        stream = find_stream(method)
        if stream is None:
            return Reply(NOT_FOUND_PAGE, HTTPStatus.NOT_FOUND, HTML)
        return Reply(answer(stand_in.books, stand_in.shapes, stream, body, stand_in.page_size))

    def _bill_by_json(self, body: bytes) -> Reply:
        try:
            data = json.loads(body, parse_float=Decimal)
        except (ValueError, RecursionError):
            return _error("The request is not valid JSON.", HTTPStatus.BAD_REQUEST)
        try:
            bill = self._make(read_order(data))
        except StandInError as error:
            return _error(str(error), _status_of(error))
        return _json(
            {
                "number": bill.number,
                "kind": bill.kind,
                "net": rupees(bill.net),
                "modify_code": bill.modify_code,
                "lines": [
                    {
                        "txn_code": line.txn_code,
                        "item": line.item,
                        "quantity": line.quantity,
                        "net": rupees(line.net),
                    }
                    for line in bill.lines
                ],
            }
        )

    def _bill_by_form(self, body: bytes) -> Reply:
        fields = {
            name: values[0].strip()
            for name, values in parse_qs(body.decode(errors="replace")).items()
            if values[0].strip()
        }
        try:
            bill = self._make(read_order(fields))
        except StandInError as error:
            page = home_page(self._stand_in.books, refused=str(error))
            return Reply(page, _status_of(error), HTML)
        there = f"/?done={quote(bill.number, safe='')}"
        return Reply("", HTTPStatus.SEE_OTHER, HTML, (("Location", there),))

    def _make(self, order: SaleOrder | ReturnOrder) -> Bill:
        till = self._stand_in.till
        return till.ring_up(order) if isinstance(order, SaleOrder) else till.take_back(order)


def _json(data: dict[str, Any]) -> Reply:
    return Reply(json.dumps(data))


def _error(message: str, status: HTTPStatus) -> Reply:
    return Reply(json.dumps({"error": message}), status)


def _status_of(error: StandInError) -> HTTPStatus:
    """A full disk is our fault, anything else the caller's."""
    broken = isinstance(error, StateError)
    return HTTPStatus.INTERNAL_SERVER_ERROR if broken else HTTPStatus.BAD_REQUEST
