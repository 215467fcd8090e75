"""Every way this app says no."""

from loyalty_site.common.errors import DomainError, InvalidInputError, NotFoundError


class InvalidPointsError(InvalidInputError):
    code = "invalid_points"
    message = "Points must be a whole number above zero and below {limit}."


class AccountNotFoundError(NotFoundError):
    code = "account_not_found"
    message = "There is no such points account."


class AccountClosedError(DomainError):
    code = "account_closed"
    message = "This points account is closed."


class InsufficientPointsError(DomainError):
    code = "insufficient_points"
    message = "Not enough points: {available} can be used, {points} are asked for."


class ReferenceReusedError(DomainError):
    code = "reference_reused"
    message = "The reference “{reference}” already stands for a different entry."
    status = 422


class EntryNotFoundError(NotFoundError):
    code = "entry_not_found"
    message = "There is no such entry in this account."


class EntryAlreadyReversedError(DomainError):
    code = "already_reversed"
    message = "This entry was already reversed."


class EntryNotReversibleError(DomainError):
    code = "not_reversible"
    message = "An entry of this kind cannot be reversed."


class GroupRefusedError(DomainError):
    code = "group_refused"
    message = "Nothing was posted, because another part of the same operation was refused."


class InvalidRuleError(InvalidInputError):
    code = "invalid_rule"
    message = "The rule is not complete: {problem}"


class InvalidExpiryError(InvalidInputError):
    code = "invalid_expiry"
    message = "How long points live is not complete: {problem}"


class InvalidFloorError(InvalidInputError):
    code = "invalid_given_tier"
    message = "This tier cannot be given so: {problem}"


class JobBusyError(DomainError):
    code = "job_busy"
    message = "This job is running just now."


class JobOverError(DomainError):
    code = "job_over"
    message = "Only jobs of today can run again."


class RuleDateError(DomainError):
    code = "rule_backdated"
    message = "A new version of a rule in use can only begin now or later."


class RuleNotFoundError(NotFoundError):
    code = "rule_not_found"
    message = "There is no such earning rule."


class NoDraftError(DomainError):
    code = "no_draft"
    message = "This rule has no draft to publish."


class RuleNotInForceError(DomainError):
    code = "rule_not_in_force"
    message = "This rule is not in force, so there is nothing to end."


class ReplayNotFoundError(NotFoundError):
    code = "replay_not_found"
    message = "There is no such replay."


class ReplayFinishedError(DomainError):
    code = "replay_finished"
    message = "This replay is over; there is nothing to stop."


class ReplayDaysError(InvalidInputError):
    code = "replay_days"
    message = "Choose from 1 to {most} days."


class TooManyReplaysError(DomainError):
    code = "too_many_replays"
    message = "{count} replays wait or run already; stop one of them or let them finish."


class HoldNotFoundError(NotFoundError):
    code = "hold_not_found"
    message = "There is no such reservation."


class HoldSettledError(DomainError):
    code = "hold_settled"
    message = "This reservation is no longer open: it was {state}."


class HoldExceededError(DomainError):
    code = "hold_exceeded"
    message = "Only {held} points are reserved; {points} are asked for."


class PointsHeldError(DomainError):
    code = "points_held"
    message = "A redemption of this customer is under way. Finish or cancel it first."


class SameAccountError(InvalidInputError):
    code = "same_account"
    message = "Choose two different customers."


class NotMergedError(DomainError):
    code = "not_merged"
    message = "These two customers are not merged, or no longer."


class PurchaseNotFoundError(NotFoundError):
    code = "purchase_not_found"
    message = "There is no sale with the bill number “{number}”."


class TransferRefusedError(DomainError):
    """A transfer is not allowed; `reason` says why."""

    code = "transfer_refused"
    message = "{reason}"


class HouseholdRefusedError(DomainError):
    """Something about a household is not allowed; `reason` says why."""

    code = "household_refused"
    message = "{reason}"


class HouseholdNotFoundError(NotFoundError):
    code = "household_not_found"
    message = "There is no such household or invitation."


class ReferralCodeNotFoundError(NotFoundError):
    code = "referral_code_not_found"
    message = "Nobody has this code. Check its spelling."


class ReferralRefusedError(DomainError):
    """A friend does not count; `reason` says why."""

    code = "referral_refused"
    message = "{reason}"


class OwnAccountError(DomainError):
    code = "own_account"
    message = "This account carries your own e-mail address. Ask somebody else to correct it."


class SamePersonError(DomainError):
    code = "same_person"
    message = "You asked for this yourself. A second person has to decide."


class AdjustmentDecidedError(DomainError):
    code = "already_decided"
    message = "This correction was decided before: {state}."


class RewardNotFoundError(NotFoundError):
    code = "reward_not_found"
    message = "There is no such reward."


class InvalidRewardError(InvalidInputError):
    code = "invalid_reward"
    message = "The reward is not complete: {problem}"


class InvalidUnitsError(InvalidInputError):
    code = "invalid_units"
    message = "At once, 1 to {most} of this reward can be had."


class RewardNotOfferedError(DomainError):
    code = "reward_not_offered"
    message = "{reason}"


class RewardSoldOutError(DomainError):
    code = "reward_sold_out"
    message = "{reason}"


class RewardLimitError(DomainError):
    code = "reward_limit"
    message = "{reason}"


class RewardGateError(DomainError):
    code = "reward_not_for_customer"
    message = "{reason}"


class NotAPaymentError(DomainError):
    code = "not_a_payment"
    message = "“{reward}” takes money off a bill: say which bill, and how much it comes to."


class NoPaymentError(NotFoundError):
    code = "no_payment_with_points"
    message = "This customer cannot pay with points."


class NothingPayableError(DomainError):
    code = "nothing_payable"
    message = "{reason}"


class RedemptionNotFoundError(NotFoundError):
    code = "redemption_not_found"
    message = "There is no such redemption."


class RedemptionClosedError(DomainError):
    code = "redemption_closed"
    message = "This redemption is {state} already."


class RedemptionNotDoneError(DomainError):
    code = "redemption_not_done"
    message = "This redemption is only reserved; let it go instead."


class ReservationOverError(DomainError):
    code = "reservation_over"
    message = "The reservation was held until {until}; please redeem again."


class OtherCustomersBillError(DomainError):
    code = "other_customers_bill"
    message = "Bill {bill} belongs to another customer."


class PoolEmptyError(DomainError):
    code = "pool_empty"
    message = "There are no codes left for this voucher."


class InvalidPoolError(InvalidInputError):
    code = "invalid_pool"
    message = "{problem}"


class InvalidImportError(InvalidInputError):
    code = "invalid_import"
    message = "The file cannot be read: {problem}"


class ImportDecidedError(DomainError):
    code = "import_decided"
    message = "This file was {state} already."


class VoucherNotFoundError(NotFoundError):
    code = "voucher_not_found"
    message = "{reason}"


class VoucherUsedError(DomainError):
    code = "voucher_used"
    message = "This voucher was used on {day}{place}."


class VoucherExpiredError(DomainError):
    code = "voucher_expired"
    message = "This voucher could be used until {day}."


class VoucherNotUsableError(DomainError):
    code = "voucher_not_usable"
    message = "{reason}"


class VoucherWrongStoreError(DomainError):
    code = "voucher_wrong_store"
    message = "This voucher is not for this store; it is for {stores}."


class PaymentTooLargeError(DomainError):
    code = "payment_too_large"
    message = "Points may pay {most} of bill {bill}, not {amount}."


class RedemptionVoucherUsedError(DomainError):
    code = "redemption_voucher_used"
    message = "The voucher {code} was used already, so its points stay spent."


class PoolTooLargeError(InvalidInputError):
    code = "pool_too_large"
    message = "Ask for 1 to {most} codes at once."


class InvalidReturnError(InvalidInputError):
    code = "invalid_return"
    message = "This cannot come back: {problem}"
