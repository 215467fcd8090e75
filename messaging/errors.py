"""Every way this app says no, and every way a call to WhatsApp fails."""

from enum import StrEnum

from loyalty_site.common.errors import DomainError, InvalidInputError


class FailureKind(StrEnum):
    """What a failed call means for the message and for the number; see `engine.failures`."""

    TRANSIENT = "transient"
    THROTTLE_NUMBER = "throttle_number"
    THROTTLE_PAIR = "throttle_pair"
    THROTTLE_ACCOUNT = "throttle_account"
    LATER = "later"
    WINDOW_CLOSED = "window_closed"
    OPTED_OUT = "opted_out"
    UNREACHABLE = "unreachable"
    TEMPLATE_BLOCKED = "template_blocked"
    TEMPLATE_MISMATCH = "template_mismatch"
    OUR_FAULT = "our_fault"
    AUTHENTICATION = "authentication"
    ACCOUNT_STOPPED = "account_stopped"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"


class GatewayError(Exception):
    """A call to WhatsApp did not succeed. `details` never holds a token or a whole phone."""

    def __init__(self, kind: FailureKind, *, code: int | None = None, details: str = "") -> None:
        self.kind = kind
        self.code = code
        self.details = details
        super().__init__(f"{kind}: {code or ''} {details}".strip())


class MalformedUpdateError(Exception):
    """One item of a webhook body cannot be read; its neighbours can."""


class SignatureRefusedError(DomainError):
    code = "signature_refused"
    message = "The webhook's signature is missing or wrong."
    status = 401


class NotSafeToRepeatError(DomainError):
    code = "not_safe_to_repeat"
    message = "Sending this again could reach the customer twice ({state})."


class CodeMessageNotRepeatedError(DomainError):
    code = "code_not_repeated"
    message = "A sign-in code is not sent again; the customer asks for a new one."


class ChannelAddressRefusedError(InvalidInputError):
    code = "channel_address_refused"
    message = "The token would leave for an unknown host. Allowed: {allowed}."


class TemplateUnknownError(InvalidInputError):
    code = "template_unknown"
    message = "WhatsApp has no template “{name}”. Sync the templates first."


class BindingIncompleteError(InvalidInputError):
    code = "binding_incomplete"
    message = "Say what fills {slot} of template “{name}”."


class FieldUnknownError(InvalidInputError):
    code = "field_unknown"
    message = "“{name}” is not a field that messages can show."
