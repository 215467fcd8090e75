"""Reads about people's rights."""

from collections.abc import Iterable

from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet

from loyalty_site.staff.models import User
from loyalty_site.staff.roles import Role


def roles_of(user: User) -> frozenset[Role]:
    """The roles that a user has."""
    known = set(Role)
    return frozenset(
        Role(name) for name in user.groups.values_list("name", flat=True) if name in known
    )


def permissions_of_roles(roles: Iterable[Role]) -> set[str]:
    """Everything that a holder of these roles may do, as `app.codename`."""
    return _names(Permission.objects.filter(group__name__in=list(roles)))


def _names(permissions: QuerySet[Permission]) -> set[str]:
    rows = permissions.values_list("content_type__app_label", "codename")
    return {f"{app_label}.{codename}" for app_label, codename in rows}


def governs(acting_user: User, user: User) -> bool:
    """Whether somebody holds every right of another user, and so may manage him."""
    if acting_user.is_superuser:
        return True
    if user.is_superuser:
        return False
    rights = Permission.objects.filter(Q(group__user=user) | Q(user=user))
    return _names(rights) <= acting_user.get_all_permissions()


def grantable_roles(acting_user: User) -> list[Role]:
    """The roles that somebody may give to others."""
    held = acting_user.get_all_permissions()
    return [
        role for role in Role if acting_user.is_superuser or permissions_of_roles([role]) <= held
    ]
