"""Numbers made from the settings, templates fetched from WhatsApp."""

from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.utils import timezone

from messaging import tasks
from messaging.apps import SCHEDULES
from messaging.errors import (
    BindingIncompleteError,
    FieldUnknownError,
    GatewayError,
    TemplateUnknownError,
)
from messaging.models import Automation, Channel, Template
from messaging.services import (
    APPLY_TASK,
    SEND_TASK,
    SYNC_TASK,
    ensure_default_channel,
    save_automation,
    save_channel,
    stop_channel,
    sync_templates,
)
from messaging.tests.factories import make_channel, make_template, set_automation
from messaging.tests.servers import StandIn, answering, scripted_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def whatsapp_settings(settings: Any) -> Any:
    settings.WHATSAPP_BASE_URL = "http://127.0.0.1:8101"
    settings.WHATSAPP_API_VERSION = "v26.0"
    settings.WHATSAPP_PHONE_NUMBER_ID = "118"
    settings.WHATSAPP_BUSINESS_ACCOUNT_ID = "204"
    settings.WHATSAPP_ACCESS_TOKEN = "token-one"
    settings.WHATSAPP_APP_SECRET = "app-secret-canary"
    settings.WHATSAPP_VERIFY_TOKEN = "verify-one"
    return settings


def test_the_settings_make_a_number_and_the_usual_automations(whatsapp_settings: Any) -> None:
    channels = {ensure_default_channel() for _ in range(3)}
    channel = Channel.objects.get()
    assert channels == {channel}
    assert (channel.phone_number_id, channel.access_token) == ("118", "token-one")
    assert channel.pace.tokens == 0
    assert Automation.objects.count() == len(Automation.Trigger)


def test_no_number_in_the_settings_makes_none(settings: Any) -> None:
    settings.WHATSAPP_PHONE_NUMBER_ID = ""
    assert ensure_default_channel() is None
    assert not Channel.objects.exists()


def test_what_staff_changed_stays_until_the_settings_change(whatsapp_settings: Any) -> None:
    channel = ensure_default_channel()
    assert channel is not None
    channel.access_token = "typed-by-staff"
    save_channel(channel=channel)
    ensure_default_channel()
    assert Channel.objects.get().access_token == "typed-by-staff"
    stop_channel(channel=channel, because="test")
    whatsapp_settings.WHATSAPP_ACCESS_TOKEN = "token-two"
    ensure_default_channel()
    channel.refresh_from_db()
    assert (channel.access_token, channel.state) == ("token-two", Channel.State.ACTIVE)


@pytest.mark.security
def test_secrets_are_sealed_in_the_database(whatsapp_settings: Any) -> None:
    ensure_default_channel()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM messaging_channel")
        row = str(cursor.fetchall())
    for secret in ("token-one", "app-secret-canary", "verify-one"):
        assert secret not in row


@pytest.mark.integration
def test_templates_are_fetched_page_by_page_and_kept_current(stand_in: StandIn) -> None:
    channel = make_channel(base_url=stand_in.url)
    gone = make_template(channel=channel, name="old_offer")
    now = timezone.now()
    assert sync_templates(channel=channel, now=now) == 20
    gone.refresh_from_db()
    assert gone.status == "DELETED"
    template = Template.objects.get(name="points_earned", language="hi")
    assert (template.status, template.quality, template.is_named) == ("APPROVED", "GREEN", True)
    before = list(Template.objects.values_list("pk", "name", "language", "status"))
    sync_templates(channel=channel, now=now + timedelta(minutes=1))
    assert list(Template.objects.values_list("pk", "name", "language", "status")) == before


@pytest.mark.integration
def test_a_newer_word_of_a_webhook_outlives_the_list(stand_in: StandIn) -> None:
    channel = make_channel(base_url=stand_in.url)
    now = timezone.now()
    sync_templates(channel=channel, now=now)
    Template.objects.filter(name="tier_up").update(
        status="PAUSED", status_at=now + timedelta(seconds=5)
    )
    sync_templates(channel=channel, now=now)
    assert set(Template.objects.filter(name="tier_up").values_list("status", flat=True)) == {
        "PAUSED"
    }
    sync_templates(channel=channel, now=now + timedelta(minutes=15))
    assert not Template.objects.filter(status="PAUSED").exists()


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (502, "<html>", Channel.State.ACTIVE),
        (401, {"error": {"code": 190, "message": "expired"}}, Channel.State.STOPPED),
    ],
)
def test_a_list_that_cannot_be_read_changes_no_template(
    status: int, body: object, state: str
) -> None:
    with scripted_server(answering(status, body)) as (url, _):
        channel = make_channel(base_url=url)
        make_template(channel=channel)
        with pytest.raises(GatewayError):
            sync_templates(channel=channel, now=timezone.now())
    assert Template.objects.get().status == "APPROVED"
    channel.refresh_from_db()
    assert channel.state == state


def change(automation: Automation, **fields: Any) -> Automation:
    values: dict[str, Any] = {
        "template_name": automation.template_name,
        "bindings": automation.bindings,
        "is_enabled": True,
        "max_age_hours": 48,
        **fields,
    }
    return save_automation(automation=automation, **values)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"template_name": "nowhere"}, TemplateUnknownError),
        ({"bindings": {"first_name": "first_name"}}, BindingIncompleteError),
        (
            {"bindings": dict.fromkeys(["first_name", "points", "store", "balance"], "salary")},
            FieldUnknownError,
        ),
    ],
)
def test_refuses_an_automation_that_could_not_be_sent(
    channel: Channel, fields: dict[str, Any], error: type[Exception]
) -> None:
    make_template(channel=channel)
    automation = set_automation(trigger=Automation.Trigger.POINTS_EARNED)
    with pytest.raises(error):
        change(automation, **fields)
    automation.refresh_from_db()
    assert (automation.template_name, automation.bindings["store"]) == ("points_earned", "store")


def test_scheduled_tasks_exist_under_their_names() -> None:
    names = {name for name, _ in SCHEDULES.values()}
    assert {SEND_TASK, APPLY_TASK, SYNC_TASK} <= names
    assert names <= set(current_app.tasks)


@pytest.mark.integration
def test_tasks_run_over_every_number(stand_in: StandIn) -> None:
    make_channel(base_url=stand_in.url)
    make_channel(base_url="http://127.0.0.1:9", phone_number_id="2")
    tasks.sync_templates()
    assert Template.objects.count() == 20
    tasks.send_due()
    tasks.send_due(str(Channel.objects.order_by("pk")[0].pk))
    tasks.apply_webhooks()
    tasks.reap_stale()
