"""Webhook intake: raw bytes in, effects once."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.db import DatabaseError, OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from affiliates.models import Touch
from affiliates.tests.factories import make_enrolment
from customers.models import Consent, Customer
from customers.selectors import consent_states
from messaging.models import (
    Attempt,
    Channel,
    InboundMessage,
    Message,
    QuarantinedItem,
    StatusEvent,
    Template,
    WebhookBody,
)
from messaging.selectors import window_closes_at
from messaging.services import apply_bodies, replay_body, retry_message
from messaging.tests.factories import (
    body_of,
    make_attempt,
    make_channel,
    make_customer,
    make_message,
    make_template,
    sign,
    status_item,
)

pytestmark = pytest.mark.django_db
SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "whatsapp_webhooks"
MANIFEST: dict[str, dict[str, str]] = json.loads((SAMPLES / "manifest.json").read_text())["files"]
SINGLES = sorted(name for name, about in MANIFEST.items() if "x_hub_signature_256" in about)
URL = "/webhooks/whatsapp/"
AT = datetime(2026, 11, 22, 10, tzinfo=UTC)


def post(client: Client, raw: bytes, *, signature: str | None = None) -> int:
    headers = {"X-Hub-Signature-256": sign(raw) if signature is None else signature}
    return client.post(
        URL, raw, content_type="application/json", headers=headers if headers else None
    ).status_code


def post_sample(client: Client, name: str) -> None:
    raw = (SAMPLES / name).read_bytes()
    assert post(client, raw, signature=MANIFEST[name]["x_hub_signature_256"]) == 200
    apply_all()


def apply_all() -> None:
    while apply_bodies():
        pass


def make_sent(*, channel: Channel, wamid: str, **fields: Any) -> Message:
    """A message that WhatsApp took under this id."""
    message = make_message(channel=channel, state=Message.State.ACCEPTED, **fields)
    make_attempt(message=message, wamid=wamid)
    return message


def wamid_of(sample: str) -> str:
    body = json.loads((SAMPLES / sample).read_text())
    wamid: str = body["entry"][0]["changes"][0]["value"]["statuses"][0]["id"]
    return wamid


# --- at the door ----------------------------------------------------------------------------


def test_the_handshake_answers_the_challenge_as_text(client: Client, channel: Channel) -> None:
    query = {
        "hub.mode": "subscribe",
        "hub.challenge": "1158201444",
        "hub.verify_token": "sandbox-verify-token",
    }
    answer = client.get(URL, query)
    assert (answer.status_code, answer.content) == (200, b"1158201444")
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    "change",
    [{"hub.verify_token": "wrong"}, {"hub.verify_token": "टोकन"}, {"hub.mode": "unsubscribe"}],
)
def test_a_wrong_handshake_is_refused(
    client: Client, channel: Channel, change: dict[str, str]
) -> None:
    query = {
        "hub.mode": "subscribe",
        "hub.challenge": "1158201444",
        "hub.verify_token": "sandbox-verify-token",
    }
    answer = client.get(URL, {**query, **change})
    assert answer.status_code == 403
    assert b"1158201444" not in answer.content


@pytest.mark.parametrize("name", SINGLES)
def test_every_sample_is_taken_with_its_signature(
    client: Client, channel: Channel, name: str
) -> None:
    post_sample(client, name)
    body = WebhookBody.objects.get()
    assert (body.state, body.faulty_items, body.last_error) == ("applied", 0, "")
    assert body.raw == (SAMPLES / name).read_text()


@pytest.mark.security
@pytest.mark.parametrize(
    "signature",
    ["", "sha256=", "sha256=" + "0" * 64, "sha1=abc", "sha256=é", "\udcff", "x" * 10_000],
)
def test_a_wrong_signature_stores_nothing(client: Client, channel: Channel, signature: str) -> None:
    raw = (SAMPLES / "01_status_sent.json").read_bytes()
    assert post(client, raw, signature=signature) == 401
    assert not WebhookBody.objects.exists()


@pytest.mark.security
def test_other_bytes_of_the_same_json_do_not_match_the_signature(
    client: Client, channel: Channel
) -> None:
    name = "12_inbound_reaction.json"
    again = json.dumps(json.loads((SAMPLES / name).read_text())).encode()
    assert post(client, again, signature=MANIFEST[name]["x_hub_signature_256"]) == 401
    assert not WebhookBody.objects.exists()


@pytest.mark.security
def test_no_secret_means_no_body_is_taken(client: Client) -> None:
    make_channel(app_secret="")
    raw = (SAMPLES / "01_status_sent.json").read_bytes()
    assert post(client, raw, signature=sign(raw, secret="")) == 401
    assert not WebhookBody.objects.exists()


def test_any_of_our_numbers_may_have_signed(client: Client, channel: Channel) -> None:
    make_channel(phone_number_id="999", app_secret="another-secret")
    raw = body_of(statuses=[])
    assert post(client, raw, signature=sign(raw, secret="another-secret")) == 200


def test_a_stopped_number_still_hears(client: Client, channel: Channel) -> None:
    Channel.objects.update(state=Channel.State.STOPPED)
    assert post(client, body_of(statuses=[])) == 200


def test_the_same_bytes_are_kept_once(client: Client, channel: Channel) -> None:
    raw = body_of(statuses=[status_item(wamid="wamid.1", status="sent", at=AT)])
    assert [post(client, raw) for _ in range(5)] == [200] * 5
    assert WebhookBody.objects.count() == 1


def test_three_megabytes_are_taken_and_five_are_not(client: Client, channel: Channel) -> None:
    padding = {"padding": "x" * 3_000_000}
    assert post(client, json.dumps({"entry": [], **padding}).encode()) == 200
    assert post(client, json.dumps({"entry": [], "padding": "x" * 5_000_000}).encode()) == 413
    assert WebhookBody.objects.count() == 1


@pytest.mark.parametrize("error", [OperationalError("down"), DatabaseError("full")])
def test_what_cannot_be_kept_is_asked_for_again(
    client: Client, channel: Channel, error: Exception
) -> None:
    with patch("messaging.views.store_body", side_effect=error):
        answer = client.post(URL, b"{}", content_type="application/json")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_other_methods_are_refused(client: Client) -> None:
    assert client.put(URL).status_code == 405


def test_nothing_personal_is_readable_in_the_stored_body(client: Client, channel: Channel) -> None:
    post_sample(client, "08_inbound_text.json")
    with connection.cursor() as cursor:
        for table in ("messaging_webhookbody", "messaging_inboundmessage"):
            cursor.execute(f"SELECT * FROM {table}")
            row = str(cursor.fetchall())
            assert "447700900101" not in row
            assert "How many points" not in row


# --- statuses -------------------------------------------------------------------------------


def test_the_three_statuses_of_a_message(client: Client, channel: Channel) -> None:
    message = make_sent(channel=channel, wamid=wamid_of("01_status_sent.json"))
    for name, state in (
        ("01_status_sent.json", "sent"),
        ("02_status_delivered.json", "delivered"),
        ("03_status_read.json", "read"),
    ):
        post_sample(client, name)
        message.refresh_from_db()
        assert message.state == state
    assert message.sent_at == datetime.fromtimestamp(1795334401, UTC)
    assert message.delivered_at == datetime.fromtimestamp(1795334404, UTC)
    assert message.read_at == datetime.fromtimestamp(1795334495, UTC)
    attempt = message.attempts.get()
    assert (attempt.price_category, attempt.price_type) == ("marketing", "regular")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("04_status_failed_131049_per_user_marketing_cap.json", Message.Reason.LATER),
        ("06_status_failed_131047_window_closed.json", Message.Reason.WINDOW_CLOSED),
        ("07_status_failed_132015_held_message_dropped.json", Message.Reason.TEMPLATE_BLOCKED),
    ],
)
def test_a_failure_told_later_has_its_reason(
    client: Client, channel: Channel, name: str, reason: str
) -> None:
    message = make_sent(channel=channel, wamid=wamid_of(name))
    post_sample(client, name)
    message.refresh_from_db()
    assert (message.state, message.reason) == (Message.State.FAILED, reason)
    assert message.attempts.get().statuses.get().error_details


def sequence(name: str) -> list[bytes]:
    return [json.dumps(body).encode() for body in json.loads((SAMPLES / name).read_text())]


def test_a_delivery_told_four_times_counts_once(client: Client, channel: Channel) -> None:
    message = make_sent(channel=channel, wamid=wamid_of("02_status_delivered.json"))
    for raw in sequence("22_seq_duplicate_delivery.json"):
        assert post(client, raw) == 200
    apply_all()
    message.refresh_from_db()
    assert (WebhookBody.objects.count(), StatusEvent.objects.count()) == (2, 1)
    assert message.state == Message.State.DELIVERED


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("is_one_by_one", [True, False])
def test_disorder_ends_in_the_same_state(
    client: Client, channel: Channel, order: Sequence[int], is_one_by_one: bool
) -> None:
    message = make_sent(channel=channel, wamid="wamid.SBXOUT0008AAECAwQFBgcICQoLDA0ODw==")
    bodies = sequence("23_seq_out_of_order.json")
    for index in order:
        post(client, bodies[index])
        if is_one_by_one:
            apply_all()
    apply_all()
    message.refresh_from_db()
    assert message.state == Message.State.READ
    stages = (message.sent_at, message.delivered_at, message.read_at)
    assert [each.timestamp() for each in stages if each] == [1795334401, 1795334405, 1795334490]
    assert message.attempts.get().price_type == "regular"


@pytest.mark.parametrize("order", list(permutations(["sent", "failed", "delivered"])))
def test_arrival_wins_over_failure_and_the_conflict_shows(
    client: Client, channel: Channel, order: Sequence[str]
) -> None:
    message = make_sent(channel=channel, wamid="wamid.1")
    for number, status in enumerate(order):
        at = AT + timedelta(seconds=number)
        item = status_item(wamid="wamid.1", status=status, at=at)
        if status == "failed":
            item["errors"] = [{"code": 131026}]
        post(client, body_of(statuses=[item]))
        apply_all()
    message.refresh_from_db()
    assert (message.state, message.is_conflicting) == (Message.State.DELIVERED, True)


def test_a_report_that_overtakes_our_own_note_is_matched_by_the_attempt(
    client: Client, channel: Channel
) -> None:
    message = make_message(channel=channel, state=Message.State.UNCONFIRMED, reason="no_answer")
    attempt = make_attempt(message=message, state=Attempt.State.UNCONFIRMED)
    item = status_item(wamid="wamid.new", status="sent", at=AT, callback=str(attempt.uuid))
    post(client, body_of(statuses=[item]))
    apply_all()
    message.refresh_from_db()
    attempt.refresh_from_db()
    assert (message.state, message.reason) == (Message.State.SENT, "")
    assert (attempt.state, attempt.wamid) == (Attempt.State.ACCEPTED, "wamid.new")


def test_a_late_report_does_not_undo_a_retry(client: Client, channel: Channel) -> None:
    message = make_sent(channel=channel, wamid="wamid.1")
    failed = status_item(wamid="wamid.1", status="failed", at=AT, errors=[{"code": 131026}])
    post(client, body_of(statuses=[failed]))
    apply_all()
    message.refresh_from_db()
    retry_message(message=message, now=timezone.now())
    post(client, body_of(statuses=[status_item(wamid="wamid.1", status="sent", at=AT)]))
    apply_all()
    message.refresh_from_db()
    assert message.state == Message.State.QUEUED


def test_a_report_about_another_number_touches_nothing(client: Client, channel: Channel) -> None:
    message = make_sent(channel=channel, wamid="wamid.1")
    item = status_item(wamid="wamid.1", status="read", at=AT)
    post(client, body_of(number="555", statuses=[item]))
    other = make_channel(phone_number_id="777", app_secret="x" * 20)
    post(client, body_of(number=other.phone_number_id, statuses=[item]))
    apply_all()
    message.refresh_from_db()
    assert message.state == Message.State.ACCEPTED
    assert WebhookBody.objects.order_by("pk")[0].unknown_items == 1


def test_a_status_that_nobody_knows_is_kept(client: Client, channel: Channel) -> None:
    message = make_sent(channel=channel, wamid="wamid.1")
    post(client, body_of(statuses=[status_item(wamid="wamid.1", status="warmed", at=AT)]))
    apply_all()
    message.refresh_from_db()
    assert message.state == Message.State.ACCEPTED
    assert StatusEvent.objects.get().status == "warmed"


def test_a_bad_item_is_set_aside_and_its_neighbours_apply(client: Client, channel: Channel) -> None:
    messages = [make_sent(channel=channel, wamid=f"wamid.{n}") for n in range(49)]
    items = [status_item(wamid=f"wamid.{n}", status="sent", at=AT) for n in range(49)]
    items.insert(20, {"id": "wamid.99", "status": "sent"})
    assert post(client, body_of(statuses=items)) == 200
    apply_all()
    assert Message.objects.filter(state=Message.State.SENT).count() == len(messages)
    assert QuarantinedItem.objects.get().position.endswith("statuses[20]")
    assert WebhookBody.objects.get().faulty_items == 1


def test_a_body_that_cannot_be_applied_is_parked_and_others_move(
    client: Client, channel: Channel
) -> None:
    message = make_sent(channel=channel, wamid="wamid.1")
    post(client, b"this is no JSON")
    post(client, body_of(statuses=[status_item(wamid="wamid.1", status="sent", at=AT)]))
    apply_all()
    message.refresh_from_db()
    assert message.state == Message.State.SENT
    parked = WebhookBody.objects.get(state=WebhookBody.State.PARKED)
    assert parked.last_error == "not JSON"
    WebhookBody.objects.filter(pk=parked.pk).update(raw='{"entry": []}')
    assert replay_body(body=parked)
    apply_all()
    parked.refresh_from_db()
    assert (parked.state, parked.last_error) == (WebhookBody.State.APPLIED, "")


def test_a_crash_on_one_body_leaves_the_others_alone(client: Client, channel: Channel) -> None:
    message = make_sent(channel=channel, wamid="wamid.1")
    post(client, body_of(messages=[inbound(text="hello")]))
    post(client, body_of(statuses=[status_item(wamid="wamid.1", status="sent", at=AT)]))
    with patch("messaging.services.webhooks.customers_by_phone", side_effect=ZeroDivisionError):
        apply_all()
    states = list(WebhookBody.objects.order_by("pk").values_list("state", flat=True))
    assert states == [WebhookBody.State.PARKED, WebhookBody.State.APPLIED]
    assert not InboundMessage.objects.exists()
    message.refresh_from_db()
    assert message.state == Message.State.SENT


@pytest.mark.performance
@pytest.mark.parametrize("count", [1, 30])
def test_thirty_statuses_cost_as_many_queries_as_one(
    client: Client, channel: Channel, count: int
) -> None:
    for number in range(count):
        make_sent(channel=channel, wamid=f"wamid.{number}")
    items = [status_item(wamid=f"wamid.{n}", status="sent", at=AT) for n in range(count)]
    post(client, body_of(statuses=items))
    with CaptureQueriesContext(connection) as captured:
        apply_bodies()
    reads = [each for each in captured if each["sql"].startswith("SELECT")]
    # Bodies, numbers, attempts by either id, messages, attempts, reports.
    assert len(reads) == 6
    assert len(captured) - len(reads) <= 12


# --- what customers write -------------------------------------------------------------------


def inbound(*, text: str, wamid: str = "wamid.IN") -> dict[str, Any]:
    return {
        "from": "447700900101",
        "id": wamid,
        "timestamp": str(int(AT.timestamp())),
        "type": "text",
        "text": {"body": text},
    }


def allowed(customer: Customer, purpose: str) -> bool:
    states = consent_states(customer_ids=[customer.pk], channel="whatsapp", purpose=purpose)
    return states[customer.pk]


def test_a_text_is_kept_and_opens_the_window(client: Client, channel: Channel) -> None:
    customer = make_customer(phone="+447700900101")
    assert window_closes_at(customer) is None
    for _ in range(2):
        post_sample(client, "08_inbound_text.json")
    message = InboundMessage.objects.get()
    assert (message.customer, message.kind) == (customer, "text")
    assert message.text == "How many points do I have?"
    assert window_closes_at(customer) == message.occurred_at + timedelta(hours=24)


def test_an_affiliates_code_in_a_text_says_once_who_sent_the_writer(
    client: Client, channel: Channel
) -> None:
    customer, enrolment = make_customer(phone="+447700900101"), make_enrolment()
    for wamid in ("wamid.IN", "wamid.IN", "wamid.IN2"):
        post(client, body_of(messages=[inbound(text="Hi, asha10!", wamid=wamid)]))
    apply_all()
    touch = Touch.objects.get()
    assert (touch.enrolment, touch.customer, touch.touched_at) == (enrolment, customer, AT)
    assert (touch.way, touch.place) == ("claim", "whatsapp")


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("09_inbound_template_quick_reply_button.json", "button", "Stop promotions"),
        ("10_inbound_interactive_list_reply.json", "interactive", "Free coffee"),
        ("11_inbound_interactive_button_reply.json", "interactive", "Redeem"),
        ("12_inbound_reaction.json", "reaction", "👍"),
        ("14_inbound_text_from_click_to_whatsapp_ad.json", "text", "Hi! I saw your offer"),
    ],
)
def test_other_kinds_are_kept_readable(
    client: Client, channel: Channel, name: str, kind: str, text: str
) -> None:
    post_sample(client, name)
    message = InboundMessage.objects.get()
    assert (message.kind, message.text, message.customer) == (kind, text, None)


@pytest.mark.parametrize("word", ["STOP", "बंद करें"])
def test_stop_ends_every_message_that_needs_consent_and_start_brings_it_back(
    client: Client, channel: Channel, word: str
) -> None:
    customer = make_customer(phone="+447700900101")
    post(client, body_of(messages=[inbound(text=word)]))
    apply_all()
    assert not allowed(customer, "service") and not allowed(customer, "marketing")
    assert Consent.objects.latest("pk").wording == word
    post(client, body_of(messages=[inbound(text="START", wamid="wamid.IN2")]))
    apply_all()
    assert allowed(customer, "service")
    assert not allowed(customer, "marketing"), "never given, so START does not give it"


def test_a_repeated_stop_does_not_undo_a_later_start(client: Client, channel: Channel) -> None:
    customer = make_customer(phone="+447700900101")
    stop, start = inbound(text="STOP"), inbound(text="START", wamid="wamid.IN2")
    post(client, body_of(messages=[stop, start]))
    apply_all()
    post(client, body_of(messages=[stop]))
    apply_all()
    assert allowed(customer, "service")


def test_a_tapped_stop_ends_offers_only(client: Client, channel: Channel) -> None:
    customer = make_customer(phone="+447700900102")
    post_sample(client, "09_inbound_template_quick_reply_button.json")
    assert allowed(customer, "service")
    said = Consent.objects.get(customer=customer, purpose="marketing")
    assert (said.granted, said.source) == (False, "whatsapp")


def test_a_stop_in_whatsapps_settings_is_written_down_once(
    client: Client, channel: Channel
) -> None:
    customer = make_customer(phone="+447700900102")
    post_sample(client, "15_user_preferences_stop_marketing.json")
    raw = (SAMPLES / "15_user_preferences_stop_marketing.json").read_bytes() + b"\n"
    assert post(client, raw) == 200
    apply_all()
    said = Consent.objects.get(customer=customer, purpose="marketing")
    assert (said.granted, said.source) == (False, "meta")


# --- templates ------------------------------------------------------------------------------


def test_a_paused_template_is_noted_and_older_news_is_not(client: Client, channel: Channel) -> None:
    template = make_template(
        channel=channel,
        name="weekend_double_points",
        status_at=datetime.fromtimestamp(1795337000, UTC),
    )
    post_sample(client, "17_template_status_paused.json")
    template.refresh_from_db()
    assert template.status == "PAUSED"
    approved = make_template(
        channel=channel, name="points_expiry_reminder", status="PAUSED", status_at=timezone.now()
    )
    Template.objects.filter(pk=approved.pk).update(
        status_at=datetime.fromtimestamp(1795334411, UTC)
    )
    post_sample(client, "16_template_status_approved.json")
    approved.refresh_from_db()
    assert approved.status == "PAUSED", "the webhook is a second older"
