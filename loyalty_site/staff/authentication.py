"""Who calls the API."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.db import connection
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from loyalty_site.common.rows import read_instance
from loyalty_site.staff.errors import SignInEndedError
from loyalty_site.staff.models import User
from loyalty_site.staff.tokens import AccessClaims


def bearer_token(request: Request) -> bytes | None:
    """The token of the Authorization header; None if the header is absent or of another kind.

    Raises:
        SignInEndedError: a Bearer header without exactly one token.
    """
    parts = get_authorization_header(request).split()
    if not parts or parts[0].lower() != b"bearer":
        return None
    if len(parts) != 2:
        raise SignInEndedError()
    return parts[1]


class TokenAuthentication(BaseAuthentication):
    """A signed access token of a user who may still sign in; one query a request."""

    def authenticate(self, request: Request) -> tuple[User, AccessClaims] | None:
        raw = bearer_token(request)
        if raw is None:
            return None
        claims = AccessClaims.read(raw)
        user = _find_user(claims.user_id)
        if user is None or not user.is_active or user.get_session_auth_hash() != claims.stamp:
            raise SignInEndedError()
        return user, claims

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class PermissionBackend(ModelBackend):
    """Django's own sign-in and permissions, with those of an API caller read along with them."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        held: str | None = getattr(user_obj, "held_permissions", None)
        if held is None or obj is not None or user_obj.is_superuser:
            permissions: set[str] = super().get_all_permissions(user_obj, obj)
            return permissions
        if not user_obj.is_active or not held:
            return set()
        return _names_of({int(number) for number in held.split(",")})


def _find_user(pk: int) -> User | None:
    """A user with `held_permissions`: one statement, where the ORM composes three."""
    with connection.cursor() as cursor:
        cursor.execute(_USER[connection.vendor], [pk])
        row = cursor.fetchone()
    if row is None:
        return None
    user = read_instance(User, _COLUMNS, row[:-1])
    user.held_permissions = row[-1]
    return user


_COLUMNS = tuple(field.attname for field in User._meta.concrete_fields)
_HELD = {
    "postgresql": "staff_held_permissions(u.id)",
    "sqlite": """(
        SELECT COALESCE(group_concat(permission_id, ','), '') FROM (
            SELECT permission_id FROM staff_user_user_permissions WHERE user_id = u.id
            UNION ALL
            SELECT g.permission_id FROM staff_user_groups m
            JOIN auth_group_permissions g ON g.group_id = m.group_id WHERE m.user_id = u.id) held
    )""",
}
_USER = {
    vendor: f"SELECT {', '.join(_COLUMNS)}, {held} FROM staff_user u WHERE u.id = %s"  # noqa: S608
    for vendor, held in _HELD.items()
}
# Permissions come with migrations and are never renamed, so their names are read once.
_names: dict[int, str] = {}


def _names_of(permission_ids: set[int]) -> set[str]:
    if not permission_ids <= _names.keys():
        rows = Permission.objects.values_list("pk", "content_type__app_label", "codename")
        _names.update((pk, f"{app}.{codename}") for pk, app, codename in rows)
    return {_names[pk] for pk in permission_ids}


def sign_in_name(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """Under which name axes counts a sign-in: one for every spelling of the address."""
    given = credentials or request.POST
    return str(given.get("username", "")).strip().lower()[:255]
