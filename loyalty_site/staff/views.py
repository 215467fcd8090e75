"""Health, metrics, the API's documentation, and what a refused browser or client sees."""

import hmac
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views import defaults
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

from loyalty_site.common.network import is_internal
from loyalty_site.common.problems import problem_response
from loyalty_site.outbox.models import Delivery
from loyalty_site.staff.gateways import DatabaseProbe, broker_answers

_database = DatabaseProbe()


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """This process answers. Touches nothing else."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """This process may get traffic: database there, migrations applied. Redis does not matter."""
    if not _database.answers():
        return HttpResponse("database does not answer", status=503, content_type="text/plain")
    if not _migrations_applied():
        return HttpResponse("migrations are due", status=503, content_type="text/plain")
    return HttpResponse("ok", content_type="text/plain")


def _migrations_applied() -> bool:
    """Asked until it is true; migrations do not come off under a running process."""
    try:
        return _find_no_due_migration()
    except LookupError:
        return False


@cache
def _find_no_due_migration() -> bool:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise LookupError
    return True


@require_safe
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """A summary for people and monitors; 503 only without the database."""
    database = _database.answers()
    body: dict[str, Any] = {
        "status": "ok",
        "version": settings.VERSION,
        "database": "ok" if database else "down",
        "broker": "ok" if broker_answers() else "down",
    }
    if database:
        body["outbox"] = _outbox_summary()
    if not database or body["broker"] == "down" or body["outbox"]["parked"]:
        body["status"] = "degraded" if database else "down"
    return JsonResponse(body, status=200 if database else 503)


def _outbox_summary() -> dict[str, Any]:
    oldest = (
        Delivery.objects.filter(state=Delivery.State.PENDING)
        .order_by("created_at")
        .values_list("created_at", flat=True)
        .first()
    )
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    parked = Delivery.objects.filter(state=Delivery.State.PARKED).count()
    return {"oldest_waiting_seconds": round(max(age, 0.0), 1), "parked": parked}


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' figures, for our own networks or whoever has the token."""
    if not (is_internal(request) or _has_metrics_token(request)):
        raise Http404
    response: HttpResponse = ExportToDjangoView(request)
    return response


def _has_metrics_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    token: str = settings.METRICS_TOKEN
    return bool(token) and hmac.compare_digest(given.encode(), token.encode())


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The customers' card; the back office as long as there is no portal."""
    try:
        return HttpResponseRedirect(reverse("portal:card"))
    except NoReverseMatch:
        return HttpResponseRedirect(reverse("admin:index"))


# --- Refusals outside a REST view -------------------------------------------------------------


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, before any view was reached."""
    if _is_api(request):
        detail = "The request cannot be read."
        return problem_response(status_code=400, code="bad_request", detail=detail)
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403, outside a REST view."""
    if _is_api(request):
        detail = "You may not do this."
        return problem_response(status_code=403, code="permission_denied", detail=detail)
    return defaults.permission_denied(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404 for an address that nothing answers."""
    if _is_api(request):
        detail = "There is nothing at this address."
        return problem_response(status_code=404, code="not_found", detail=detail)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500: a fault of ours, logged with the request id."""
    if _is_api(request):
        detail = "Something went wrong on our side. Please send it again later."
        return problem_response(status_code=500, code="error", detail=detail)
    return defaults.server_error(request)


def locked_out(
    request: HttpRequest, response: HttpResponse | None, credentials: dict[str, Any] | None
) -> HttpResponse:
    """429 after too many wrong passwords, for axes."""
    wait = int(settings.AXES_COOLOFF_TIME.total_seconds())
    if _is_api(request):
        return problem_response(
            status_code=429,
            code="locked_out",
            detail=f"Too many wrong tries. Please try again in {wait // 60} minutes.",
            retry_after=wait,
        )
    page = render(request, "staff/locked_out.html", {"minutes": wait // 60}, status=429)
    page["Retry-After"] = str(wait)
    return page
