"""Every way this app says no."""

from loyalty_site.common.errors import DomainError, InvalidInputError, NotFoundError


class AffiliateNotFoundError(NotFoundError):
    code = "affiliate_not_found"
    message = "There is no such affiliate."


class AlreadyAffiliateError(DomainError):
    code = "already_affiliate"
    message = "This customer is already an affiliate."


class AlreadyEnrolledError(DomainError):
    code = "already_enrolled"
    message = "{affiliate} is already on the plan “{plan}”."


class CodeTakenError(DomainError):
    code = "code_taken"
    message = "The code {text} is already in use."


class InvalidCodeError(InvalidInputError):
    code = "invalid_code"
    message = "A code has 3 to 40 letters, digits, “-” or “_”."


class InvalidTermsError(InvalidInputError):
    code = "invalid_terms"
    message = "{problem}"


class PlanNotPublishedError(DomainError):
    code = "plan_not_published"
    message = "The plan “{plan}” has no published version yet."


class NotHeldError(DomainError):
    code = "not_held"
    message = "Bill {bill} does not wait for a decision: {state}."


class AlreadyHeldError(DomainError):
    code = "already_held"
    message = "Bill {bill} waits for a decision already."


class NobodyEarnsError(DomainError):
    code = "nobody_earns"
    message = "No affiliate earns on bill {bill}."


class ReasonMissingError(InvalidInputError):
    code = "reason_missing"
    message = "Say why, in a few words."


class OwnCommissionError(DomainError):
    code = "own_commission"
    message = "This is about your own commission; somebody else decides."


class DisputeEmptyError(InvalidInputError):
    code = "dispute_empty"
    message = "Name a bill and say what is wrong, in 1,000 letters at most."


class DisputeNotFoundError(NotFoundError):
    code = "dispute_not_found"
    message = "There is no such commission of yours."


class AlreadyDisputedError(DomainError):
    code = "already_disputed"
    message = "You asked about this bill already; the answer is on its way."


class TooManyDisputesError(DomainError):
    code = "too_many_disputes"
    message = "{count} of your questions wait for an answer. Please wait for one of them first."


class DisputeAnsweredError(DomainError):
    code = "dispute_answered"
    message = "This was answered already: {state}."
