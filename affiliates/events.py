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
