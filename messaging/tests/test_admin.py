"""The back office's pages of this app."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from customers.models import Customer
from loyalty_site.staff.models import User
from messaging.models import (
    Automation,
    Channel,
    InboundMessage,
    Message,
    QuarantinedItem,
    StatusEvent,
    Template,
    WebhookBody,
)
from messaging.tests.factories import (
    make_attempt,
    make_channel,
    make_code_template,
    make_customer,
    make_message,
    make_template,
    set_automation,
)
from messaging.tests.servers import answering, free_port, scripted_server

pytestmark = pytest.mark.django_db
PAGES = ["message", "inboundmessage", "channel", "template", "automation", "webhookbody"]


def sign_in(client: Client, *permissions: str, is_superuser: bool = False) -> User:
    user = User.objects.create_user(
        f"{User.objects.count()}@example.com", is_staff=True, name="P", is_superuser=is_superuser
    )
    for permission in permissions:
        app, _, codename = permission.partition(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    client.force_login(user, backend="loyalty_site.staff.authentication.PermissionBackend")
    return user


@pytest.fixture
def owner(client: Client) -> Client:
    sign_in(client, is_superuser=True)
    return client


def fill_up(channel: Channel) -> Message:
    """One of everything; returns the message."""
    make_template(channel=channel)
    body = WebhookBody.objects.create(content_index=str(WebhookBody.objects.count()), raw="{}")
    QuarantinedItem.objects.create(body=body, position="entry[0]", raw="{}", problem="odd")
    customer = make_customer(phone="+447700900123")
    message = make_message(channel=channel, customer=customer, body="Hi Layla", state="read")
    attempt = make_attempt(message=message, wamid="wamid.1", price_category="utility")
    StatusEvent.objects.create(
        attempt=attempt, body=body, wamid="wamid.1", status="read", occurred_at=timezone.now()
    )
    InboundMessage.objects.create(
        channel=channel,
        customer=customer,
        body=body,
        wamid="wamid.IN",
        phone="+447700900123",
        kind="text",
        text="Hello",
        content="{}",
        occurred_at=timezone.now(),
    )
    return message


def change_url(instance: Any) -> str:
    return reverse(f"admin:messaging_{instance._meta.model_name}_change", args=[instance.pk])


def list_url(model: str) -> str:
    return reverse(f"admin:messaging_{model}_changelist")


def page(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("model", PAGES)
def test_every_list_and_page_opens_for_the_owner(
    owner: Client, channel: Channel, model: str
) -> None:
    fill_up(channel)
    html = page(owner, list_url(model))
    assert "447700900123" not in html
    (first,) = _models()[model].objects.all()[:1]
    html = page(owner, change_url(first))
    for secret in (channel.access_token, channel.app_secret, channel.verify_token):
        assert secret not in html


def _models() -> dict[str, Any]:
    models = (Message, InboundMessage, Channel, Template, Automation, WebhookBody)
    return {model._meta.model_name or "": model for model in models}


@pytest.mark.security
@pytest.mark.parametrize("model", PAGES)
def test_who_may_only_look_cannot_change(client: Client, channel: Channel, model: str) -> None:
    fill_up(channel)
    sign_in(client, f"messaging.view_{model}")
    first = _models()[model].objects.order_by("pk")[0]
    assert "447700900123" not in page(client, change_url(first))
    before = list(_models()[model].objects.values())
    assert client.post(change_url(first), {}).status_code in {403, 200}
    assert list(_models()[model].objects.values()) == before


@pytest.mark.performance
@pytest.mark.parametrize("model", PAGES)
def test_lists_cost_as_many_queries_for_one_row_as_for_many(
    owner: Client, channel: Channel, model: str
) -> None:
    fill_up(channel)
    page(owner, list_url(model))
    counts = []
    for number in range(2):
        with CaptureQueriesContext(connection) as captured:
            page(owner, list_url(model))
        counts.append(len(captured))
        other = make_channel(phone_number_id=f"other-{number}")
        for extra in range(5):
            make_message(channel=other)
            make_template(channel=other, language=f"x{extra}")
    assert counts[0] == counts[1]


def test_a_message_tells_its_story(owner: Client, channel: Channel) -> None:
    html = page(owner, change_url(fill_up(channel)))
    for text in ("Hi Layla", "Read", "utility", "wamid.1", "read ", "+44…0123"):
        assert text in html


def test_messages_are_found_by_any_spelling_of_the_phone(owner: Client, channel: Channel) -> None:
    fill_up(channel)
    assert "Layla" in page(owner, f"{list_url('message')}?q=07700 900123")
    assert "Layla" not in page(owner, f"{list_url('message')}?q=07700 900999")


def run_action(client: Client, model: str, action: str, *instances: Any) -> str:
    answer = client.post(
        list_url(model),
        {"action": action, "_selected_action": [each.pk for each in instances]},
        follow=True,
    )
    return answer.content.decode()


def test_try_again_takes_failed_messages_and_says_why_not_the_others(
    owner: Client, channel: Channel
) -> None:
    failed = make_message(channel=channel, state="failed", reason="unreachable")
    lost = make_message(channel=channel, state="unconfirmed", reason="no_answer")
    html = run_action(owner, "message", "try_again", failed, lost)
    assert "1 messages wait to be sent again" in html
    assert "could reach the customer twice" in html
    failed.refresh_from_db()
    lost.refresh_from_db()
    assert (failed.state, lost.state) == ("queued", "unconfirmed")


@pytest.mark.security
def test_try_again_needs_its_permission(client: Client, channel: Channel) -> None:
    sign_in(client, "messaging.view_message")
    failed = make_message(channel=channel, state="failed")
    run_action(client, "message", "try_again", failed)
    failed.refresh_from_db()
    assert failed.state == "failed"


def channel_form(channel: Channel, **changes: str) -> dict[str, str]:
    return {
        "name": channel.name,
        "base_url": channel.base_url,
        "api_version": channel.api_version,
        "phone_number_id": channel.phone_number_id,
        "business_account_id": channel.business_account_id,
        "pace_per_second": "48",
        "access_token": "",
        "app_secret": "",
        "verify_token": "",
        **changes,
    }


def test_an_empty_secret_keeps_the_stored_one_and_a_new_token_resumes(
    owner: Client, settings: Any
) -> None:
    settings.WHATSAPP_BASE_URL = "http://127.0.0.1:9"
    channel = make_channel(state="stopped", stopped_because="token")
    owner.post(change_url(channel), channel_form(channel, name="Renamed"))
    channel.refresh_from_db()
    assert (channel.name, channel.state) == ("Renamed", "stopped")
    assert channel.access_token == "sandbox-whatsapp-token"
    owner.post(change_url(channel), channel_form(channel, access_token="new-token"))
    channel.refresh_from_db()
    assert (channel.access_token, channel.state) == ("new-token", "active")
    assert channel.app_secret == "sandbox-app-secret"


@pytest.mark.security
@pytest.mark.parametrize(
    "base_url",
    [
        "http://169.254.169.254",
        "https://graph.facebook.com.evil.test",
        "https://graph.facebook.com@evil.test",
        "http://graph.facebook.com",
    ],
)
def test_the_token_leaves_for_known_hosts_only(
    owner: Client, channel: Channel, base_url: str
) -> None:
    answer = owner.post(change_url(channel), channel_form(channel, base_url=base_url), follow=True)
    assert "unknown host" in answer.content.decode()
    channel.refresh_from_db()
    assert channel.base_url == "http://127.0.0.1:9"


@pytest.mark.security
@pytest.mark.parametrize("token", ["two words", "línea", "a\x00b"])
def test_refuses_a_token_that_fits_no_header(
    owner: Client, channel: Channel, settings: Any, token: str
) -> None:
    settings.WHATSAPP_BASE_URL = channel.base_url
    owner.post(change_url(channel), channel_form(channel, access_token=token))
    channel.refresh_from_db()
    assert channel.access_token == "sandbox-whatsapp-token"


def test_the_connection_test_says_what_works(owner: Client) -> None:
    answer = {"display_phone_number": "+44 20", "verified_name": "Shop", "quality_rating": "GREEN"}
    with scripted_server(answering(200, answer)) as (url, _):
        channel = make_channel(base_url=url)
        test_url = reverse("admin:messaging_channel_test_connection", args=[channel.pk])
        assert (
            "Works: Shop (+44 20), quality GREEN"
            in owner.get(test_url, follow=True).content.decode()
        )


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"error": {"code": 190, "message": "expired"}}, "refused our access token: expired"),
        (502, "<html>", "No usable answer"),
    ],
)
def test_the_connection_test_says_what_does_not_work(
    owner: Client, status: int, body: object, words: str
) -> None:
    with scripted_server(answering(status, body)) as (url, _):
        channel = make_channel(base_url=url)
        test_url = reverse("admin:messaging_channel_test_connection", args=[channel.pk])
        assert words in owner.get(test_url, follow=True).content.decode()
    channel.base_url = f"http://127.0.0.1:{free_port()}"
    channel.save()
    assert "could not be reached" in owner.get(test_url, follow=True).content.decode()


def test_a_number_is_stopped_and_resumed_by_hand(owner: Client, channel: Channel) -> None:
    run_action(owner, "channel", "stop", channel)
    channel.refresh_from_db()
    assert (channel.state, channel.stopped_because[:10]) == ("stopped", "Stopped by")
    run_action(owner, "channel", "resume", channel)
    channel.refresh_from_db()
    assert (channel.state, channel.stopped_because) == ("active", "")


def automation_form(automation: Automation, **changes: str) -> dict[str, str]:
    bindings = {
        f"blank_{key.replace(':', '_')}": value for key, value in automation.bindings.items()
    }
    return {
        "is_enabled": "on",
        "template_name": automation.template_name,
        "max_age_hours": str(automation.max_age_hours),
        **bindings,
        **changes,
    }


def test_an_automation_is_edited_in_words(owner: Client, channel: Channel) -> None:
    make_template(channel=channel)
    automation = Automation.objects.get(trigger="points_earned")
    html = page(owner, change_url(automation))
    assert "{{first_name}} in the text is" in html
    assert "The customer&#x27;s first name" in html
    form = automation_form(automation, blank_store="order", max_age_hours="12")
    form.pop("is_enabled")
    owner.post(change_url(automation), form)
    automation.refresh_from_db()
    assert (automation.is_enabled, automation.max_age_hours) == (False, 12)
    assert automation.bindings["store"] == "order"


def test_another_template_takes_fields_of_the_same_name(owner: Client, channel: Channel) -> None:
    make_template(channel=channel)
    components = [{"type": "BODY", "text": "Hi {{first_name}}: {{points}} at {{order}}"}]
    make_template(channel=channel, name="short", components=components)
    automation = Automation.objects.get(trigger="points_earned")
    owner.post(change_url(automation), automation_form(automation, template_name="short"))
    automation.refresh_from_db()
    assert automation.bindings == {
        "first_name": "first_name",
        "points": "points",
        "order": "order",
    }


def test_refuses_a_template_with_a_blank_that_nothing_fills(
    owner: Client, channel: Channel
) -> None:
    make_template(channel=channel)
    make_template(
        channel=channel,
        name="odd",
        components=[{"type": "BODY", "text": "Your {{voucher_code}} is here"}],
    )
    automation = Automation.objects.get(trigger="points_earned")
    answer = owner.post(
        change_url(automation), automation_form(automation, template_name="odd"), follow=True
    )
    assert "Say what fills voucher_code" in answer.content.decode()
    automation.refresh_from_db()
    assert automation.template_name == "points_earned"


def test_the_code_automation_shows_its_two_blanks(owner: Client, channel: Channel) -> None:
    make_code_template(channel=channel)
    html = page(owner, change_url(set_automation(trigger=Automation.Trigger.SIGN_IN_CODE)))
    assert "{{1}} in the text is" in html
    assert "{{1}} in the button is" in html


def test_templates_show_a_preview_and_can_be_fetched(owner: Client, channel: Channel) -> None:
    components = [
        {
            "type": "BODY",
            "text": "Hi {{first_name}} <script>",
            "example": {
                "body_text_named_params": [{"param_name": "first_name", "example": "Asha"}]
            },
        },
        {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Stop promotions"}]},
    ]
    template = make_template(channel=channel, components=components)
    html = page(owner, change_url(template))
    assert "Hi Asha &lt;script&gt;" in html
    assert "Stop promotions" in html
    assert (
        "being fetched"
        in owner.get(reverse("admin:messaging_template_sync_now"), follow=True).content.decode()
    )


@pytest.mark.security
def test_raw_bodies_are_shown_to_those_who_see_contacts(client: Client, channel: Channel) -> None:
    body = WebhookBody.objects.create(content_index="x", raw=json.dumps({"wa_id": "447700900123"}))
    sign_in(client, "messaging.view_webhookbody")
    assert "447700900123" not in page(client, change_url(body))
    sign_in(client, "messaging.view_webhookbody", "customers.view_contact")
    assert "447700900123" in page(client, change_url(body))


def test_a_parked_body_is_applied_again(owner: Client, channel: Channel) -> None:
    body = WebhookBody.objects.create(content_index="x", raw="{}", state="parked")
    assert "1 bodies will be applied again" in run_action(owner, "webhookbody", "apply_again", body)
    body.refresh_from_db()
    assert body.state == "pending"


def test_the_customer_page_shows_the_conversation(owner: Client, channel: Channel) -> None:
    fill_up(channel)
    make_message(
        channel=channel, customer=Customer.objects.get(), state="suppressed", reason="no_consent"
    )
    customer = Customer.objects.get()
    url = reverse("admin:customers_customer_change", args=[customer.pk])
    html = page(owner, f"{url}?tab=messages")
    for text in ("Hi Layla", "Hello", "does not allow these messages", "answered freely until"):
        assert text in html
    InboundMessage.objects.update(occurred_at=timezone.now() - timedelta(hours=25))
    assert "Only approved templates" in page(owner, f"{url}?tab=messages")
