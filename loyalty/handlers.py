"""What this app does when something happens below it."""

from collections import defaultdict
from collections.abc import Sequence

from django.utils import timezone

from customers.events import CustomerRegistered, CustomersMerged
from customers.models import Customer
from loyalty.errors import ReferralCodeNotFoundError
from loyalty.events import FriendBillRecorded
from loyalty.services import (
    EventOccasion,
    award_events,
    claim_waiting_bills,
    default_program,
    join_at_till,
    record_referral,
    review_friends,
)

_NOT_SIGNED_UP = {"import", "demo"}


def reward_sign_ups(events: Sequence[CustomerRegistered]) -> None:
    """The points of sign-up rules, once a customer; those who were imported did not sign up."""
    sources: dict[str, list[int]] = defaultdict(list)
    for event in events:
        sources[event.source.partition(":")[0]].append(event.customer_id)
    signed_up = [
        customer_id
        for source, customer_ids in sources.items()
        if source not in _NOT_SIGNED_UP
        for customer_id in customer_ids
    ]
    if not signed_up:
        return
    now = timezone.now()
    registered = dict(Customer.objects.filter(pk__in=signed_up).values_list("pk", "created_at"))
    award_events(
        program=default_program(),
        event="sign_up",
        occasions=[
            EventOccasion(
                customer_id=customer_id, key="sign_up", occurred_at=registered.get(customer_id, now)
            )
            for customer_id in dict.fromkeys(signed_up)
        ],
        now=now,
    )


def claim_bills(events: Sequence[CustomerRegistered]) -> None:
    """Bills that carried a phone before it was registered find their customer."""
    claim_waiting_bills(customer_ids={event.customer_id for event in events})


def welcome_friends(events: Sequence[CustomerRegistered]) -> None:
    """Who registered with a friend's code was brought by them; an unknown code is left alone."""
    codes = {event.customer_id: event.referral_code for event in events if event.referral_code}
    for friend in Customer.objects.filter(pk__in=codes).order_by("pk"):
        try:
            record_referral(
                friend=friend,
                code=codes[friend.pk],
                source="registration",
                joined_at=friend.created_at,
            )
        except ReferralCodeNotFoundError:
            continue


def follow_bills(events: Sequence[FriendBillRecorded]) -> None:
    """A code on a first bill brings a friend; each bill and return may decide a referral."""
    join_at_till(purchase_ids={event.purchase_id for event in events})
    review_friends(customer_ids={event.customer_id for event in events})


def follow_merges(events: Sequence[CustomersMerged]) -> None:
    """Who brought himself brought nobody."""
    review_friends(customer_ids={event.customer_id for event in events})
