"""What lower apps' events mean for messages: one message for each, in constant queries."""

from collections.abc import Sequence

from django.utils import timezone

from affiliates.events import AffiliateDecided, CommissionPosted, PayoutPaid
from affiliates.models import Affiliate
from customers.events import CustomerRegistered, SignInCodeRequested
from customers.models import Customer, Purchase, SignInChallenge
from loyalty.events import PointsPosted, TierChanged
from loyalty.models import PointsEntry, Tier
from messaging.engine.fields import Facts
from messaging.models import Automation
from messaging.services import Occasion, queue_messages

_BULK_SOURCES = {"import", "demo"}


def tell_points_earned(events: Sequence[PointsPosted]) -> None:
    """Points for a bill: one message for each entry."""
    earned = [
        event
        for event in events
        if event.kind == PointsEntry.Kind.AWARD and event.points > 0 and event.purchase_id
    ]
    purchases = Purchase.objects.select_related("store").in_bulk(
        {event.purchase_id for event in earned}
    )
    _queue(
        Automation.Trigger.POINTS_EARNED,
        [
            Occasion(
                key=f"entry:{event.entry_id}",
                customer_id=event.customer_id,
                occurred_at=event.occurred_at,
                facts=Facts(
                    points=event.points,
                    balance=event.balance_after,
                    store=str(purchase.store),
                    order=purchase.number,
                ),
            )
            for event in earned
            if (purchase := purchases.get(event.purchase_id))
        ],
    )


def tell_tier_up(events: Sequence[TierChanged]) -> None:
    """A move to a higher tier; the tier that everyone starts in is no news."""
    risen = [event for event in events if event.is_upgrade]
    tiers = Tier.objects.in_bulk({event.tier_id for event in risen})
    _queue(
        Automation.Trigger.TIER_UP,
        [
            Occasion(
                key=f"change:{event.change_id}",
                customer_id=event.customer_id,
                occurred_at=event.occurred_at,
                facts=Facts(tier=tier.name),
            )
            for event in risen
            if (tier := tiers.get(event.tier_id)) and tier.threshold > 0
        ],
    )


def welcome_customers(events: Sequence[CustomerRegistered]) -> None:
    """Greet who registered in person; customers that came with a load of data are not greeted."""
    registered = {event.customer_id for event in events if not _is_bulk(event.source)}
    _queue(
        Automation.Trigger.WELCOME,
        [
            Occasion(key=f"customer:{pk}", customer_id=pk, occurred_at=created_at)
            for pk, created_at in Customer.objects.filter(pk__in=registered)
            .order_by("pk")
            .values_list("pk", "created_at")
        ],
    )


def _is_bulk(source: str) -> bool:
    """Connections write themselves as “kind:number”; people and tills have plain names."""
    return ":" in source or source in _BULK_SOURCES


def send_sign_in_codes(events: Sequence[SignInCodeRequested]) -> None:
    """The code that a customer asked for; the message itself does not hold it.

    It goes by WhatsApp, also to those who typed their e-mail address: the challenge is bound to
    the browser that asked, so it does not matter by which contact they were found.
    """
    challenges = SignInChallenge.objects.in_bulk({event.challenge_id for event in events})
    _queue(
        Automation.Trigger.SIGN_IN_CODE,
        [
            Occasion(
                key=f"challenge:{challenge.pk}",
                customer_id=event.customer_id,
                occurred_at=challenge.created_at,
                challenge=challenge,
            )
            for event in events
            if (challenge := challenges.get(event.challenge_id))
        ],
    )


def tell_commission_earned(events: Sequence[CommissionPosted]) -> None:
    """Commission for an affiliate who is a customer; corrections are not announced."""
    _queue(
        Automation.Trigger.COMMISSION_EARNED,
        [
            Occasion(
                key=f"entry:{event.entry_id}",
                customer_id=event.customer_id,
                occurred_at=event.occurred_at,
                facts=Facts(
                    amount=event.amount, currency=event.currency, order=event.purchase_number
                ),
            )
            for event in events
            if event.customer_id and event.amount > 0
        ],
    )


def greet_affiliates(events: Sequence[AffiliateDecided]) -> None:
    """Tell who was approved or invited, with the code that earns; others read it in the portal."""
    triggers = {
        Affiliate.State.APPROVED: Automation.Trigger.AFFILIATE_APPROVED,
        Affiliate.State.INVITED: Automation.Trigger.AFFILIATE_INVITED,
    }
    for state, trigger in triggers.items():
        _queue(
            trigger,
            [
                Occasion(
                    key=f"affiliate:{event.affiliate_id}",
                    customer_id=event.customer_id,
                    occurred_at=event.occurred_at,
                    facts=Facts(affiliate_code=event.code),
                )
                for event in events
                if event.state == state and event.customer_id and event.code
            ],
        )


def _queue(trigger: Automation.Trigger, occasions: Sequence[Occasion]) -> None:
    queue_messages(trigger=trigger, occasions=occasions, now=timezone.now())


def tell_payouts(events: Sequence[PayoutPaid]) -> None:
    """Money that went out to an affiliate who is a customer; points have a message of their own."""
    _queue(
        Automation.Trigger.PAYOUT_SENT,
        [
            Occasion(
                key=f"payout:{event.payout_id}",
                customer_id=event.customer_id,
                occurred_at=event.paid_at,
                facts=Facts(amount=event.net, currency=event.currency),
            )
            for event in events
            if event.customer_id and event.points is None
        ],
    )
