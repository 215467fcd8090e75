"""The two kinds of JSON Web Token: one algorithm, and every claim required."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Self, cast
from uuid import UUID

from django.conf import settings
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import Token

from loyalty_site.staff.errors import SignInEndedError
from loyalty_site.staff.models import RefreshGeneration, User

_HEADER = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
"""`{"alg":"HS256","typ":"JWT"}`: our tokens carry exactly this, so no other is ever parsed."""
_LONGEST = 2048
_CLAIMS = ("exp", "iat", "jti", "aud", "iss", "typ", "sub")


class AccessToken(Token):
    """Opens the API for some minutes."""

    token_type = "access"  # noqa: S105 - a kind, not a secret
    lifetime = timedelta(minutes=settings.ACCESS_TOKEN_EXPIRE_MINUTES)


class RefreshToken(Token):
    """Buys the next access token, once."""

    token_type = "refresh"  # noqa: S105 - a kind, not a secret
    lifetime = timedelta(days=settings.REFRESH_TOKEN_EXPIRE_DAYS)


def _read(kind: type[Token], raw: bytes) -> Token:
    if not raw.startswith(_HEADER) or len(raw) > _LONGEST:
        raise SignInEndedError()
    try:
        token = kind(cast(Any, raw))
    except (TokenError, ValueError, TypeError, OverflowError, OSError, RecursionError) as error:
        raise SignInEndedError() from error
    if any(claim not in token for claim in _CLAIMS):
        raise SignInEndedError()
    return token


def _user_id(token: Token) -> int:
    subject = token["sub"]
    if not (isinstance(subject, str) and subject.isascii() and subject.isdecimal()):
        raise SignInEndedError()
    if len(subject) > 18:
        raise SignInEndedError()
    return int(subject)


@lru_cache(maxsize=1024)
def _access(raw: bytes) -> tuple[int, str, int]:
    """User, stamp and end of a signed access token; a till sends the same one for minutes."""
    token = _read(AccessToken, raw)
    return _user_id(token), str(token.get("ver")), int(token["exp"])


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a valid access token says."""

    user_id: int
    stamp: str

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Check a token as it stands, without the database.

        Raises:
            SignInEndedError: not a valid access token of ours.
        """
        user_id, stamp, expires_at = _access(raw)
        if time.time() >= expires_at:
            raise SignInEndedError()
        return cls(user_id=user_id, stamp=stamp)


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a valid refresh token says."""

    family_id: UUID
    generation: int
    token_id: UUID

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Check a token as it stands, without the database.

        Raises:
            SignInEndedError: not a valid refresh token of ours.
        """
        token = _read(RefreshToken, raw)
        try:
            return cls(
                family_id=UUID(token["fam"]),
                generation=int(token["gen"]),
                token_id=UUID(token["jti"]),
            )
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise SignInEndedError() from error


def write_access_token(user: User) -> str:
    """A new access token, void as soon as the user's stamp changes."""
    token = AccessToken.for_user(user)
    token["ver"] = user.get_session_auth_hash()
    return str(token)


def write_refresh_token(generation: RefreshGeneration, user: User) -> str:
    """The refresh token of a generation: the same text however often it is written."""
    token = RefreshToken.for_user(user)
    token["jti"] = generation.token_id.hex
    token["fam"] = generation.family_id.hex
    token["gen"] = generation.number
    token["iat"] = _seconds(generation.issued_at)
    token["exp"] = _seconds(generation.expires_at)
    return str(token)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
