"""The sender of one number: keeps as many calls under way as its pace allows."""

import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor, wait

import structlog
from django.utils import timezone

from loyalty_site.outbox.gateways import wake
from messaging.errors import FailureKind, GatewayError
from messaging.gateways.whatsapp import send_template
from messaging.models import Channel
from messaging.selectors import due_messages
from messaging.services.channels import SEND_TASK
from messaging.services.sending import (
    CallResult,
    ClaimedCall,
    claim_messages,
    record_results,
    release_lease,
    take_lease,
)

logger = structlog.get_logger(__name__)

CALLS_AT_ONCE = 20
"""At 200 ms a call and 100 ms between looks this carries more than the usual 48 a second."""
_SLICE_S = 30.0
_LOOK_EVERY_S = 0.1


def send_due_messages(*, channel: Channel, seconds: float = _SLICE_S) -> int:
    """Send what is due for a number until nothing is, for at most a slice of time.

    Returns how many calls were made. One worker sends at a time; another one called meanwhile
    leaves at once, because this one looks again after giving up its lease.
    """
    until = time.monotonic() + seconds
    sender = uuid.uuid4()
    made = 0
    while take_lease(channel=channel, sender=sender, now=timezone.now()):
        try:
            made += _Run(channel, sender, until).run()
        finally:
            release_lease(channel=channel, sender=sender)
        if not due_messages(channel, now=timezone.now()).exists():
            break
        if time.monotonic() >= until:
            wake(SEND_TASK, str(channel.pk))
            break
    return made


class _Run:
    """One stretch of sending. The database is touched by this thread, the network by others."""

    def __init__(self, channel: Channel, sender: uuid.UUID, until: float) -> None:
        self._channel = channel
        self._sender = sender
        self._until = until
        self._calls: dict[Future[str], ClaimedCall] = {}
        self._is_over = False

    def run(self) -> int:
        """Claim, call, record, until nothing is due; returns how many calls were made."""
        made = 0
        with ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="whatsapp") as pool:
            while not self._is_over or self._calls:
                self._claim(pool)
                made += self._record()
        return made

    def _claim(self, pool: ThreadPoolExecutor) -> None:
        """Start what may start now."""
        room = CALLS_AT_ONCE - len(self._calls)
        self._is_over = self._is_over or time.monotonic() >= self._until
        if self._is_over or not room:
            return
        claim = claim_messages(
            channel=self._channel, sender=self._sender, limit=room, now=timezone.now()
        )
        for claimed in claim.calls:
            self._calls[pool.submit(send_template, claimed.address, claimed.call)] = claimed
        if claim.pause and not self._calls:
            time.sleep(claim.pause.total_seconds())
        nothing_due = not (claim.examined or claim.pause or self._calls)
        self._is_over = claim.is_lost or nothing_due

    def _record(self) -> int:
        """Write down what has ended by the next look, together."""
        done, _ = wait(self._calls, timeout=_LOOK_EVERY_S)
        results = [_result(self._calls.pop(call), call) for call in done]
        if results:
            record_results(channel=self._channel, results=results, now=timezone.now())
        return len(results)


def _result(claimed: ClaimedCall, call: Future[str]) -> CallResult:
    try:
        return CallResult(claimed=claimed, wamid=call.result())
    except GatewayError as error:
        return CallResult(claimed=claimed, error=error)
    except Exception as error:
        # A bug of ours: the call may have gone out all the same.
        logger.exception("whatsapp_call_crashed", attempt_id=claimed.attempt_id)
        crashed = GatewayError(FailureKind.AMBIGUOUS, details=type(error).__name__)
        return CallResult(claimed=claimed, error=crashed)
