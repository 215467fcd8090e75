"""Routes that answer with and without their trailing slash, without a redirect."""

from collections.abc import Sequence

from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver
from django.urls.resolvers import RoutePattern

Route = URLPattern | URLResolver


class _EitherSlashResolver(URLResolver):
    def resolve(self, path: str) -> ResolverMatch:
        try:
            return super().resolve(path)
        except Resolver404:
            if path.endswith("//"):
                raise
            return super().resolve(path[:-1] if path.endswith("/") else f"{path}/")


def either_slash(prefix: str, routes: Sequence[Route]) -> URLResolver:
    """Mount routes under a prefix; each also answers the spelling it was not declared with."""
    return _EitherSlashResolver(RoutePattern(prefix, is_endpoint=False), list(routes))
