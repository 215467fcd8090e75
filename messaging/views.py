"""The webhook: WhatsApp posts here what became of messages and what customers write."""

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from messaging.errors import SignatureRefusedError
from messaging.services import is_handshake_expected, store_body

logger = structlog.get_logger(__name__)

LONGEST_BODY = 4 * 1024 * 1024
_TEXT = "text/plain; charset=utf-8"


@csrf_exempt
@require_http_methods(["GET", "POST"])
def whatsapp_webhook(request: HttpRequest) -> HttpResponse:
    """Shake hands, or keep a signed body and answer 200; 503 asks WhatsApp to repeat it."""
    try:
        return _receive(request) if request.method == "POST" else _shake_hands(request)
    except DatabaseError:
        logger.exception("webhook_not_stored")
        return HttpResponse("Not stored, repeat.", _TEXT, status=503, headers={"Retry-After": "5"})


def _shake_hands(request: HttpRequest) -> HttpResponse:
    query = request.GET
    if query.get("hub.mode") == "subscribe" and is_handshake_expected(
        verify_token=query.get("hub.verify_token", "")
    ):
        return HttpResponse(query.get("hub.challenge", ""), _TEXT)
    return HttpResponse("Wrong token.", _TEXT, status=403)


def _receive(request: HttpRequest) -> HttpResponse:
    # The stream, not request.body: the signature is over these bytes and the bound is ours.
    raw = request.read(LONGEST_BODY + 1)
    if len(raw) > LONGEST_BODY:
        return HttpResponse("Too long.", _TEXT, status=413)
    try:
        store_body(raw=raw, signature=request.headers.get("X-Hub-Signature-256", ""))
    except SignatureRefusedError:
        logger.warning("webhook_signature_refused", size=len(raw))
        return HttpResponse("Wrong signature.", _TEXT, status=401)
    return HttpResponse("", _TEXT)
