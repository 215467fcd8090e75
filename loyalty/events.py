from dataclasses import dataclass
from datetime import date, datetime

from loyalty_site.outbox.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsPosted(Event, name="loyalty.points_posted"):
    """An entry was written into a customer's points ledger.

    `kind` is one of PointsEntry.Kind; `points` is signed; `occurred_at` is the business time
    of the cause, which may lie long before.
    """

    entry_id: int
    account_id: int
    customer_id: int
    kind: str
    points: int
    balance_after: int
    occurred_at: datetime
    purchase_id: int | None = None

    @property
    def ordering_key(self) -> str:
        return f"customer:{self.customer_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TierChanged(Event, name="loyalty.tier_changed"):
    """A customer moved to another tier; `previous_tier_id` is None for the first one."""

    change_id: int
    account_id: int
    customer_id: int
    tier_id: int
    previous_tier_id: int | None
    is_upgrade: bool
    occurred_at: datetime

    @property
    def ordering_key(self) -> str:
        return f"customer:{self.customer_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsExpiringSoon(Event, name="loyalty.points_expiring_soon"):
    """Points of a customer are about to expire; told once per account, last day and distance.

    `last_day` is the last day on which they are usable, `days_before` the distance that the
    programme chose, and `days_left` how many days are really left.
    """

    account_id: int
    customer_id: int
    points: int
    last_day: date
    days_before: int
    days_left: int

    @property
    def ordering_key(self) -> str:
        return f"customer:{self.customer_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FriendBillRecorded(Event, name="loyalty.friend_bill_recorded"):
    """A bill or return may decide who brought its customer: an open referral, or a code on it."""

    purchase_id: int
    customer_id: int

    @property
    def ordering_key(self) -> str:
        return f"customer:{self.customer_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardRedeemed(Event, name="loyalty.reward_redeemed"):
    """A customer's points bought a reward; `points` is what it cost."""

    redemption_id: int
    account_id: int
    customer_id: int
    reward_id: int
    points: int
    occurred_at: datetime

    @property
    def ordering_key(self) -> str:
        return f"customer:{self.customer_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedemptionCancelled(Event, name="loyalty.redemption_cancelled"):
    """A redemption was undone and its points went back."""

    redemption_id: int
    account_id: int
    customer_id: int
    reward_id: int
    occurred_at: datetime

    @property
    def ordering_key(self) -> str:
        return f"customer:{self.customer_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherIssued(Event, name="loyalty.voucher_issued"):
    """A code was given to a customer; read it from the table, it is a secret."""

    voucher_id: int
    account_id: int
    customer_id: int
    redemption_id: int
    expires_on: date
    occurred_at: datetime

    @property
    def ordering_key(self) -> str:
        return f"customer:{self.customer_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherUsed(Event, name="loyalty.voucher_used"):
    """A customer's voucher was used at a till."""

    voucher_id: int
    account_id: int
    customer_id: int
    store_id: int | None
    occurred_at: datetime

    @property
    def ordering_key(self) -> str:
        return f"customer:{self.customer_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MilestoneReached(Event, name="loyalty.milestone_reached"):
    """A balance rose to a milestone of the programme; only the highest one is told."""

    entry_id: int
    account_id: int
    customer_id: int
    milestone: int
    balance: int
    occurred_at: datetime

    @property
    def ordering_key(self) -> str:
        return f"customer:{self.customer_id}"
