"""The webhook's door: check the signature, keep the body as it came, work on it later."""

import hashlib
import hmac

from django.db import transaction

from loyalty_site.common.crypto import blind_index
from loyalty_site.outbox.gateways import wake
from messaging.errors import SignatureRefusedError
from messaging.models import Channel, WebhookBody

APPLY_TASK = "messaging.tasks.apply_webhooks"


def store_body(*, raw: bytes, signature: str) -> bool:
    """Keep a signed body as it came; False if this very body is known already.

    Raises:
        SignatureRefusedError: no number of ours has the secret that signed it.
    """
    secrets = Channel.objects.values_list("app_secret", flat=True)
    if not any(_is_signed(raw, signature, secret) for secret in secrets if secret):
        raise SignatureRefusedError
    index = blind_index("webhook body", hashlib.sha256(raw).hexdigest())
    _, is_new = WebhookBody.objects.get_or_create(
        content_index=index, defaults={"raw": raw.decode("utf-8", "replace")}
    )
    transaction.on_commit(lambda: wake(APPLY_TASK))
    return is_new


def _is_signed(raw: bytes, signature: str, secret: str) -> bool:
    expected = f"sha256={hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()}"
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))


def is_handshake_expected(*, verify_token: str) -> bool:
    """Whether a number of ours expects a handshake with this token."""
    tokens = Channel.objects.values_list("verify_token", flat=True)
    given = verify_token.encode("utf-8", "replace")
    return any(hmac.compare_digest(token.encode(), given) for token in tokens if token)


@transaction.atomic
def replay_body(*, body: WebhookBody) -> bool:
    """Apply a body once more, after a fault was mended; True unless it waits already."""
    is_waiting_now = (
        WebhookBody.objects.filter(pk=body.pk)
        .exclude(state=WebhookBody.State.PENDING)
        .update(state=WebhookBody.State.PENDING, last_error="")
    )
    transaction.on_commit(lambda: wake(APPLY_TASK))
    return bool(is_waiting_now)
