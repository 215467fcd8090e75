"""Every way this app says no."""

from loyalty_site.common.errors import DomainError, InvalidInputError, NotFoundError


class AffiliateNotFoundError(NotFoundError):
    code = "affiliate_not_found"
    message = "There is no such affiliate."


class AffiliateNotEarningError(DomainError):
    code = "affiliate_not_earning"
    message = "{affiliate} does not earn now: not approved, or no longer on the plan."


class AlreadyAffiliateError(DomainError):
    code = "already_affiliate"
    message = "This customer is already an affiliate."


class AlreadyEnrolledError(DomainError):
    code = "already_enrolled"
    message = "{affiliate} is already on the plan “{plan}”."


class BillNotFoundError(NotFoundError):
    code = "bill_not_found"
    message = "There is no such bill."


class BindingEndedError(DomainError):
    code = "binding_ended"
    message = "This customer is no longer bound."


class ClickNotFoundError(NotFoundError):
    code = "click_not_found"
    message = "There is no such click."


class CodeNotFoundError(NotFoundError):
    code = "code_not_found"
    message = "No affiliate has the code “{text}”."


class CodeTakenError(DomainError):
    code = "code_taken"
    message = "The code {text} is already in use."


class InvalidCodeError(InvalidInputError):
    code = "invalid_code"
    message = "A code has 3 to 40 letters, digits, “-” or “_”."


class InvalidFileError(InvalidInputError):
    code = "invalid_file"
    message = "{problem}"


class InvalidTermsError(InvalidInputError):
    code = "invalid_terms"
    message = "{problem}"


class ManualCommissionExistsError(DomainError):
    code = "manual_commission_exists"
    message = "A commission was granted by hand for bill {number}; take it back first."


class NobodyNamedError(InvalidInputError):
    code = "nobody_named"
    message = "Say who was brought: a customer's number, phone or e-mail address."


class NotEligibleError(DomainError):
    code = "not_eligible"
    message = "{affiliate} cannot earn on bill {number}. {why}"


class OwnClaimError(DomainError):
    code = "own_claim"
    message = "Nobody brings themselves: this is the affiliate's own phone."


class PlanNotPublishedError(DomainError):
    code = "plan_not_published"
    message = "The plan “{plan}” has no published version yet."


class ReasonMissingError(InvalidInputError):
    code = "reason_missing"
    message = "Write down the reason."


class ReturnExceedsSaleError(DomainError):
    code = "return_exceeds_sale"
    message = "Of order {order} only {left} can still come back."


class SaleNotFoundError(NotFoundError):
    code = "sale_not_found"
    message = "There is no sale {order} yet; say how much came back, and it waits for it."


class UnknownBuyerError(NotFoundError):
    code = "unknown_buyer"
    message = "There is no customer {customer_id}."
