"""Every way this app says no."""

from loyalty_site.common.errors import DomainError, InvalidInputError, NotFoundError


class AffiliateNotFoundError(NotFoundError):
    code = "affiliate_not_found"
    message = "There is no such affiliate."


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


class CodeTakenError(DomainError):
    code = "code_taken"
    message = "The code {text} is already in use."


class InvalidAddressError(InvalidInputError):
    code = "invalid_address"
    message = "{problem}"


class InvalidCodeError(InvalidInputError):
    code = "invalid_code"
    message = "A code has 3 to 40 letters, digits, “-” or “_”."


class InvalidTermsError(InvalidInputError):
    code = "invalid_terms"
    message = "{problem}"


class LinkNotFoundError(NotFoundError):
    code = "link_not_found"
    message = "There is no such link."


class LinkRefusedError(DomainError):
    code = "link_refused"
    message = "{affiliate} cannot have new links at present."


class PlanNotPublishedError(DomainError):
    code = "plan_not_published"
    message = "The plan “{plan}” has no published version yet."


class TargetNotAllowedError(DomainError):
    code = "target_not_allowed"
    message = "Links may not lead there. They may lead to: {allowed}."


class TooManyLinksError(DomainError):
    code = "too_many_links"
    message = "An affiliate has at most {most} links on a plan."
