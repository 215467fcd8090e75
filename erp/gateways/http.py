"""JSON over HTTP with bounds on everything: total time, size, redirects, tries."""

import json
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from erp.gateways.source import GatewayError

CONNECT_S = 3.0
MAX_BYTES = 20 * 1024 * 1024
_CHUNK = 256 * 1024
_LONGEST_WAIT_S = 3600.0


class _Deadline:
    """Ends a socket when the time is up, wherever the peer drips: in headers or in the body."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def watch(self, connection: HTTPConnection) -> None:
        """Name the connection that the call uses; its socket outlives the connection object."""
        self._socket = connection.sock

    def _cut(self) -> None:
        self.passed = True
        if self._socket is not None:
            with suppress(OSError):
                # Not SSLSocket's own shutdown, which would take TLS away under a reader.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


_current = threading.local()


class _WatchedConnection(HTTPConnection):
    def connect(self) -> None:
        super().connect()
        _current.deadline.watch(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _current.deadline.watch(self)
        super().request(*args, **kwargs)


class _WatchedTLSConnection(HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _current.deadline.watch(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        _current.deadline.watch(self)
        super().request(*args, **kwargs)


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _WatchedTLSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTLSConnection


class _WatchedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _WatchedPool, "https": _WatchedTLSPool}


class JsonClient:
    """Posts JSON and reads JSON; numbers with a point come back as their digits, never float."""

    def __init__(
        self,
        *,
        auth: AuthBase,
        deadline_s: float,
        tries: int,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deadline_s = deadline_s
        self._tries = tries
        self._pause = pause
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = auth
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _WatchedAdapter(pool_connections=1, pool_maxsize=1))

    def post(self, url: str, body: dict[str, Any]) -> Any:
        """The parsed answer of a POST; what may pass is tried again, with jitter.

        Raises:
            GatewayError: no whole JSON answer with a 2xx status.
        """
        for left in reversed(range(self._tries)):
            try:
                return self._post_once(url, body)
            except GatewayError as error:
                if error.kind is not GatewayError.Kind.TRANSIENT or not left:
                    raise
                self._pause(random.uniform(0.2, 1.0) * 2 ** (self._tries - left - 1))  # noqa: S311
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def _post_once(self, url: str, body: dict[str, Any]) -> Any:
        with _Deadline(self._deadline_s) as deadline:
            _current.deadline = deadline
            try:
                with self._session.post(
                    url,
                    json=body,
                    timeout=(CONNECT_S, self._deadline_s),
                    allow_redirects=False,
                    stream=True,
                ) as response:
                    content = _body(response.raw)
            except (requests.RequestException, HTTPError, OSError) as error:
                reason = (
                    "took too long" if deadline.passed else f"broke off ({type(error).__name__})"
                )
                raise GatewayError(GatewayError.Kind.TRANSIENT, f"The call {reason}.") from error
        if deadline.passed:
            # Without a Content-Length, a body that was cut short looks like a whole one.
            raise GatewayError(GatewayError.Kind.TRANSIENT, "The call took too long.")
        _check_status(response)
        try:
            return json.loads(content, parse_float=str, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise GatewayError(
                GatewayError.Kind.BAD_ANSWER, "The answer is not whole JSON."
            ) from error


def _body(raw: HTTPResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := raw.read(_CHUNK, decode_content=True):
        size += len(part)
        if size > MAX_BYTES:
            raise GatewayError(GatewayError.Kind.BAD_ANSWER, "The answer is larger than 20 MB.")
        parts.append(part)
    return b"".join(parts)


def _check_status(response: requests.Response) -> None:
    status = response.status_code
    kinds = GatewayError.Kind
    if 200 <= status < 300:
        return
    if status in {401, 403}:
        raise GatewayError(kinds.AUTHENTICATION, f"Sign-in was refused (HTTP {status}).")
    if status == 429 or (status == 503 and "Retry-After" in response.headers):
        wait = _retry_after(response.headers.get("Retry-After", ""))
        raise GatewayError(kinds.THROTTLED, "The ERP asks us to wait.", retry_after_s=wait)
    if status >= 500 or status == 408:
        raise GatewayError(kinds.TRANSIENT, f"The ERP has a fault of its own (HTTP {status}).")
    raise GatewayError(kinds.REFUSED, f"The ERP does not know this request (HTTP {status}).")


def _retry_after(text: str) -> float:
    """Seconds to wait; a date or nonsense counts as a minute, nothing as more than an hour."""
    return min(float(text), _LONGEST_WAIT_S) if text.isascii() and text.isdigit() else 60.0


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
