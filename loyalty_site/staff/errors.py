"""How sign-in and access say no."""

from loyalty_site.common.errors import DomainError, InvalidInputError


class SignInRefusedError(DomainError):
    """No active user has this address and password."""

    code = "wrong_credentials"
    message = "The e-mail address or the password is wrong."
    status = 401


class SignInEndedError(DomainError):
    """The token is not ours, too old, or its sign-in has been ended."""

    code = "token_not_valid"
    message = "Your sign-in has ended. Please sign in again."
    status = 401


class BeyondOwnAccessError(DomainError):
    """Somebody gives, or governs, more than he holds himself."""

    code = "beyond_own_access"
    message = "You can only manage people whose rights you hold yourself."
    status = 403


class OwnAccessError(DomainError):
    """Somebody changes his own rights."""

    code = "own_access"
    message = "You cannot change your own roles or switch off your own sign-in."
    status = 403


class EmailInUseError(InvalidInputError):
    """Two users would sign in with one address."""

    code = "email_in_use"
    message = "Another user signs in with this e-mail address."


class KeyReusedError(InvalidInputError):
    """One idempotency key came with two different requests."""

    code = "key_reused"
    message = "This Idempotency-Key was used for a different request. Use a new key."
    status = 422


class KeyInUseError(DomainError):
    """The first request with this key has not been answered yet."""

    code = "key_in_use"
    message = "A request with this Idempotency-Key is still at work. Send it again shortly."
    retry_after = 2


class InvalidKeyError(InvalidInputError):
    """The idempotency key is not a usable key."""

    code = "invalid_key"
    message = "An Idempotency-Key has 1 to 255 visible ASCII signs, without blanks."
