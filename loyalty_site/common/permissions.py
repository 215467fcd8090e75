"""Deny by default: a view names the permission that each method needs."""

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:
    # DRF's views import this module while they are loading.
    from rest_framework.views import APIView


class GuardedView(Protocol):
    """A view with its table of permissions, like `{"POST": "customers.add_customer"}`."""

    required_permissions: ClassVar[dict[str, str]]


class HasRequiredPermission(BasePermission):
    """The signed-in user holds the permission that the view's table names for this method."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        table: dict[str, str] = getattr(view, "required_permissions", {})
        method = str(request.method)
        user: Any = request.user
        if not (user and user.is_authenticated):
            return False
        if not hasattr(view, method.lower()):
            raise MethodNotAllowed(method)
        if method == "OPTIONS":
            return True
        permission = table.get("GET" if method == "HEAD" else method)
        return bool(permission and user.has_perm(permission))
