"""From events to messages, through the real outbox."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.events import AffiliateDecided, CommissionPosted, PayoutPaid
from customers.events import CustomerRegistered, SignInCodeRequested
from customers.models import Purchase, SignInChallenge, Store
from customers.services import request_sign_in_code, sign_in_code
from loyalty.events import PointsPosted, TierChanged
from loyalty.models import Program, Tier
from loyalty_site.outbox.events import Event
from loyalty_site.outbox.services import deliver, publish
from messaging.engine.fields import HIDDEN_CODE
from messaging.handlers import tell_points_earned
from messaging.models import Automation, Channel, Lane, Message
from messaging.tests.factories import make_customer, set_automation

pytestmark = pytest.mark.django_db


def tell(handler: str, *events: Event) -> None:
    with transaction.atomic():
        publish(events)
    report = deliver(f"messaging.{handler}")
    assert not report.failed and not report.parked


def make_purchase(**fields: Any) -> Purchase:
    store, _ = Store.objects.get_or_create(code="S1", defaults={"name": "MG Road"})
    number = f"INV-{Purchase.objects.count() + 1}"
    values: dict[str, Any] = {
        "source": "test",
        "external_id": number,
        "number": number,
        "store": store,
        "occurred_at": timezone.now(),
        "currency": "INR",
        "gross": 100,
        "net": 100,
        "content_hash": "x",
        **fields,
    }
    return Purchase.objects.create(**values)


def points(**fields: Any) -> PointsPosted:
    values: dict[str, Any] = {
        "entry_id": 1,
        "account_id": 1,
        "kind": "award",
        "points": 42,
        "balance_after": 123456,
        "occurred_at": timezone.now(),
        **fields,
    }
    return PointsPosted(**values)


def test_points_for_a_bill_are_told(channel: Channel) -> None:
    customer = make_customer(name="Asha Rao", language="hi")
    purchase = make_purchase(customer=customer)
    tell("points_earned", points(customer_id=customer.pk, purchase_id=purchase.pk, entry_id=77))
    message = Message.objects.get()
    assert message.dedup_key == "points_earned:entry:77"
    assert (message.state, message.reason) == (Message.State.QUEUED, "")
    assert (message.lane, message.language, message.channel) == (Lane.UTILITY, "hi", channel)
    for text in ('"Asha"', '"42"', '"1,23,456"', '"MG Road"'):
        assert text in message.parameters


def test_the_same_event_twice_is_one_message(channel: Channel) -> None:
    customer = make_customer()
    event = points(customer_id=customer.pk, purchase_id=make_purchase().pk)
    tell("points_earned", event, event)
    tell("points_earned", event)
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    "fields", [{"kind": "redeem", "points": -5}, {"points": 0}, {"purchase_id": None}]
)
def test_only_awards_for_bills_are_told(channel: Channel, fields: dict[str, Any]) -> None:
    values = {"purchase_id": make_purchase().pk, **fields}
    tell("points_earned", points(customer_id=make_customer().pk, **values))
    assert not Message.objects.exists()


def test_old_bills_send_nothing_and_say_why(channel: Channel) -> None:
    customer = make_customer()
    purchase = make_purchase()
    long_ago = timezone.now() - timedelta(hours=49)
    recent = timezone.now() - timedelta(hours=47)
    tell(
        "points_earned",
        points(customer_id=customer.pk, purchase_id=purchase.pk, occurred_at=long_ago),
        points(customer_id=customer.pk, purchase_id=purchase.pk, occurred_at=recent, entry_id=2),
    )
    old, new = Message.objects.order_by("pk")
    assert (old.state, old.reason) == (Message.State.SUPPRESSED, Message.Reason.TOO_OLD)
    assert old.parameters == ""
    assert new.state == Message.State.QUEUED


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"allows": False}, Message.Reason.NO_CONSENT),
        ({"phone": ""}, Message.Reason.NO_PHONE),
        ({"phone_reachable": False}, Message.Reason.IMPOSSIBLE_PHONE),
        ({"status": "blocked"}, Message.Reason.NOT_ACTIVE),
    ],
)
def test_who_must_not_be_messaged_is_not_and_it_says_why(
    channel: Channel, fields: dict[str, Any], reason: str
) -> None:
    customer = make_customer(**fields)
    tell("points_earned", points(customer_id=customer.pk, purchase_id=make_purchase().pk))
    message = Message.objects.get()
    assert (message.state, message.reason) == (Message.State.SUPPRESSED, reason)


def test_an_automation_that_is_off_writes_nothing(channel: Channel) -> None:
    set_automation(trigger=Automation.Trigger.POINTS_EARNED, is_enabled=False)
    tell("points_earned", points(customer_id=make_customer().pk, purchase_id=make_purchase().pk))
    assert not Message.objects.exists()


def test_without_a_number_nothing_is_written() -> None:
    set_automation(trigger=Automation.Trigger.POINTS_EARNED, is_enabled=True)
    tell("points_earned", points(customer_id=make_customer().pk, purchase_id=make_purchase().pk))
    assert not Message.objects.exists()


def make_tier(*, threshold: int) -> Tier:
    program, _ = Program.objects.get_or_create(name="Club")
    return Tier.objects.create(program=program, name=f"Tier {threshold}", threshold=threshold)


def tier_change(*, tier: Tier, is_upgrade: bool = True) -> TierChanged:
    return TierChanged(
        change_id=tier.pk,
        account_id=1,
        customer_id=make_customer().pk,
        tier_id=tier.pk,
        previous_tier_id=None,
        is_upgrade=is_upgrade,
        occurred_at=timezone.now(),
    )


def test_a_rise_is_told_and_neither_a_fall_nor_the_first_step(channel: Channel) -> None:
    first, silver, gold = (make_tier(threshold=spend) for spend in (0, 1000, 5000))
    tell(
        "tier_up",
        tier_change(tier=first),
        tier_change(tier=silver, is_upgrade=False),
        tier_change(tier=gold),
    )
    assert '"Tier 5000"' in Message.objects.get().parameters


@pytest.mark.parametrize(
    ("source", "count"), [("portal", 1), ("till", 1), ("logic:1", 0), ("csv:7", 0), ("import", 0)]
)
def test_only_who_registers_in_person_is_welcomed(
    channel: Channel, source: str, count: int
) -> None:
    tell("welcome", CustomerRegistered(customer_id=make_customer().pk, source=source))
    assert Message.objects.count() == count


def test_commission_is_told_to_affiliates_who_are_customers(channel: Channel) -> None:
    customer = make_customer()
    base: dict[str, Any] = {
        "affiliate_id": 1,
        "currency": "INR",
        "purchase_number": "INV-9",
        "occurred_at": timezone.now(),
    }
    tell(
        "commission_earned",
        CommissionPosted(entry_id=1, customer_id=customer.pk, amount=Decimal("12.50"), **base),
        CommissionPosted(entry_id=2, customer_id=None, amount=Decimal("12.50"), **base),
        CommissionPosted(entry_id=3, customer_id=customer.pk, amount=Decimal("-12.50"), **base),
    )
    message = Message.objects.get()
    assert "₹12.50" in message.parameters and "INV-9" in message.parameters


def test_a_payout_in_money_is_told_once(channel: Channel) -> None:
    customer = make_customer()

    def paid(**changes: Any) -> PayoutPaid:
        return PayoutPaid(
            **{
                "payout_id": 1,
                "affiliate_id": 1,
                "customer_id": customer.pk,
                "reference": "P-1",
                "gross": Decimal(100),
                "withheld": Decimal(2),
                "net": Decimal(98),
                "currency": "INR",
                "points": None,
                "paid_at": timezone.now(),
                **changes,
            }
        )

    tell("payout_sent", paid(), paid(), paid(payout_id=2, customer_id=None))
    tell("payout_sent", paid(payout_id=3, points=98))
    message = Message.objects.get()
    assert (message.template_name, "₹98.00" in message.parameters) == ("payout_sent", True)


def test_who_is_approved_or_invited_is_greeted_once_with_their_code(channel: Channel) -> None:
    customer = make_customer()

    def decided(state: str, **changes: Any) -> AffiliateDecided:
        return AffiliateDecided(
            **{
                "affiliate_id": 1,
                "customer_id": customer.pk,
                "state": state,
                "reason": "",
                "code": "ASHA",
                "occurred_at": timezone.now(),
                **changes,
            }
        )

    tell(
        "greet_affiliates",
        decided("invited"),
        decided("approved"),
        decided("suspended"),
        decided("approved"),
        decided("approved", affiliate_id=2, customer_id=None),
        decided("approved", affiliate_id=3, code=""),
    )
    messages = Message.objects.order_by("template_name")
    assert [one.template_name for one in messages] == ["affiliate_approved", "affiliate_invited"]
    assert all('"ASHA"' in one.parameters for one in messages)


def test_a_sign_in_code_needs_no_consent_and_is_stored_nowhere(channel: Channel) -> None:
    customer = make_customer(allows=False, phone="+447700900777")
    challenge = request_sign_in_code(contact="+447700900777", network="10.0.0.1")
    deliver("messaging.sign_in_code")
    message = Message.objects.get()
    assert (message.customer, message.challenge) == (customer, challenge)
    assert (message.state, message.lane) == (Message.State.QUEUED, Lane.OTP)
    assert message.expires_at == challenge.expires_at
    assert sign_in_code(challenge) not in message.parameters
    assert HIDDEN_CODE in message.parameters


def test_a_code_goes_by_whatsapp_also_to_those_who_typed_their_mail_address(
    channel: Channel,
) -> None:
    customer = make_customer()
    now = timezone.now()
    challenge = SignInChallenge.objects.create(
        customer=customer,
        contact_index="x",
        network="x",
        nonce=b"0" * 16,
        expires_at=now + timedelta(minutes=10),
    )
    tell(
        "sign_in_code",
        SignInCodeRequested(challenge_id=challenge.pk, customer_id=customer.pk, channel="email"),
    )
    assert Message.objects.get().lane == Lane.OTP


@pytest.mark.performance
@pytest.mark.parametrize("count", [1, 100])
def test_a_hundred_events_cost_as_many_reads_as_one(channel: Channel, count: int) -> None:
    purchase = make_purchase()
    events = [
        points(customer_id=make_customer().pk, purchase_id=purchase.pk, entry_id=number)
        for number in range(count)
    ]
    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        tell_points_earned(events)
    reads = [each for each in captured if each["sql"].startswith("SELECT")]
    # Bills, automation, number, known keys, customers, consents. Inserts go in few chunks, as
    # many parameters as the database takes.
    assert len(reads) == 6
    assert len(captured) - len(reads) <= 7
    assert Message.objects.count() == count
