"""Small request-wide concerns."""

import re
import uuid
from collections.abc import Callable

import structlog
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django_structlog.middlewares import RequestMiddleware

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestId:
    """Names every request, by the caller's `X-Request-ID` if it is a plain one, and answers it.

    Stands before the logging middleware, which takes the name from the same header.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = str(request.META.get("HTTP_X_REQUEST_ID", ""))
        if not _REQUEST_ID.fullmatch(name):
            name = request.META["HTTP_X_REQUEST_ID"] = uuid.uuid4().hex
        response = self._get_response(request)
        response["X-Request-ID"] = name
        return response


def current_request_id() -> str:
    """The request id bound for logging, or an empty text outside a request."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


class RequestLog(RequestMiddleware):
    """One log line a request: method and path, without the query, which may hold a phone."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {request.path}"


class ContentPolicyByArea(CSPMiddleware):
    """The strict content policy everywhere, but for the areas that settings name a wider one."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        for prefix, wider in settings.CONTENT_POLICY_AREAS.items():
            if request.path_info.startswith(prefix):
                parts.replace = {**wider, **(parts.replace or {})}
        return parts
