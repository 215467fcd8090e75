import structlog
from celery import shared_task
from django.utils import timezone

from messaging import services
from messaging.errors import GatewayError
from messaging.models import Channel

logger = structlog.get_logger(__name__)


@shared_task(name=services.SEND_TASK)
def send_due(channel_id: str = "") -> None:
    """Send what is due, for one number or for all of them."""
    channels = Channel.objects.filter(state=Channel.State.ACTIVE).order_by("pk")
    for channel in channels.filter(pk=int(channel_id)) if channel_id else channels:
        services.send_due_messages(channel=channel)


@shared_task(name=services.APPLY_TASK)
def apply_webhooks() -> None:
    """Work through the webhook bodies that wait."""
    while services.apply_bodies():
        pass


@shared_task
def reap_stale() -> None:
    """Mark messages whose sender vanished; nobody sends them again."""
    while services.mark_stale_unconfirmed(now=timezone.now()):
        pass


@shared_task(name=services.SYNC_TASK)
def sync_templates(channel_id: str = "") -> None:
    """Fetch the templates, of one number or of all that send."""
    services.ensure_default_channel()
    channels = Channel.objects.filter(state=Channel.State.ACTIVE).order_by("pk")
    for channel in channels.filter(pk=int(channel_id)) if channel_id else channels:
        try:
            services.sync_templates(channel=channel, now=timezone.now())
        except GatewayError as error:
            logger.warning(
                "whatsapp_templates_not_synced", channel_id=channel.pk, kind=error.kind.value
            )
