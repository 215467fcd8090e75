"""Calls to the WhatsApp Cloud API. Every failure becomes a `GatewayError` with its meaning."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from uuid import UUID

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
)

from messaging.engine.failures import classify
from messaging.errors import FailureKind, GatewayError

CALL_DEADLINE_S = 15.0
_CONNECT_S, _READ_S = 3.05, 12.0
_LONGEST_ANSWER = 5 * 1024 * 1024
_TEMPLATE_PAGE = 100
_TEMPLATE_PAGES = 100
_TEMPLATE_FIELDS = "id,name,language,status,category,parameter_format,components,quality_score"
_BAD_CURSOR = 131059


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a number is spoken for, and with which right."""

    base_url: str
    api_version: str
    phone_number_id: str
    business_account_id: str
    access_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateCall:
    """One template message to one phone (E.164); `attempt` comes back in its statuses."""

    to: str
    template: str
    language: str
    components: Sequence[Mapping[str, Any]]
    attempt: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTemplate:
    """A template as WhatsApp lists it."""

    id: str
    name: str
    language: str
    status: str
    category: str
    parameter_format: str
    components: list[dict[str, Any]]
    quality: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberState:
    """What WhatsApp says about the number."""

    display_number: str
    verified_name: str
    quality: str


def send_template(
    address: Address, call: TemplateCall, *, deadline_s: float = CALL_DEADLINE_S
) -> str:
    """Send; returns WhatsApp's id of the message. Repeating the call sends it again.

    Raises:
        GatewayError: it was not sent, or (`AMBIGUOUS`) nobody can tell.
    """
    answer = _call(
        address,
        "POST",
        f"{address.phone_number_id}/messages",
        json_body={
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": call.to,
            "type": "template",
            "biz_opaque_callback_data": str(call.attempt),
            "template": {
                "name": call.template,
                "language": {"code": call.language},
                "components": call.components,
            },
        },
        deadline_s=deadline_s,
    )
    try:
        wamid = answer["messages"][0]["id"]
    except (KeyError, IndexError, TypeError):
        wamid = None
    if not isinstance(wamid, str) or not 0 < len(wamid) <= 200:
        raise GatewayError(FailureKind.AMBIGUOUS, details="the answer names no message")
    return wamid


def list_templates(address: Address) -> Iterator[RemoteTemplate]:
    """Every template of the business account, page by page.

    A cursor that WhatsApp no longer knows starts the listing again, once.

    Raises:
        GatewayError: a page could not be had; what was yielded before is incomplete.
    """
    seen: set[str] = set()
    cursor = ""
    may_restart = True
    for _ in range(_TEMPLATE_PAGES):
        query = {"fields": _TEMPLATE_FIELDS, "limit": str(_TEMPLATE_PAGE)}
        try:
            page = _call(
                address,
                "GET",
                f"{address.business_account_id}/message_templates",
                query={**query, "after": cursor} if cursor else query,
            )
        except GatewayError as error:
            if error.code != _BAD_CURSOR or not may_restart:
                raise
            cursor, may_restart = "", False
            seen.clear()
            continue
        try:
            yield from [_template(row) for row in page["data"]]
            paging = page.get("paging") or {}
            cursor = paging["cursors"]["after"] if paging.get("next") else ""
        except (KeyError, TypeError, AttributeError):
            raise GatewayError(FailureKind.UNKNOWN, details="odd page of templates") from None
        if not cursor:
            return
        if cursor in seen:
            break
        seen.add(cursor)
    raise GatewayError(FailureKind.UNKNOWN, details="the list of templates does not end")


def read_number(address: Address, *, deadline_s: float = CALL_DEADLINE_S) -> NumberState:
    """What WhatsApp says about the number; a test of address, token and number ID.

    Raises:
        GatewayError: it did not say.
    """
    answer = _call(
        address,
        "GET",
        address.phone_number_id,
        query={"fields": "display_phone_number,verified_name,quality_rating"},
        deadline_s=deadline_s,
    )
    return NumberState(
        display_number=str(answer.get("display_phone_number", "")),
        verified_name=str(answer.get("verified_name", "")),
        quality=str(answer.get("quality_rating", "")),
    )


def _template(row: Mapping[str, Any]) -> RemoteTemplate:
    components = row.get("components") or []
    return RemoteTemplate(
        id=str(row["id"]),
        name=str(row["name"]),
        language=str(row["language"]),
        status=str(row["status"]),
        category=str(row["category"]),
        parameter_format=str(row.get("parameter_format") or "POSITIONAL"),
        components=[dict(component) for component in components],
        quality=str((row.get("quality_score") or {}).get("score") or ""),
    )


def _call(
    address: Address,
    method: str,
    path: str,
    *,
    json_body: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
    deadline_s: float = CALL_DEADLINE_S,
) -> dict[str, Any]:
    """One call within a total deadline, whose answer is JSON with an object inside."""
    with _Deadline(deadline_s):
        try:
            with _session().request(
                method,
                f"{address.base_url.rstrip('/')}/{address.api_version}/{path}",
                headers={"Authorization": f"Bearer {address.access_token}"},
                json=json_body,
                params=query,
                timeout=(min(_CONNECT_S, deadline_s), min(_READ_S, deadline_s)),
                allow_redirects=False,
                stream=True,
            ) as response:
                status, body = response.status_code, _read(response)
        except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            raise GatewayError(_kind_of(error), details=_name_of(error)) from None
    return _understood(status, body)


def _read(response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(64 * 1024):
        body += chunk
        if len(body) > _LONGEST_ANSWER:
            raise requests.exceptions.ContentDecodingError("the answer is too long")
    return bytes(body)


def _understood(status: int, body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict) and status == 200 and "error" not in answer:
        return answer
    error = answer.get("error") if isinstance(answer, dict) else None
    error = error if isinstance(error, dict) else {}
    code = error.get("code")
    code = code if isinstance(code, int) and not isinstance(code, bool) else None
    data = error.get("error_data")
    details = (data.get("details") if isinstance(data, dict) else "") or error.get("message")
    raise GatewayError(
        classify(code=code, http_status=status),
        code=code,
        details=str(details or f"HTTP status {status}")[:500],
    )


_NEVER_LEFT = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidJSONError,
    UnicodeEncodeError,
)
_NEVER_CONNECTED = (
    NewConnectionError,
    NameResolutionError,
    ConnectTimeoutError,
    ssl.SSLCertVerificationError,
)


def _kind_of(error: Exception) -> FailureKind:
    """Whether a call that broke can have had an effect: only one that never left cannot."""
    if isinstance(error, _NEVER_LEFT):
        return FailureKind.OUR_FAULT
    if isinstance(error, requests.exceptions.ProxyError):
        return FailureKind.AMBIGUOUS
    if any(isinstance(cause, _NEVER_CONNECTED) for cause in _causes(error)):
        return FailureKind.TRANSIENT
    return FailureKind.AMBIGUOUS


def _causes(error: BaseException) -> Iterator[BaseException]:
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        cause = pending.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        pending += [cause.__cause__, *cause.args]
        if isinstance(cause, MaxRetryError):
            pending.append(cause.reason)


def _name_of(error: Exception) -> str:
    """The kinds of trouble, without addresses or tokens that their texts may hold."""
    return " < ".join(dict.fromkeys(type(cause).__name__ for cause in _causes(error)))[:500]


class _Deadline:
    """Breaks the thread's connection when its time is over, whatever it is waiting for.

    A read time-out alone would not do: each byte of a dripping answer starts it anew.
    """

    def __init__(self, seconds: float) -> None:
        self.socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> "_Deadline":
        _thread.deadline = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _thread.deadline = None

    def _end(self) -> None:
        if self.socket is not None:
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)


class _Thread(threading.local):
    session: requests.Session | None = None
    deadline: _Deadline | None = None


_thread = _Thread()


class _Watched(HTTPConnection):
    """Shows its socket to the deadline of the call that it serves."""

    def getresponse(self) -> Any:
        if _thread.deadline is not None:
            _thread.deadline.socket = self.sock
        return super().getresponse()


class _WatchedTLS(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTLS


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


def _session() -> requests.Session:
    """This thread's session: connections are kept, nothing comes from the environment."""
    if _thread.session is None:
        session = _thread.session = requests.Session()
        session.trust_env = False
        adapter = _Adapter(pool_connections=2, pool_maxsize=1, max_retries=0)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
    return _thread.session
