from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from loyalty_site.outbox.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissionPosted(Event, name="affiliates.commission_posted"):
    """A commission was credited, or corrected (then `amount` may be negative).

    `customer_id` is the affiliate as a customer, who may be told; None if they are none.
    """

    entry_id: int
    affiliate_id: int
    customer_id: int | None
    amount: Decimal
    currency: str
    purchase_number: str
    occurred_at: datetime

    @property
    def ordering_key(self) -> str:
        return f"affiliate:{self.affiliate_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AffiliateApplied(Event, name="affiliates.affiliate_applied"):
    """Somebody wants to become an affiliate; `parent_id` is who recruited them, if anybody."""

    affiliate_id: int
    customer_id: int
    parent_id: int | None
    occurred_at: datetime

    @property
    def ordering_key(self) -> str:
        return f"affiliate:{self.affiliate_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AffiliateDecided(Event, name="affiliates.affiliate_decided"):
    """An affiliate was invited, approved, rejected or suspended: `state` says which.

    `code` is a code that earns for them now, empty if there is none.
    """

    affiliate_id: int
    customer_id: int | None
    state: str
    reason: str
    code: str
    occurred_at: datetime

    @property
    def ordering_key(self) -> str:
        return f"affiliate:{self.affiliate_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachCounted(Event, name="affiliates.reach_counted"):
    """Shares, clicks or chats of affiliates were counted on a day of the shop."""

    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutDetailsChanged(Event, name="affiliates.payout_details_changed"):
    """An affiliate is to be paid in another way; nothing goes there before `payable_from`.

    `account` is masked. `customer_id` is the affiliate as a customer, None if they are none.
    """

    details_id: int
    affiliate_id: int
    customer_id: int | None
    method: str
    account: str
    by_staff: bool
    payable_from: datetime

    @property
    def ordering_key(self) -> str:
        return f"affiliate:{self.affiliate_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutPaid(Event, name="affiliates.payout_paid"):
    """Commission was paid out: `gross` less `withheld` is `net`; `points` where it was points."""

    payout_id: int
    affiliate_id: int
    customer_id: int | None
    reference: str
    gross: Decimal
    withheld: Decimal
    net: Decimal
    currency: str
    points: int | None
    paid_at: datetime

    @property
    def ordering_key(self) -> str:
        return f"affiliate:{self.affiliate_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutFailed(Event, name="affiliates.payout_failed"):
    """A payout did not arrive; its commissions are due again."""

    payout_id: int
    affiliate_id: int
    customer_id: int | None
    reference: str
    net: Decimal
    currency: str
    reason: str

    @property
    def ordering_key(self) -> str:
        return f"affiliate:{self.affiliate_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionHeld(Event, name="affiliates.conversion_held"):
    """A bill's commission waits for a person; `checks` names what objected, with commas."""

    conversion_id: int
    affiliate_id: int
    purchase_number: str
    checks: str

    @property
    def ordering_key(self) -> str:
        return f"affiliate:{self.affiliate_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionReviewed(Event, name="affiliates.conversion_reviewed"):
    """A person released or refused a bill's commission; `review` is `released` or `refused`.

    `customer_id` is the affiliate as a customer, who may be told; None if they are none.
    """

    conversion_id: int
    affiliate_id: int
    customer_id: int | None
    purchase_number: str
    review: str
    reason: str
    reviewed_by_id: int

    @property
    def ordering_key(self) -> str:
        return f"affiliate:{self.affiliate_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeOpened(Event, name="affiliates.dispute_opened"):
    """An affiliate disagrees with a commission (`entry_id`), or misses one."""

    dispute_id: int
    affiliate_id: int
    entry_id: int | None
    bill_number: str

    @property
    def ordering_key(self) -> str:
        return f"affiliate:{self.affiliate_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeAnswered(Event, name="affiliates.dispute_answered"):
    """Staff answered a dispute; `state` is `accepted` or `declined`.

    `customer_id` is the affiliate as a customer, who may be told; None if they are none.
    """

    dispute_id: int
    affiliate_id: int
    customer_id: int | None
    state: str
    answer: str

    @property
    def ordering_key(self) -> str:
        return f"affiliate:{self.affiliate_id}"
