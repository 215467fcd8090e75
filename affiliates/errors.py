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


class BatchStateError(DomainError):
    code = "batch_state"
    message = "This batch is “{state}”; that is not possible any more, or not yet."


class BlockedPayoutsError(DomainError):
    """Something about these affiliates changed after their payouts were made."""

    code = "blocked_payouts"
    message = "Take these out first; they are under review or no longer approved: {names}."


class InvalidPayoutDetailsError(InvalidInputError):
    code = "invalid_payout_details"
    message = "{problem}"


class NoTaxRateError(DomainError):
    code = "no_tax_rate"
    message = "Tax is to be withheld, but there is no rate for {country}. Add one first."


class NothingToPayError(DomainError):
    code = "nothing_to_pay"
    message = "Nobody can be paid this way now. The preview says who waits, and why."


class OwnPayoutError(DomainError):
    code = "own_payout"
    message = "A payout to yourself is in this batch. Somebody else has to approve it."


class PayoutBatchNotFoundError(NotFoundError):
    code = "payout_batch_not_found"
    message = "There is no such payout batch."


class PayoutNotFoundError(NotFoundError):
    code = "payout_not_found"
    message = "There is no such payout in this batch."


class PayoutStateError(DomainError):
    code = "payout_state"
    message = "{reference} is “{state}” already; nothing was changed."


class PointsNeedCustomerError(InvalidInputError):
    code = "points_need_customer"
    message = "Only an affiliate who is a customer can be paid in points."


class SameMakerError(DomainError):
    code = "same_maker"
    message = "Who made a batch cannot approve it. Ask a second person."
