"""How fast one number may send: a token bucket over plain values."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

_BURST_S = 0.25
"""Seconds' worth of messages that may leave at once; Meta counts whole seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Messages that may leave now, as of `refilled_at`."""

    tokens: float
    refilled_at: datetime


def refill(bucket: Bucket, *, now: datetime, per_second: int) -> Bucket:
    """The bucket at `now`; a clock that went back adds nothing."""
    passed = max(0.0, (now - bucket.refilled_at).total_seconds())
    most = max(1.0, per_second * _BURST_S)
    return Bucket(tokens=min(most, bucket.tokens + passed * per_second), refilled_at=now)


def spend(bucket: Bucket, messages: int) -> Bucket:
    """The bucket after that many messages left."""
    return replace(bucket, tokens=bucket.tokens - messages)


def wait_for_token(bucket: Bucket, *, per_second: int) -> timedelta:
    """How long until one more message may leave."""
    return timedelta(seconds=max(0.0, 1.0 - bucket.tokens) / per_second)
