"""Claim, call, record."""

import json
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from customers.models import Consent
from customers.services import request_sign_in_code, sign_in_code
from loyalty_site.outbox.services import deliver
from messaging.engine.fields import HIDDEN_CODE
from messaging.errors import (
    CodeMessageNotRepeatedError,
    FailureKind,
    GatewayError,
    NotSafeToRepeatError,
)
from messaging.models import Attempt, Channel, Lane, Message, Pace, Template
from messaging.services import (
    CallResult,
    Claim,
    ClaimedCall,
    claim_messages,
    mark_stale_unconfirmed,
    record_results,
    retry_message,
    stop_channel,
    take_lease,
)
from messaging.tests.factories import (
    make_code_template,
    make_customer,
    make_message,
    make_template,
    say,
)

pytestmark = pytest.mark.django_db
SENDER = uuid.uuid4()


def claim(channel: Channel, *, limit: int = 10, later: timedelta = timedelta(0)) -> Claim:
    now = timezone.now() + later
    take_lease(channel=channel, sender=SENDER, now=now)
    return claim_messages(channel=channel, sender=SENDER, limit=limit, now=now)


def record(channel: Channel, calls: Sequence[ClaimedCall], **outcome: Any) -> None:
    results = [
        CallResult(
            claimed=call,
            **(outcome or {"wamid": f"wamid.{call.attempt_id}"}),
        )
        for call in calls
    ]
    record_results(channel=channel, results=results, now=timezone.now())


def refuse(kind: FailureKind, code: int | None = None) -> GatewayError:
    return GatewayError(kind, code=code, details="why")


@pytest.fixture
def template(channel: Channel) -> Template:
    return make_template(channel=channel)


def test_a_due_message_is_claimed_once_with_an_attempt(
    channel: Channel, template: Template
) -> None:
    message = make_message(channel=channel)
    (claimed,) = claim(channel).calls
    assert claim(channel).calls == []
    message.refresh_from_db()
    attempt = message.attempts.get()
    assert (message.state, message.tries) == (Message.State.SENDING, 1)
    assert (attempt.state, attempt.uuid) == (Attempt.State.CALLING, claimed.call.attempt)
    assert claimed.call.to == message.customer.phone
    assert message.body.startswith("Hi Layla, you earned 42 points at High Street: 420.")
    assert "wamid" not in repr(claimed.address) and "token" not in repr(claimed.address)


def test_a_taken_message_is_accepted(channel: Channel, template: Template) -> None:
    message = make_message(channel=channel)
    record(channel, claim(channel).calls)
    message.refresh_from_db()
    attempt = message.attempts.get()
    assert message.state == Message.State.ACCEPTED
    assert (attempt.state, attempt.wamid) == (Attempt.State.ACCEPTED, f"wamid.{attempt.pk}")


def test_lanes_overtake_each_other(channel: Channel, template: Template) -> None:
    lanes = [Lane.MARKETING, Lane.UTILITY, Lane.OTP, Lane.REPLY]
    messages = {lane: make_message(channel=channel, lane=lane) for lane in lanes}
    order = [call.message_id for call in claim(channel).calls]
    assert order == [
        messages[lane].pk for lane in (Lane.OTP, Lane.REPLY, Lane.UTILITY, Lane.MARKETING)
    ]


def test_consent_is_asked_again_at_the_claim(channel: Channel, template: Template) -> None:
    stopped, restored, silent = (make_customer() for _ in range(3))
    messages = [make_message(channel=channel, customer=each) for each in (stopped, restored)]
    marketing = make_message(channel=channel, customer=silent, purpose=Consent.Purpose.MARKETING)
    code = make_message(channel=channel, customer=stopped, purpose="")
    say(customer=stopped, granted=False)
    say(customer=restored, granted=False)
    say(customer=restored, granted=True)
    claimed = {call.message_id for call in claim(channel).calls}
    assert claimed == {messages[1].pk, code.pk}
    for message in (messages[0], marketing):
        message.refresh_from_db()
        assert (message.state, message.reason) == (
            Message.State.SUPPRESSED,
            Message.Reason.NO_CONSENT,
        )
        assert not message.attempts.exists()
        assert message.tries == 0


@pytest.mark.parametrize(
    ("customer", "message", "reason"),
    [
        ({"phone_reachable": False}, {}, Message.Reason.IMPOSSIBLE_PHONE),
        ({"phone": ""}, {}, Message.Reason.NO_PHONE),
        ({"status": "erased"}, {}, Message.Reason.NOT_ACTIVE),
        ({}, {"expires_at": timezone.now() - timedelta(hours=9)}, Message.Reason.TOO_OLD),
    ],
)
def test_what_must_not_go_out_any_more_is_dropped_at_the_claim(
    channel: Channel,
    template: Template,
    customer: dict[str, Any],
    message: dict[str, Any],
    reason: str,
) -> None:
    dropped = make_message(channel=channel, customer=make_customer(**customer), **message)
    assert claim(channel).calls == []
    dropped.refresh_from_db()
    assert (dropped.state, dropped.reason) == (Message.State.SUPPRESSED, reason)
    assert not Attempt.objects.exists()


@pytest.mark.parametrize("status", ["PAUSED", "REJECTED", "DELETED"])
def test_a_message_waits_for_its_template(channel: Channel, status: str) -> None:
    make_template(channel=channel, status=status)
    message = make_message(channel=channel)
    assert claim(channel).calls == []
    message.refresh_from_db()
    assert (message.state, message.reason) == (
        Message.State.QUEUED,
        Message.Reason.AWAITS_TEMPLATE,
    )
    assert message.available_at > timezone.now()
    Template.objects.update(status="APPROVED")
    assert len(claim(channel, later=timedelta(minutes=1)).calls) == 1


def test_the_customers_language_is_used_and_else_english(channel: Channel) -> None:
    make_template(channel=channel)
    hindi = make_template(channel=channel, language="hi")
    tamil_speaker = make_message(channel=channel, language="ta")
    hindi_speaker = make_message(channel=channel, language="hi")
    languages = {call.message_id: call.call.language for call in claim(channel).calls}
    assert languages == {tamil_speaker.pk: "en", hindi_speaker.pk: "hi"}
    Template.objects.filter(pk=hindi.pk).update(status="PAUSED")
    make_message(channel=channel, language="hi")
    assert [call.call.language for call in claim(channel).calls] == ["en"]


def test_a_blank_that_nothing_fills_fails_without_a_call(
    channel: Channel, template: Template
) -> None:
    message = make_message(channel=channel, parameters=json.dumps({"first_name": "Layla"}))
    assert claim(channel).calls == []
    message.refresh_from_db()
    assert (message.state, message.reason) == (Message.State.FAILED, Message.Reason.BLANK_EMPTY)


def test_the_code_is_in_the_call_and_not_in_the_row(channel: Channel) -> None:
    make_code_template(channel=channel)
    make_customer(phone="+447700900555", allows=False)
    challenge = request_sign_in_code(contact="+447700900555", network="n")
    deliver("messaging.sign_in_code")
    (claimed,) = claim(channel).calls
    code = sign_in_code(challenge)
    texts = [each["text"] for part in claimed.call.components for each in part["parameters"]]
    assert texts == [code, code]
    message = Message.objects.get()
    assert code not in message.body + message.parameters
    assert HIDDEN_CODE in message.body


@pytest.mark.parametrize("end", ["used_at", "expires_at"])
def test_a_used_or_ended_code_is_not_sent(channel: Channel, end: str) -> None:
    make_code_template(channel=channel)
    make_customer(phone="+447700900556")
    challenge = request_sign_in_code(contact="+447700900556", network="n")
    deliver("messaging.sign_in_code")
    later = timedelta(minutes=11 if end == "expires_at" else 0)
    if end == "used_at":
        type(challenge).objects.update(used_at=timezone.now())
    assert claim(channel, later=later).calls == []
    assert Message.objects.get().reason == Message.Reason.CODE_EXPIRED


def test_a_stopped_number_claims_nothing_and_keeps_its_queue(
    channel: Channel, template: Template
) -> None:
    message = make_message(channel=channel)
    stop_channel(channel=channel, because="test")
    assert claim(channel).calls == []
    message.refresh_from_db()
    assert message.state == Message.State.QUEUED


def test_the_pace_bounds_what_is_claimed(channel: Channel, template: Template) -> None:
    Channel.objects.update(pace_per_second=8)
    for _ in range(5):
        make_message(channel=channel)
    first = claim(channel)
    assert len(first.calls) == 2
    again = claim(channel)
    assert (again.calls, again.examined) == ([], 0)
    assert again.pause is not None and again.pause <= timedelta(seconds=1 / 8)
    assert len(claim(channel, later=timedelta(seconds=0.5)).calls) == 2


def test_a_closed_number_still_sends_codes(channel: Channel, template: Template) -> None:
    Pace.objects.update(closed_until=timezone.now() + timedelta(seconds=5))
    make_message(channel=channel)
    code = make_message(channel=channel, lane=Lane.OTP, purpose="")
    assert [call.message_id for call in claim(channel).calls] == [code.pk]
    assert len(claim(channel, later=timedelta(seconds=6)).calls) == 1


def test_a_second_sender_stands_back_until_the_lease_ends(channel: Channel) -> None:
    now = timezone.now()
    other = uuid.uuid4()
    assert take_lease(channel=channel, sender=SENDER, now=now)
    assert not take_lease(channel=channel, sender=other, now=now)
    assert claim_messages(channel=channel, sender=other, limit=5, now=now).is_lost
    assert take_lease(channel=channel, sender=other, now=now + timedelta(seconds=6))


@pytest.mark.parametrize(
    ("kind", "code", "state", "tries"),
    [
        (FailureKind.TRANSIENT, 131000, Message.State.QUEUED, 1),
        (FailureKind.THROTTLE_NUMBER, 130429, Message.State.QUEUED, 0),
        (FailureKind.THROTTLE_ACCOUNT, 80007, Message.State.QUEUED, 0),
        (FailureKind.THROTTLE_PAIR, 131056, Message.State.QUEUED, 1),
        (FailureKind.LATER, 131049, Message.State.QUEUED, 1),
        (FailureKind.WINDOW_CLOSED, 131047, Message.State.FAILED, 1),
        (FailureKind.OPTED_OUT, 131050, Message.State.SUPPRESSED, 1),
        (FailureKind.UNREACHABLE, 131026, Message.State.FAILED, 1),
        (FailureKind.TEMPLATE_BLOCKED, 132015, Message.State.QUEUED, 1),
        (FailureKind.TEMPLATE_MISMATCH, 132000, Message.State.FAILED, 1),
        (FailureKind.OUR_FAULT, 100, Message.State.FAILED, 1),
        (FailureKind.AUTHENTICATION, 190, Message.State.QUEUED, 0),
        (FailureKind.ACCOUNT_STOPPED, 368, Message.State.QUEUED, 0),
        (FailureKind.AMBIGUOUS, None, Message.State.UNCONFIRMED, 1),
        (FailureKind.UNKNOWN, 424242, Message.State.FAILED, 1),
    ],
)
def test_each_kind_of_failure_leads_where_it_should(
    channel: Channel,
    template: Template,
    kind: FailureKind,
    code: int | None,
    state: str,
    tries: int,
) -> None:
    message = make_message(channel=channel)
    record(channel, claim(channel).calls, error=refuse(kind, code))
    message.refresh_from_db()
    attempt = message.attempts.get()
    assert (message.state, message.tries) == (state, tries)
    assert (attempt.failure, attempt.error_code, attempt.error_details) == (kind, code, "why")
    assert message.reason == ("no_answer" if kind is FailureKind.AMBIGUOUS else kind)
    if state == Message.State.QUEUED:
        assert message.available_at >= timezone.now() - timedelta(seconds=5)
    stops = kind in {FailureKind.AUTHENTICATION, FailureKind.ACCOUNT_STOPPED}
    channel.refresh_from_db()
    assert channel.state == (Channel.State.STOPPED if stops else Channel.State.ACTIVE)
    template.refresh_from_db()
    assert template.is_sendable is (kind is not FailureKind.TEMPLATE_BLOCKED)


def test_trouble_that_stays_ends_as_failed(channel: Channel, template: Template) -> None:
    message = make_message(channel=channel)
    for _ in range(6):
        Message.objects.update(available_at=timezone.now())
        record(channel, claim(channel).calls, error=refuse(FailureKind.TRANSIENT))
    message.refresh_from_db()
    assert (message.state, message.tries) == (Message.State.FAILED, 6)
    assert message.attempts.count() == 6


def test_an_opt_out_that_whatsapp_tells_is_written_down(
    channel: Channel, template: Template
) -> None:
    message = make_message(channel=channel)
    record(channel, claim(channel).calls, error=refuse(FailureKind.OPTED_OUT, 131050))
    said = Consent.objects.filter(customer=message.customer, purpose="marketing").get()
    assert (said.granted, said.source) == (False, "meta")


def test_a_refused_old_token_does_not_stop_a_number_with_a_new_one(
    channel: Channel, template: Template
) -> None:
    make_message(channel=channel)
    calls = claim(channel).calls
    channel.access_token = "another"
    channel.save()
    record(channel, calls, error=refuse(FailureKind.AUTHENTICATION, 190))
    channel.refresh_from_db()
    assert channel.state == Channel.State.ACTIVE
    assert Message.objects.get().state == Message.State.QUEUED


def test_a_vanished_sender_leaves_unconfirmed_messages_that_nobody_sends(
    channel: Channel, template: Template
) -> None:
    message = make_message(channel=channel)
    claim(channel)
    assert mark_stale_unconfirmed(now=timezone.now() + timedelta(seconds=59)) == 0
    assert mark_stale_unconfirmed(now=timezone.now() + timedelta(seconds=61)) == 1
    message.refresh_from_db()
    assert (message.state, message.reason) == (
        Message.State.UNCONFIRMED,
        Message.Reason.NO_ANSWER,
    )
    assert claim(channel, later=timedelta(minutes=30)).calls == []


def test_a_late_answer_settles_an_unconfirmed_message(channel: Channel, template: Template) -> None:
    message = make_message(channel=channel)
    calls = claim(channel).calls
    mark_stale_unconfirmed(now=timezone.now() + timedelta(seconds=61))
    record(channel, calls)
    message.refresh_from_db()
    assert message.state == Message.State.ACCEPTED


def test_an_answer_does_not_undo_what_a_report_has_told(
    channel: Channel, template: Template
) -> None:
    message = make_message(channel=channel)
    calls = claim(channel).calls
    Message.objects.update(state=Message.State.DELIVERED)
    record(channel, calls, error=refuse(FailureKind.AMBIGUOUS))
    message.refresh_from_db()
    assert message.state == Message.State.DELIVERED


def test_a_failed_message_can_be_sent_again(channel: Channel, template: Template) -> None:
    message = make_message(channel=channel)
    record(channel, claim(channel).calls, error=refuse(FailureKind.UNREACHABLE, 131026))
    retry_message(message=message, now=timezone.now())
    assert [call.message_id for call in claim(channel).calls] == [message.pk]


@pytest.mark.parametrize(
    "state",
    [state for state in Message.State if state != Message.State.FAILED],
)
def test_refuses_to_repeat_what_may_have_arrived(channel: Channel, state: str) -> None:
    message = make_message(channel=channel, state=state)
    with pytest.raises(NotSafeToRepeatError):
        retry_message(message=message, now=timezone.now())
    message.refresh_from_db()
    assert message.state == state


def test_refuses_to_repeat_a_message_with_two_reports(channel: Channel) -> None:
    message = make_message(channel=channel, state=Message.State.FAILED, is_conflicting=True)
    with pytest.raises(NotSafeToRepeatError):
        retry_message(message=message, now=timezone.now())
    message.refresh_from_db()
    assert message.state == Message.State.FAILED


def test_refuses_to_repeat_a_code(channel: Channel) -> None:
    message = make_message(channel=channel, state=Message.State.FAILED, lane=Lane.OTP)
    with pytest.raises(CodeMessageNotRepeatedError):
        retry_message(message=message, now=timezone.now())
    message.refresh_from_db()
    assert message.state == Message.State.FAILED
