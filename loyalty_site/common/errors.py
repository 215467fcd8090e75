"""How the product says no. Messages are read by shop staff."""

from typing import Any


class DomainError(Exception):
    """A rule refuses: the request was understood, the present state does not allow it (409).

    Subclasses set `code` and `message`; the message may name `{fields}` of the context.
    `retry_after` (seconds) tells a caller that the same request may succeed later.
    """

    code = "refused"
    message = "This is not possible now."
    status = 409
    retry_after: int | None = None

    def __init__(self, **context: Any) -> None:
        self.context = context
        super().__init__(self.message.format(**context))


class InvalidInputError(DomainError):
    """What was given is wrong, whatever the state (400); `field` names the culprit if one is."""

    code = "invalid"
    message = "Something in this request is not valid."
    status = 400

    def __init__(self, *, field: str | None = None, **context: Any) -> None:
        self.field = field
        super().__init__(**context)


class NotFoundError(DomainError):
    """There is no such thing, or it is not the caller's (404)."""

    code = "not_found"
    message = "This does not exist."
    status = 404
