"""The only code that writes users' rights and API sign-ins."""

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from axes.models import AccessAttempt, AccessFailureLog
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from loyalty_site.staff.errors import (
    BeyondOwnAccessError,
    EmailInUseError,
    OwnAccessError,
    SignInEndedError,
)
from loyalty_site.staff.models import (
    IdempotencyRecord,
    RefreshFamily,
    RefreshGeneration,
    User,
)
from loyalty_site.staff.roles import BACK_OFFICE, Role, held_by
from loyalty_site.staff.selectors import governs, permissions_of_roles, roles_of
from loyalty_site.staff.tokens import (
    RefreshClaims,
    RefreshToken,
    write_access_token,
    write_refresh_token,
)

logger = logging.getLogger(__name__)

GRACE = timedelta(seconds=10)
ANSWERS_KEPT = timedelta(hours=48)
ATTEMPTS_KEPT = timedelta(days=90)
_SAVED = ["email", "name", "is_active", "is_staff", "password", "token_version"]


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a sign-in or a refresh answers; `expires_in` counts seconds of the access token."""

    access_token: str
    refresh_token: str
    expires_in: int


# --- API sign-ins -----------------------------------------------------------------------------


@transaction.atomic
def start_session(*, user: User) -> TokenPair:
    """Begin a family of refresh tokens for a user who has just proved who he is."""
    now = timezone.now()
    family = RefreshFamily.objects.create(
        user=user,
        stamp=user.get_session_auth_hash(),
        created_at=now,
        expires_at=now + RefreshToken.lifetime,
    )
    return _pair(_add_generation(family, number=1, now=now), user)


def refresh_session(*, claims: RefreshClaims) -> TokenPair:
    """Trade a refresh token for its successor.

    Of any number of callers with one token, one makes the successor; the others get that same
    successor for ten seconds, as a client whose answer was lost must. Later use of an old token
    means that it was stolen: it ends the family.

    Raises:
        SignInEndedError: the sign-in is over, or was just ended because of such use.
    """
    with transaction.atomic():
        pair = _successor(claims)
    # Raised outside, so that the mark of a stolen family is kept.
    if pair is None:
        raise SignInEndedError()
    return pair


def _successor(claims: RefreshClaims) -> TokenPair | None:
    now = timezone.now()
    family = (
        RefreshFamily.objects.select_for_update(of=("self",))
        .select_related("user")
        .filter(pk=claims.family_id, reused_at=None, expires_at__gt=now)
        .first()
    )
    if family is None or not family.user.is_active:
        return None
    if family.stamp != family.user.get_session_auth_hash():
        return None
    live = family.generations.latest("number")
    if (claims.generation, claims.token_id) == (live.number, live.token_id):
        family.expires_at = now + RefreshToken.lifetime
        family.save(update_fields=["expires_at"])
        return _pair(_add_generation(family, number=live.number + 1, now=now), family.user)
    if claims.generation == live.number - 1 and now - live.issued_at <= GRACE:
        return _pair(live, family.user)
    family.reused_at = now
    family.save(update_fields=["reused_at"])
    logger.warning("refresh token used again: family %s of user %s", family.pk, family.user_id)
    return None


def _add_generation(family: RefreshFamily, *, number: int, now: datetime) -> RefreshGeneration:
    return RefreshGeneration.objects.create(
        family=family, number=number, issued_at=now, expires_at=family.expires_at
    )


def _pair(generation: RefreshGeneration, user: User) -> TokenPair:
    return TokenPair(
        access_token=write_access_token(user),
        refresh_token=write_refresh_token(generation, user),
        expires_in=settings.ACCESS_TOKEN_EXPIRE_MINUTES * 60,
    )


def end_sessions(*, users: Iterable[User], acting_user: User | None = None) -> int:
    """End every browser session and API token of these users; returns how many users.

    Raises:
        BeyondOwnAccessError: one of them holds rights that the acting user lacks.
    """
    chosen = list(users)
    with transaction.atomic():
        for user in chosen:
            _require_authority(acting_user, user)
        return User.objects.filter(pk__in=[user.pk for user in chosen]).update(
            token_version=F("token_version") + 1
        )


# --- Users and roles --------------------------------------------------------------------------


@transaction.atomic
def save_user(
    *,
    user: User,
    roles: Collection[Role],
    password: str | None = None,
    acting_user: User | None = None,
) -> User:
    """Create or change a user; who sees the back office follows from the roles.

    A change of roles or of the right to sign in ends the user's sessions and tokens.

    Raises:
        BeyondOwnAccessError: the user held, or would hold, rights that the acting user lacks.
        OwnAccessError: the acting user changes his own roles or switches himself off.
        EmailInUseError: another user has the address.
    """
    user.email = user.email.strip().lower()
    stored = User.objects.select_for_update().filter(pk=user.pk).first() if user.pk else None
    before = roles_of(stored) if stored else frozenset[Role]()
    after = frozenset(roles)
    rights_change = stored is not None and (before, stored.is_active) != (after, user.is_active)
    if acting_user and acting_user.pk == user.pk:
        if rights_change:
            raise OwnAccessError()
    else:
        _require_authority(acting_user, stored)
        _require_grant(acting_user, after)
    if User.objects.filter(email=user.email).exclude(pk=user.pk).exists():
        raise EmailInUseError(field="email")
    if stored:
        user.is_superuser = stored.is_superuser
        user.token_version = stored.token_version + rights_change
    if password is not None or stored is None:
        user.set_password(password)
    user.is_staff = user.is_superuser or bool(after & BACK_OFFICE)
    user.save(update_fields=_SAVED if stored else None)
    user.groups.set(Group.objects.filter(name__in=after))
    return user


def _require_authority(acting_user: User | None, user: User | None) -> None:
    if acting_user is not None and user is not None and not governs(acting_user, user):
        raise BeyondOwnAccessError()


def _require_grant(acting_user: User | None, roles: Iterable[Role]) -> None:
    if acting_user is None or acting_user.is_superuser:
        return
    if not permissions_of_roles(roles) <= acting_user.get_all_permissions():
        raise BeyondOwnAccessError()


@transaction.atomic
def apply_roles(*, app_label: str) -> None:
    """Give every role exactly the permissions of one app that the table of roles names."""
    permissions = {
        f"{app_label}.{permission.codename}": permission.pk
        for permission in Permission.objects.filter(content_type__app_label=app_label)
    }
    Group.objects.bulk_create([Group(name=role) for role in Role], ignore_conflicts=True)
    groups = {group.name: group.pk for group in Group.objects.filter(name__in=list(Role))}
    grant_model = Group.permissions.through
    grants = grant_model.objects.filter(
        group__in=groups.values(), permission__in=permissions.values()
    )
    present = {(grant.group_id, grant.permission_id): grant.pk for grant in grants}
    wanted = {
        (groups[role], permissions[name]) for role in Role for name in held_by(role, permissions)
    }
    grants.filter(pk__in=[pk for pair, pk in present.items() if pair not in wanted]).delete()
    grant_model.objects.bulk_create(
        grant_model(group_id=group, permission_id=permission)
        for group, permission in sorted(wanted - present.keys())
    )


# --- Housekeeping -----------------------------------------------------------------------------


def prune_access(*, now: datetime) -> int:
    """Forget old answers, ended sign-ins and sign-in attempts; returns how many rows went."""
    old = [
        IdempotencyRecord.objects.filter(created_at__lt=now - ANSWERS_KEPT),
        RefreshGeneration.objects.filter(expires_at__lt=now),
        RefreshFamily.objects.filter(expires_at__lt=now),
        AccessAttempt.objects.filter(attempt_time__lt=now - ATTEMPTS_KEPT),
        AccessFailureLog.objects.filter(attempt_time__lt=now - ATTEMPTS_KEPT),
    ]
    return sum(rows.delete()[0] for rows in old)
