from collections.abc import Sequence

from affiliates.services import settle_commissions
from customers.events import PurchaseRecorded


def settle_recorded_purchases(events: Sequence[PurchaseRecorded]) -> None:
    """Settle the commissions of bills that arrived or changed, and of sales that lost a return."""
    left = {event.previous_sale_id for event in events if event.previous_sale_id}
    settle_commissions(purchase_ids=left | {event.purchase_id for event in events})
