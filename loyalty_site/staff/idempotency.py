"""`Idempotency-Key`: a POST that may be sent again takes effect once.

The record of a key is written in the transaction of the effect, so both are there or neither is:
a crash leaves nothing behind, and a second request with the key waits for the first one's commit
and then repeats its answer. Only successes are kept. A refusal wrote nothing, so the same key may
be tried again.
"""

import hashlib
import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from django.db import OperationalError, transaction
from rest_framework.exceptions import NotAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loyalty_site.staff.errors import InvalidKeyError, KeyInUseError, KeyReusedError
from loyalty_site.staff.models import IdempotencyRecord

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_LOCK_NOT_AVAILABLE = "55P03"

V = TypeVar("V", bound=APIView)
P = ParamSpec("P")
Handler = Callable[Concatenate[V, Request, P], Response]


def idempotency_key(request: Request) -> str | None:
    """The key that came with a request, or None.

    Raises:
        InvalidKeyError: it is empty, too long, or holds blanks or unusual signs.
    """
    key = request.headers.get(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidKeyError()
    return key


def idempotent(handler: Handler[V, P]) -> Handler[V, P]:
    """Make a view's POST method honour the header::

        @idempotent
        def post(self, request: Request) -> Response: ...

    Services below it may open their own `atomic` blocks, but no durable ones.
    """

    @wraps(handler)
    def once(view: V, request: Request, *args: P.args, **kwargs: P.kwargs) -> Response:
        key = idempotency_key(request)
        if key is None:
            return handler(view, request, *args, **kwargs)
        user_id = request.user.pk
        if user_id is None:
            raise NotAuthenticated()
        fingerprint = _fingerprint(request)
        with transaction.atomic():
            record = _claim(user_id=user_id, key=key, fingerprint=fingerprint)
            if record.fingerprint != fingerprint:
                raise KeyReusedError()
            if record.status is not None:
                return _repeat(record)
            response = handler(view, request, *args, **kwargs)
            if response.status_code >= 400:
                transaction.set_rollback(True)
            else:
                _keep(record, response)
        return response

    once.takes_idempotency_key = True  # type: ignore[attr-defined]
    return cast(Handler[V, P], once)


def _fingerprint(request: Request) -> str:
    """A hash of method, path and content; neither key order nor blanks matter."""
    content = json.dumps(request.data, sort_keys=True, separators=(",", ":"), default=str)
    path = request.path.rstrip("/")
    return hashlib.sha256(f"{request.method} {path}\n{content}".encode()).hexdigest()


def _claim(*, user_id: int, key: str, fingerprint: str) -> IdempotencyRecord:
    """Write the key down, or wait for whoever is doing so, and read what stands there."""
    fresh = IdempotencyRecord(user_id=user_id, key=key, fingerprint=fingerprint)
    try:
        IdempotencyRecord.objects.bulk_create([fresh], ignore_conflicts=True)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise KeyInUseError() from error
        raise
    return IdempotencyRecord.objects.get(user_id=user_id, key=key)


def _keep(record: IdempotencyRecord, response: Response) -> None:
    record.status = response.status_code
    if response.data is not None:
        record.answer = JSONRenderer().render(response.data).decode()
    record.save(update_fields=["status", "answer"])


def _repeat(record: IdempotencyRecord) -> Response:
    body: Any = json.loads(record.answer) if record.answer else None
    return Response(body, status=record.status, headers={REPLAYED: "true"})
