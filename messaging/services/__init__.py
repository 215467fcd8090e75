"""The only code that writes this app's tables."""

from messaging.services.channels import (
    SEND_TASK,
    SYNC_TASK,
    address_of,
    check_connection,
    ensure_automations,
    ensure_default_channel,
    request_sync,
    resume_channel,
    save_channel,
    stop_channel,
)
from messaging.services.intake import (
    APPLY_TASK,
    is_handshake_expected,
    replay_body,
    store_body,
)
from messaging.services.queueing import Occasion, queue_messages
from messaging.services.sender import send_due_messages
from messaging.services.sending import (
    CallResult,
    Claim,
    ClaimedCall,
    claim_messages,
    mark_stale_unconfirmed,
    record_results,
    release_lease,
    retry_message,
    take_lease,
)
from messaging.services.templates import save_automation, sync_templates
from messaging.services.webhooks import apply_bodies

__all__ = [
    "APPLY_TASK",
    "SEND_TASK",
    "SYNC_TASK",
    "CallResult",
    "Claim",
    "ClaimedCall",
    "Occasion",
    "address_of",
    "apply_bodies",
    "check_connection",
    "claim_messages",
    "ensure_automations",
    "ensure_default_channel",
    "is_handshake_expected",
    "mark_stale_unconfirmed",
    "queue_messages",
    "record_results",
    "release_lease",
    "replay_body",
    "request_sync",
    "resume_channel",
    "retry_message",
    "save_automation",
    "save_channel",
    "send_due_messages",
    "stop_channel",
    "store_body",
    "sync_templates",
    "take_lease",
]
