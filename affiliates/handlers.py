from collections.abc import Sequence

from affiliates.events import PayoutDetailsChanged
from affiliates.models import Affiliate
from affiliates.services import (
    claim_customers,
    follow_customers,
    recheck_affiliates,
    settle_commissions,
)
from customers.events import (
    CustomerRegistered,
    CustomersMerged,
    CustomersSeparated,
    PurchaseRecorded,
)


def settle_recorded_purchases(events: Sequence[PurchaseRecorded]) -> None:
    """Settle the commissions of bills that arrived or changed, and of sales that lost a return."""
    left = {event.previous_sale_id for event in events if event.previous_sale_id}
    settle_commissions(purchase_ids=left | {event.purchase_id for event in events})


def note_codes_at_registration(events: Sequence[CustomerRegistered]) -> None:
    """Who registered with an affiliate's code was sent by them; other codes are left alone."""
    codes = {event.customer_id: event.referral_code for event in events if event.referral_code}
    if codes:
        claim_customers(codes=codes, place="registration")


def follow_merges(events: Sequence[CustomersMerged]) -> None:
    """An affiliate becomes the customer who took over; moved bills may turn out to be their own."""
    follow_customers(merge_ids={event.merge_id for event in events})


def follow_separations(events: Sequence[CustomersSeparated]) -> None:
    """What a merge moved goes back."""
    follow_customers(merge_ids={event.merge_id for event in events})


def look_again(events: Sequence[PayoutDetailsChanged]) -> None:
    """New payout details may turn out to be another affiliate's too."""
    ids = {event.affiliate_id for event in events}
    recheck_affiliates(affiliates=Affiliate.objects.filter(pk__in=ids).order_by("pk"))
