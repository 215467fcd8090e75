"""Telling the product's webhook: signed, batched, retried until it answers 200."""

import hashlib
import hmac
import http.client
import json
import logging
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence

from sandbox.whatsapp.cloud import Cloud
from sandbox.whatsapp.models import Update
from sandbox.whatsapp.payloads import webhook_body
from sandbox.whatsapp.settings import Settings

BATCH = 100
HANDSHAKE_TRIES = 6
LAST_MOMENT = 1.0

log = logging.getLogger(__name__)


class _AnswerAsItIs(urllib.request.HTTPErrorProcessor):
    """A redirect is an answer other than 200: never follow it, or a POST turns into a GET."""

    def http_response(
        self, request: urllib.request.Request, response: http.client.HTTPResponse
    ) -> http.client.HTTPResponse:
        return response

    https_response = http_response


# The product runs on this machine: a proxy from the environment would swallow the call.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _AnswerAsItIs())


class WebhookSender:
    """Two background threads: one tells updates, one performs the handshake."""

    def __init__(self, *, cloud: Cloud, settings: Settings) -> None:
        self.handshake = "waiting"
        self._cloud = cloud
        self._settings = settings
        self._stopping = threading.Event()
        self._teller = threading.Thread(target=self._tell_updates, daemon=True)

    def start(self) -> None:
        """Begin. Neither thread keeps the process alive."""
        self._teller.start()
        threading.Thread(target=self._shake_hands, daemon=True).start()

    def stop(self) -> None:
        """Tell nothing more; give a call that is under way a moment to be answered."""
        self._stopping.set()
        self._cloud.retire()
        self._teller.join(timeout=LAST_MOMENT)

    def _tell_updates(self) -> None:
        while updates := self._cloud.next_updates(limit=BATCH):
            self._tell(updates)

    def _tell(self, updates: Sequence[Update]) -> None:
        body = json.dumps(webhook_body(updates), separators=(",", ":")).encode("ascii")
        request = urllib.request.Request(
            self._settings.webhook_url,
            data=body,
            headers={
                "Content-Type": "application/json",
                "User-Agent": "facebookexternalua",
                "X-Hub-Signature-256": sign(body, self._settings.app_secret),
            },
        )
        started = time.monotonic()
        outcome, _ = self._fetch(request)
        took = int(1000 * (time.monotonic() - started))
        if outcome == "200":
            self._cloud.told(updates)
            log.info("webhook: %d updates taken in %d ms", len(updates), took)
            return
        self._cloud.tell_later(updates, pause_after=self._pause_after)
        log.warning("webhook: %d updates not taken (%s), to be retried", len(updates), outcome)

    def _pause_after(self, attempts: int) -> float:
        doubled: float = self._settings.retry_first * 2.0 ** min(attempts - 1, 30)
        return min(self._settings.retry_longest, doubled)

    def _shake_hands(self) -> None:
        for attempts in range(1, HANDSHAKE_TRIES + 1):
            outcome = self._try_handshake()
            if outcome == "answered":
                self.handshake = outcome
                log.info("handshake: answered")
                return
            log.warning("handshake: not answered (%s)", outcome)
            if attempts < HANDSHAKE_TRIES and self._stopping.wait(self._pause_after(attempts)):
                return
        self.handshake = "not answered"

    def _try_handshake(self) -> str:
        challenge = str(secrets.randbelow(10**9) + 10**9)
        query = urllib.parse.urlencode(
            {
                "hub.mode": "subscribe",
                "hub.challenge": challenge,
                "hub.verify_token": self._settings.verify_token,
            }
        )
        joint = "&" if "?" in self._settings.webhook_url else "?"
        request = urllib.request.Request(f"{self._settings.webhook_url}{joint}{query}")
        outcome, answer = self._fetch(request)
        if outcome != "200":
            return outcome
        return "answered" if answer == challenge.encode() else "wrong challenge"

    def _fetch(self, request: urllib.request.Request) -> tuple[str, bytes]:
        """Return the HTTP status, or the kind of failure, and the start of the answer."""
        try:
            with _opener.open(request, timeout=self._settings.webhook_timeout) as response:
                return str(response.status), response.read(4096)
        except urllib.error.URLError as error:
            return type(error.reason).__name__, b""
        except (OSError, http.client.HTTPException, ValueError) as error:
            return type(error).__name__, b""


def sign(body: bytes, app_secret: str) -> str:
    """Return the value of X-Hub-Signature-256 for these exact bytes."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()
