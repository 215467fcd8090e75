"""Every API error as `application/problem+json` (RFC 9457)."""

from typing import Any, cast

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse, JsonResponse
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ErrorResponse, ExceptionHandlerContext
from rest_framework import exceptions, status
from rest_framework.response import Response

from loyalty_site.common.errors import DomainError, InvalidInputError
from loyalty_site.common.middleware import current_request_id
from loyalty_site.common.parsers import TooLarge

CONTENT_TYPE = "application/problem+json"
_TITLES = {
    400: "The request is not valid",
    401: "Please sign in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Not possible now",
    413: "The request is too large",
    415: "Unknown format",
    422: "The request contradicts an earlier one",
    429: "Too many requests",
    500: "Something went wrong on our side",
    503: "Please try again shortly",
}


def problem_body(
    *, status_code: int, code: str, detail: str, errors: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The members of one problem document."""
    return {
        "type": f"/docs#error-{code}",
        "title": _TITLES.get(status_code, "The request failed"),
        "status": status_code,
        "code": code,
        "detail": detail,
        "errors": errors or [],
        "request_id": current_request_id(),
    }


def problem_response(
    *, status_code: int, code: str, detail: str, retry_after: int | None = None
) -> HttpResponse:
    """A problem document from outside a REST view: middleware and error handlers."""
    body = problem_body(status_code=status_code, code=code, detail=detail)
    response = JsonResponse(body, status=status_code, content_type=CONTENT_TYPE)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response


class DomainProblem(exceptions.APIException):
    """A DomainError on its way out."""

    def __init__(self, error: DomainError) -> None:
        super().__init__(detail=str(error), code=error.code)
        self.status_code = error.status
        self.wait = error.retry_after
        self.field = error.field if isinstance(error, InvalidInputError) else None


class Unavailable(exceptions.APIException):
    """The database cannot serve this request now; nothing was written."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_detail = "The service is busy. Please try again in a moment."


class ProblemFormatter(ExceptionFormatter):
    """Shapes drf-standardized-errors' findings as a problem document."""

    def format_error_response(self, error_response: ErrorResponse) -> Any:
        field = getattr(self.exc, "field", None)
        errors = [
            {"field": error.attr or field, "code": error.code, "detail": error.detail}
            for error in error_response.errors
        ]
        first = errors[0]
        invalid = isinstance(self.exc, exceptions.ValidationError)
        return problem_body(
            status_code=self.exc.status_code,
            code="invalid" if invalid else str(first["code"]),
            detail="Please correct the fields named below." if invalid else str(first["detail"]),
            errors=errors if invalid or field else [],
        )


class ProblemHandler(ExceptionHandler):
    """Turns the product's own refusals and database trouble into API errors."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, DomainError):
            return DomainProblem(exc)
        if isinstance(exc, OperationalError | InterfaceError):
            return Unavailable()
        if isinstance(exc, RequestDataTooBig):
            return TooLarge()
        return super().convert_known_exceptions(exc)

    def get_headers(self, exc: exceptions.APIException) -> dict[str, str]:
        headers: dict[str, str] = super().get_headers(exc)
        if isinstance(exc, Unavailable):
            headers["Retry-After"] = "2"
        if exc.status_code == status.HTTP_401_UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="api"'
        return headers


def problem_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler for the whole API."""
    response: Response | None = ProblemHandler(exc, cast(ExceptionHandlerContext, context)).run()
    if response is not None:
        response.content_type = CONTENT_TYPE
    return response
