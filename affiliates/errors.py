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


class ApplicationsClosedError(DomainError):
    code = "applications_closed"
    message = "The shop takes no applications at present."


class ApplicationTooSoonError(DomainError):
    code = "application_too_soon"
    message = "You may apply again from {day}."


class TooManyApplicationsError(DomainError):
    code = "too_many_applications"
    message = "No further application is possible. Please ask at the shop."


class InvalidApplicationError(InvalidInputError):
    code = "invalid_application"
    message = "{reason}"


class NotInvitedError(DomainError):
    code = "not_invited"
    message = "This invitation was answered already."


class DecisionRefusedError(DomainError):
    code = "decision_refused"
    message = "{affiliate} is {state}; that cannot become {wanted}."


class ReasonNeededError(InvalidInputError):
    code = "reason_needed"
    message = "Write a reason; the affiliate reads it."


class PlanNeededError(DomainError):
    code = "plan_needed"
    message = "{affiliate} is on no plan yet: choose one, or set the plan of new affiliates."


class RecruiterUnknownError(NotFoundError):
    code = "recruiter_unknown"
    message = "Nobody who earns has this code."


class RecruiterRefusedError(DomainError):
    code = "recruiter_refused"
    message = "{reason}"


class AlreadyEnrolledError(DomainError):
    code = "already_enrolled"
    message = "{affiliate} is already on the plan “{plan}”."


class EnrolmentEndedError(DomainError):
    code = "enrolment_ended"
    message = "{affiliate} is no longer on the plan “{plan}”."


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


class InvalidAddressError(InvalidInputError):
    code = "invalid_address"
    message = "{problem}"


class InvalidCodeError(InvalidInputError):
    code = "invalid_code"
    message = "A code has 3 to 40 letters, digits, “-” or “_”."


class InvalidFileError(InvalidInputError):
    code = "invalid_file"
    message = "{problem}"


class InvalidTermsError(InvalidInputError):
    code = "invalid_terms"
    message = "{problem}"


class LinkNotFoundError(NotFoundError):
    code = "link_not_found"
    message = "There is no such link."


class LinkRefusedError(DomainError):
    code = "link_refused"
    message = "{affiliate} cannot have new links at present."


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


class TargetNotAllowedError(DomainError):
    code = "target_not_allowed"
    message = "Links may not lead there. They may lead to: {allowed}."


class TooManyLinksError(DomainError):
    code = "too_many_links"
    message = "An affiliate has at most {most} links on a plan."


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


class PlanReplayNotFoundError(NotFoundError):
    code = "plan_replay_not_found"
    message = "There is no such replay."


class EnrolmentNotFoundError(NotFoundError):
    code = "enrolment_not_found"
    message = "This affiliate is on no such plan."


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


class NotHeldError(DomainError):
    code = "not_held"
    message = "Bill {bill} does not wait for a decision: {state}."


class AlreadyHeldError(DomainError):
    code = "already_held"
    message = "Bill {bill} waits for a decision already."


class NobodyEarnsError(DomainError):
    code = "nobody_earns"
    message = "No affiliate earns on bill {bill}."


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
