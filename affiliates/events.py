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
