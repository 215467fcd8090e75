from dataclasses import dataclass
from datetime import datetime

from loyalty_site.outbox.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRegistered(Event, name="customers.customer_registered"):
    """A customer came into being; `referral_code` is what a friend gave them, as it was typed."""

    customer_id: int
    source: str
    referral_code: str = ""

    @property
    def ordering_key(self) -> str:
        return f"customer:{self.customer_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseRecorded(Event, name="customers.purchase_recorded"):
    """A bill or a return arrived, or changed (`version` > 1); read its state from the table."""

    purchase_id: int
    purchase_version: int
    customer_id: int | None
    store_id: int
    kind: str
    occurred_at: datetime
    previous_occurred_at: datetime | None = None
    previous_store_id: int | None = None
    previous_sale_id: int | None = None

    @property
    def ordering_key(self) -> str:
        return f"customer:{self.customer_id}" if self.customer_id else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInCodeRequested(Event, name="customers.sign_in_code_requested"):
    """A known customer asked for a one-time code; derive it from the challenge."""

    challenge_id: int
    customer_id: int
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomersMerged(Event, name="customers.customers_merged"):
    """Two records of one person became one: `customer_id` took over `merged_customer_id`."""

    merge_id: int
    customer_id: int
    merged_customer_id: int

    @property
    def ordering_key(self) -> str:
        return f"customer:{self.customer_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomersSeparated(Event, name="customers.customers_separated"):
    """A merge was undone: `separated_customer_id` is a customer of its own again."""

    merge_id: int
    customer_id: int
    separated_customer_id: int

    @property
    def ordering_key(self) -> str:
        return f"customer:{self.customer_id}"
