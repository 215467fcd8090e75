"""WhatsApp numbers: made from the settings, stopped by trouble, resumed by a person."""

import json
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from customers.models import Consent
from loyalty_site.common.crypto import blind_index
from loyalty_site.outbox.gateways import wake
from loyalty_site.staff.models import User
from messaging.errors import ChannelAddressRefusedError
from messaging.gateways.whatsapp import Address, NumberState, read_number
from messaging.models import Automation, Channel, Lane, Pace

logger = structlog.get_logger(__name__)

SEND_TASK = "messaging.tasks.send_due"
SYNC_TASK = "messaging.tasks.sync_templates"
_META = "https://graph.facebook.com"
_TEST_DEADLINE_S = 4.0

_SERVICE = Consent.Purpose.SERVICE
_Trigger = Automation.Trigger
_DEFAULTS: tuple[tuple[Automation.Trigger, Lane, str, dict[str, str]], ...] = (
    (
        _Trigger.POINTS_EARNED,
        Lane.UTILITY,
        _SERVICE,
        {name: name for name in ("first_name", "points", "store", "balance")},
    ),
    (
        _Trigger.TIER_UP,
        Lane.UTILITY,
        _SERVICE,
        {name: name for name in ("first_name", "tier")},
    ),
    (_Trigger.WELCOME, Lane.UTILITY, _SERVICE, {"first_name": "first_name"}),
    (_Trigger.SIGN_IN_CODE, Lane.OTP, "", {"1": "code", "button:0": "code"}),
    (
        _Trigger.COMMISSION_EARNED,
        Lane.UTILITY,
        _SERVICE,
        {name: name for name in ("first_name", "amount", "order")},
    ),
    (
        _Trigger.AFFILIATE_APPROVED,
        Lane.UTILITY,
        _SERVICE,
        {"first_name": "first_name", "code": "affiliate_code"},
    ),
    (
        _Trigger.AFFILIATE_INVITED,
        Lane.UTILITY,
        _SERVICE,
        {"first_name": "first_name", "code": "affiliate_code"},
    ),
    (
        _Trigger.PAYOUT_SENT,
        Lane.UTILITY,
        _SERVICE,
        {name: name for name in ("first_name", "amount")},
    ),
)


@transaction.atomic
def ensure_default_channel() -> Channel | None:
    """Make the number that the WHATSAPP_* settings name, and the usual automations.

    Idempotent. What a person changed on the row stays until the settings themselves change:
    then the newer word, theirs, is taken over and sending resumes. None without a number ID.
    """
    ensure_automations()
    wanted = {
        "base_url": settings.WHATSAPP_BASE_URL,
        "api_version": settings.WHATSAPP_API_VERSION,
        "business_account_id": settings.WHATSAPP_BUSINESS_ACCOUNT_ID,
        "access_token": settings.WHATSAPP_ACCESS_TOKEN,
        "app_secret": settings.WHATSAPP_APP_SECRET,
        "verify_token": settings.WHATSAPP_VERIFY_TOKEN,
    }
    number = settings.WHATSAPP_PHONE_NUMBER_ID
    if not number:
        return None
    index = blind_index("channel settings", json.dumps(wanted, sort_keys=True))
    channel, is_new = Channel.objects.select_for_update().get_or_create(
        phone_number_id=number, defaults={**wanted, "settings_index": index}
    )
    if is_new:
        Pace.objects.create(channel=channel)
    elif channel.settings_index != index:
        for name, value in wanted.items():
            setattr(channel, name, value)
        channel.settings_index = index
        channel.save(update_fields=[*wanted, "settings_index"])
        resume_channel(channel=channel)
    return channel


def ensure_automations() -> None:
    """Make the usual automations where they are missing."""
    Automation.objects.bulk_create(
        [
            Automation(
                trigger=trigger,
                template_name=trigger.value,
                lane=lane,
                purpose=purpose,
                bindings=bindings,
            )
            for trigger, lane, purpose, bindings in _DEFAULTS
        ],
        ignore_conflicts=True,
    )


@transaction.atomic
def save_channel(*, channel: Channel, acting_user: User | None = None) -> Channel:
    """Store a number as edited by staff; one stopped by trouble resumes with a new token.

    Raises:
        ChannelAddressRefusedError: the address is neither Meta's nor the configured one.
    """
    _check_address(channel.base_url)
    before = Channel.objects.select_for_update().filter(pk=channel.pk).first()
    channel.save()
    Pace.objects.get_or_create(channel=channel)
    by = acting_user.pk if acting_user else None
    logger.info("whatsapp_number_saved", channel_id=channel.pk, by=by)
    if before is not None and before.access_token != channel.access_token:
        resume_channel(channel=channel, acting_user=acting_user)
    return channel


def _check_address(base_url: str) -> None:
    allowed = [_META, settings.WHATSAPP_BASE_URL]
    if _origin(base_url) not in {_origin(each) for each in allowed}:
        raise ChannelAddressRefusedError(field="base_url", allowed=", ".join(allowed))


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()


@transaction.atomic
def stop_channel(*, channel: Channel, because: str, acting_user: User | None = None) -> bool:
    """Stop sending for a number; its messages wait. True if it was sending until now."""
    is_stopped = Channel.objects.filter(pk=channel.pk, state=Channel.State.ACTIVE).update(
        state=Channel.State.STOPPED, stopped_because=because[:300], stopped_at=timezone.now()
    )
    if is_stopped:
        logger.error(
            "whatsapp_number_stopped",
            channel_id=channel.pk,
            because=because[:300],
            by=acting_user.pk if acting_user else None,
        )
    return bool(is_stopped)


@transaction.atomic
def resume_channel(*, channel: Channel, acting_user: User | None = None) -> bool:
    """Let a stopped number send again; what waited goes out. True if it was stopped."""
    is_resumed = Channel.objects.filter(pk=channel.pk, state=Channel.State.STOPPED).update(
        state=Channel.State.ACTIVE, stopped_because="", stopped_at=None
    )
    if is_resumed:
        channel.state, channel.stopped_because, channel.stopped_at = Channel.State.ACTIVE, "", None
        by = acting_user.pk if acting_user else None
        logger.info("whatsapp_number_resumed", channel_id=channel.pk, by=by)
        transaction.on_commit(lambda: wake(SEND_TASK, str(channel.pk)))
    return bool(is_resumed)


def check_connection(*, channel: Channel) -> NumberState:
    """Ask WhatsApp about the number with the stored token; waits a few seconds at most.

    Raises:
        GatewayError: why it does not work.
    """
    return read_number(address_of(channel), deadline_s=_TEST_DEADLINE_S)


def address_of(channel: Channel) -> Address:
    """Where and with which token to call for a number."""
    return Address(
        base_url=channel.base_url,
        api_version=channel.api_version,
        phone_number_id=channel.phone_number_id,
        business_account_id=channel.business_account_id,
        access_token=channel.access_token,
    )


@transaction.atomic
def request_sync() -> None:
    """Have the templates of all numbers fetched soon."""
    transaction.on_commit(lambda: wake(SYNC_TASK))
