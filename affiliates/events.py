from dataclasses import dataclass
from datetime import datetime
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
