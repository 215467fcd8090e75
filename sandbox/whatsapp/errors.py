"""Every way the stand-in says no, in the words and codes of the Graph API."""

import secrets
from typing import Any


class GraphError(Exception):
    """An answer other than 200, shaped as Graph shapes it."""

    def __init__(
        self,
        code: int,
        message: str,
        details: str = "",
        *,
        http_status: int = 400,
        subcode: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {details or message}")
        self.code = code
        self.message = message
        self.details = details
        self.http_status = http_status
        self.subcode = subcode

    def as_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        error: dict[str, Any] = {
            "message": self.message,
            "type": "OAuthException",
            "code": self.code,
        }
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        error["fbtrace_id"] = secrets.token_urlsafe(8)
        return {"error": error}


class TapError(Exception):
    """A person tapped a button that is not there, or sent an empty text."""


class JournalError(Exception):
    """The state file cannot be read or written."""


def wrong_token() -> GraphError:
    """Bearer token missing or wrong."""
    return GraphError(
        190, "Invalid OAuth access token - Cannot parse access token", http_status=401
    )


def unknown_object(method: str, object_id: str) -> GraphError:
    """A node that does not exist, or a call that it does not know."""
    return GraphError(
        100,
        f"Unsupported {method.lower()} request. Object with ID '{object_id}' does not exist, "
        "cannot be loaded due to missing permissions, or does not support this operation.",
        subcode=33,
    )


def bad_request(details: str) -> GraphError:
    """A shape or a length that is wrong."""
    return GraphError(100, "(#100) Invalid parameter", details)


def missing(path: str) -> GraphError:
    """A required parameter is not there."""
    return GraphError(
        131008, "(#131008) Required parameter is missing", f"Parameter '{path}' is required."
    )


def bad_value(details: str) -> GraphError:
    """A parameter is there and its value cannot be used."""
    return GraphError(131009, "(#131009) Parameter value is not valid", details)


def unsupported_type(kind: object) -> GraphError:
    """A message type that the stand-in does not send."""
    return GraphError(
        131051, "(#131051) Unsupported message type", f"Message type {kind!r} is not supported."
    )


def window_closed() -> GraphError:
    """Free-form content more than 24 hours after the person last wrote."""
    return GraphError(
        131047,
        "(#131047) Re-engagement message",
        "Message failed to send because more than 24 hours have passed since the customer "
        "last replied to this number.",
    )


def bad_cursor() -> GraphError:
    """A paging cursor that the listing did not hand out."""
    return GraphError(
        131059, "(#131059) Invalid cursor", "The paging cursor is not valid; restart without it."
    )


def parameters_mismatch(details: str) -> GraphError:
    """Count or names of the parameters differ from the template's."""
    return GraphError(
        132000,
        "(#132000) Number of parameters does not match the expected number of params",
        details,
    )


def unknown_template(name: str, language: str) -> GraphError:
    """No sendable template of that name in that language."""
    return GraphError(
        132001,
        "(#132001) Template name does not exist in the translation",
        f"template name ({name}) does not exist in {language}",
        http_status=404,
    )


def text_too_long(details: str) -> GraphError:
    """The template is too long once it is filled in."""
    return GraphError(132005, "(#132005) Translated text too long", details)


def bad_parameter_format(details: str) -> GraphError:
    """A parameter is of another kind than the template's."""
    return GraphError(
        132012,
        "(#132012) Parameter format does not match format in the created template",
        details,
    )


def template_paused() -> GraphError:
    """The template is paused for low quality."""
    return GraphError(
        132015,
        "(#132015) Template is paused",
        "Template is paused due to low quality so it cannot be sent in a template message.",
    )


def template_disabled() -> GraphError:
    """The template was paused too often."""
    return GraphError(
        132016,
        "(#132016) Template is disabled",
        "Template has been paused too many times due to low quality and is now disabled.",
    )
