"""How often one caller may ask the API.

Counts live in Redis and only protect capacity: while Redis is away the API stays open. What
guards passwords counts in the database instead.
"""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from loyalty_site.common.network import client_network
from loyalty_site.common.problems import problem_response
from loyalty_site.staff.errors import SignInEndedError
from loyalty_site.staff.gateways import count_up
from loyalty_site.staff.tokens import AccessClaims

logger = logging.getLogger(__name__)

_WINDOW_S = 60
_REST_S = 5


class RateLimit:
    """Counts API requests per user, or per network where no valid token comes with them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._rests_until = 0.0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith("/api/"):
            return self._get_response(request)
        caller, limit = _caller(request)
        window, passed = divmod(int(time.time()), _WINDOW_S)
        count = self._count(f"limit:{caller}:{window}")
        reset = _WINDOW_S - passed
        if count > limit:
            response = problem_response(
                status_code=429,
                code="throttled",
                detail="Too many requests. Please slow down.",
                retry_after=reset,
            )
        else:
            response = self._get_response(request)
        response["RateLimit-Limit"] = str(limit)
        response["RateLimit-Remaining"] = str(max(limit - count, 0))
        response["RateLimit-Reset"] = str(reset)
        return response

    def _count(self, key: str) -> int:
        """How many requests this window has seen; 0 while nobody can count."""
        if time.monotonic() < self._rests_until:
            return 0
        try:
            return count_up(key, seconds=2 * _WINDOW_S)
        except Exception as error:  # noqa: BLE001 - any trouble with the counter: stay open
            # Not asked again for a while, or a frozen Redis would delay every request.
            self._rests_until = time.monotonic() + _REST_S
            logger.warning("rate limits rest, no counter: %s", type(error).__name__)
            return 0


def _caller(request: HttpRequest) -> tuple[str, int]:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        try:
            user_id = AccessClaims.read(token.strip().encode()).user_id
        except SignInEndedError:
            pass
        else:
            return f"user:{user_id}", settings.RATE_LIMIT_PER_MINUTE
    return f"network:{client_network(request)}", settings.RATE_LIMIT_ANONYMOUS_PER_MINUTE
