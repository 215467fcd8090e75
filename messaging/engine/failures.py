"""What each error code of the Cloud API means, and what to do about it.

Source: Meta's error code table, as restated in the product's WhatsApp contract (section 1.5).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from messaging.errors import FailureKind

_CODES: Mapping[FailureKind, tuple[int | range, ...]] = {
    FailureKind.TRANSIENT: (1, 2, 131000, 131016, 131057, 133004),
    FailureKind.THROTTLE_NUMBER: (130429,),
    FailureKind.THROTTLE_PAIR: (131056,),
    FailureKind.THROTTLE_ACCOUNT: (4, 613, 80007, 134101),
    FailureKind.LATER: (130472, 131049),
    FailureKind.WINDOW_CLOSED: (131047,),
    FailureKind.OPTED_OUT: (131050,),
    FailureKind.UNREACHABLE: (130497, 131021, 131026, 131030, 131062, 137000),
    FailureKind.TEMPLATE_BLOCKED: (132001, 132007, 132015, 132016),
    FailureKind.TEMPLATE_MISMATCH: (
        *(132000, 132005, 132008, 132012, 132068, 132069),
        *(131063, 134100, 134102),
    ),
    FailureKind.OUR_FAULT: (33, 100, 131008, 131009, 131051, 131052, 131053, 131055, 135000),
    FailureKind.AUTHENTICATION: (0, 3, 10, 190, range(200, 300), 131005),
    FailureKind.ACCOUNT_STOPPED: (
        *(368, 131031, 131037, 131042, 131045, 131048, 131064),
        *(133006, 133010, 133016),
    ),
}


def _spread(codes: int | range) -> tuple[int, ...] | range:
    return (codes,) if isinstance(codes, int) else codes


KIND_OF_CODE: Mapping[int, FailureKind] = {
    code: kind for kind, groups in _CODES.items() for group in groups for code in _spread(group)
}


def classify(*, code: int | None, http_status: int) -> FailureKind:
    """The meaning of a refusal; `code` is Graph's, None where the answer carried none.

    The code decides. Without one, a server error may hide a message that was sent (ambiguous),
    while every other status is a refusal by something in front of WhatsApp.
    """
    if http_status == 429:
        return FailureKind.THROTTLE_NUMBER
    if code is not None:
        return KIND_OF_CODE.get(code, FailureKind.UNKNOWN)
    if http_status >= 500 or http_status < 300:
        return FailureKind.AMBIGUOUS
    if http_status < 400:
        return FailureKind.TRANSIENT
    if http_status in {401, 403}:
        return FailureKind.AUTHENTICATION
    return FailureKind.OUR_FAULT


class Verdict(StrEnum):
    """What becomes of the message."""

    REPEAT = "repeat"
    GIVE_UP = "give_up"
    SUPPRESS = "suppress"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a failed call leads to.

    `counts` tells whether it uses up one of the message's tries; `pause` is how long this
    message waits; `closes_number_for` holds back the whole number; `stops_channel` until a
    person acts; `blocks_template` until the next sync says that it is approved.
    """

    verdict: Verdict
    counts: bool = True
    pause: timedelta = timedelta(0)
    closes_number_for: timedelta = timedelta(0)
    stops_channel: bool = False
    blocks_template: bool = False


_TRIES = {
    FailureKind.TRANSIENT: 6,
    FailureKind.THROTTLE_PAIR: 6,
    FailureKind.LATER: 3,
    FailureKind.TEMPLATE_BLOCKED: 6,
}
_TRIES_OF_CODE = {1: 2}
_WAIT_FOR_A_PERSON = Decision(verdict=Verdict.REPEAT, counts=False, stops_channel=True)
_CLOSE_FOR = {
    FailureKind.THROTTLE_NUMBER: timedelta(seconds=5),
    FailureKind.THROTTLE_ACCOUNT: timedelta(seconds=60),
}


def decide(*, kind: FailureKind, code: int | None, tries: int) -> Decision:
    """What to do after a failed call; `tries` counts this one, starting with 1.

    Pauses are the shortest allowed; the caller adds jitter.
    """
    if kind is FailureKind.AMBIGUOUS:
        return Decision(verdict=Verdict.UNCONFIRMED)
    if kind is FailureKind.OPTED_OUT:
        return Decision(verdict=Verdict.SUPPRESS)
    if kind in {FailureKind.AUTHENTICATION, FailureKind.ACCOUNT_STOPPED}:
        return _WAIT_FOR_A_PERSON
    if closes_for := _CLOSE_FOR.get(kind):
        return Decision(
            verdict=Verdict.REPEAT, counts=False, pause=closes_for, closes_number_for=closes_for
        )
    is_last = tries >= _TRIES_OF_CODE.get(code or 0, _TRIES.get(kind, 1))
    return Decision(
        verdict=Verdict.GIVE_UP if is_last else Verdict.REPEAT,
        pause=_pause(kind, tries),
        blocks_template=kind is FailureKind.TEMPLATE_BLOCKED,
    )


def _pause(kind: FailureKind, tries: int) -> timedelta:
    if kind is FailureKind.LATER:
        return timedelta(hours=24)
    if kind is FailureKind.THROTTLE_PAIR:
        return timedelta(seconds=4 ** (tries - 1))
    if kind is FailureKind.TEMPLATE_BLOCKED:
        return timedelta(minutes=1)
    return timedelta(seconds=2**tries)
