"""A bill as the fraud checks take it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from affiliates.engine import Rung
from affiliates.engine.emails import company_domain
from affiliates.models import Affiliate, Conversion, Enrolment
from affiliates.services.orders import Order
from loyalty_site.common.crypto import blind_index

_CLICK_ID = "clk_"


@dataclass(frozen=True, slots=True)
class Subject:
    """A bill with an enrolment that it would pay; crowds are looked at for the winner only."""

    conversion: Conversion
    order: Order
    enrolment: Enrolment
    is_fresh: bool

    @property
    def key(self) -> tuple[int, int]:
        """What names it: the bill and whom it would pay."""
        return self.conversion.pk, self.enrolment.pk

    @property
    def affiliate(self) -> Affiliate:
        """Who would be paid."""
        return self.enrolment.affiliate

    @property
    def buyer_id(self) -> int | None:
        """The customer on the bill."""
        return self.order.sale.customer_id

    @property
    def at(self) -> datetime:
        """When the bill was made."""
        return self.order.sale.occurred_at

    @property
    def day(self) -> date:
        """The same as a day of UTC, in which days are counted."""
        return self.at.astimezone(UTC).date()

    @property
    def buyer_email(self) -> str:
        """The buyer's address, if known."""
        customer = self.order.sale.customer
        return customer.email if customer else ""

    @property
    def domain_index(self) -> str:
        """The keyed hash of the buyer's company domain."""
        domain = company_domain(self.buyer_email)
        return blind_index("affiliate-buyer-domain", domain) if domain else ""

    @property
    def buyer_phones(self) -> frozenset[str]:
        """The keyed hashes of the phones of the buyer and on the bill."""
        sale = self.order.sale
        found = {sale.phone_index, (sale.customer and sale.customer.phone_index) or ""}
        return frozenset(found - {""})

    @property
    def click_ids(self) -> list[str]:
        """Clicks that the bill names itself."""
        codes = self.order.sale.codes
        return [one for one in codes if isinstance(one, str) and one.startswith(_CLICK_ID)]

    @property
    def won_by_code(self) -> bool:
        """Whether nothing but a code on the bill speaks for the affiliate."""
        return any(
            one.get("enrolment_id") == self.enrolment.pk and one.get("rung") == Rung.CODE
            for one in self.conversion.candidates
            if one.get("reason") == "won"
        )
