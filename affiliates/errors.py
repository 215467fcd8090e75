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


class PlanNotFoundError(NotFoundError):
    code = "plan_not_found"
    message = "There is no such plan."


class PlanNameTakenError(DomainError):
    code = "plan_name_taken"
    message = "There is already a plan called “{name}”."


class PlanDateError(InvalidInputError):
    code = "plan_date"
    message = "A version cannot begin before the one that is there already."


class NoPlanDraftError(DomainError):
    code = "no_plan_draft"
    message = "This plan has no draft."


class InvalidGrantError(InvalidInputError):
    code = "invalid_grant"
    message = "{problem}"
    status = 422


class GrantedAlreadyError(DomainError):
    code = "granted_already"
    message = "Bill {bill} has earned a commission already."


class CommissionNotFoundError(NotFoundError):
    code = "commission_not_found"
    message = "There is no such commission."


class CommissionInPayoutError(InvalidInputError):
    code = "commission_in_payout"
    message = "A commission that is in a payout stays as it is; take money back instead."


class BillNotFoundError(NotFoundError):
    code = "bill_not_found"
    message = "There is no bill {number}."


class PlanReplayNotFoundError(NotFoundError):
    code = "plan_replay_not_found"
    message = "There is no such replay."


class EnrolmentNotFoundError(NotFoundError):
    code = "enrolment_not_found"
    message = "This affiliate is on no such plan."
