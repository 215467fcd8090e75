"""How customers, purchases and the portal's sign-in say no."""

from typing import Any

from loyalty_site.common.errors import DomainError, InvalidInputError, NotFoundError


class CustomerNotFoundError(NotFoundError):
    """Nobody has this number."""

    code = "customer_not_found"
    message = "There is no such customer."


class InvalidProfileError(InvalidInputError):
    """A field of a customer's profile cannot be what was given."""

    code = "invalid_profile"
    message = "{reason}"


class PhoneTakenError(DomainError):
    """Another customer, `customer_id`, has this phone."""

    code = "phone_taken"
    message = "Another customer already has this phone number."


class EmailTakenError(DomainError):
    """Another customer, `customer_id`, has this e-mail address."""

    code = "email_taken"
    message = "Another customer already has this e-mail address."


class CustomerErasedError(DomainError):
    """The customer was erased and does not come back."""

    code = "customer_erased"
    message = "This customer was erased; register them anew if they come back."


class CustomerMergedError(DomainError):
    """The customer lives on as `survivor_id`."""

    code = "customer_merged"
    message = "This customer was merged into customer {survivor_id}; use that one."


class InvalidSegmentError(InvalidInputError):
    """A segment's condition cannot be understood; `reason` says what is wrong with it."""

    code = "invalid_segment"
    message = "{reason}"


class SegmentNotFoundError(NotFoundError):
    """No segment has this number."""

    code = "segment_not_found"
    message = "There is no such segment."


class SegmentNameTakenError(DomainError):
    """Two segments cannot have one name."""

    code = "segment_name_taken"
    message = "Another segment is already called “{name}”."


class MergeRefusedError(DomainError):
    """Two records cannot become one; `reason` says why."""

    code = "merge_refused"
    message = "{reason}"


class MergeNotFoundError(NotFoundError):
    """There is no such merge."""

    code = "merge_not_found"
    message = "There is no such merge."


class UnmergeRefusedError(DomainError):
    """A merge cannot be undone any more; `reason` says why."""

    code = "unmerge_refused"
    message = "{reason}"


class BillNotFoundError(NotFoundError):
    """No bill that waits for its customer is like the one that was described."""

    code = "bill_not_found"
    message = (
        "No unclaimed bill fits. Check the receipt number, the day and the total; "
        "a new bill may take a day to arrive."
    )


class BillTakenError(DomainError):
    """The bill already belongs to somebody else."""

    code = "bill_taken"
    message = "This bill already belongs to somebody. Please ask at the shop."


class TooManyClaimsError(DomainError):
    """Too many receipts that do not exist were given; `retry_after` is in seconds."""

    code = "too_many_claims"
    message = "Too many bills were not found today. Please try again tomorrow or ask at the shop."
    status = 429

    def __init__(self, *, retry_after: int, **context: Any) -> None:
        super().__init__(**context)
        self.retry_after = retry_after


class InvalidPurchaseError(InvalidInputError):
    """A bill is not plausible; `reason` says what is wrong with it."""

    code = "invalid_purchase"
    message = "Bill {number}: {reason}"


class InvalidConsentError(InvalidInputError):
    """A statement of consent lacks what makes it one."""

    code = "invalid_consent"
    message = "{reason}"


class InvalidContactError(InvalidInputError):
    """What was typed at sign-in is neither a phone number nor an e-mail address."""

    code = "invalid_contact"
    message = "Write your phone number or your e-mail address."


class TooManyCodesError(DomainError):
    """A limit on sign-in codes is reached; `retry_after` is in seconds."""

    code = "too_many_codes"
    message = "Too many codes were asked for. Please wait a little and try again."
    status = 429

    def __init__(self, *, retry_after: int, **context: Any) -> None:
        super().__init__(**context)
        self.retry_after = retry_after


class WrongCodeError(InvalidInputError):
    """The code is wrong, used, too old, or was tried too often; which of these is not told."""

    code = "invalid_code"
    message = "This code is not valid. Check it, or ask for a new one."
