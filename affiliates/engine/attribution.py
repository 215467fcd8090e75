"""Who brought a bill: a pure decision that says why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

CLOCK_TOLERANCE = timedelta(minutes=10)
"""Clocks of tills differ: a touch so little after the bill still came before it."""


def normal_code(text: str) -> str:
    """A code as it is stored and compared: trimmed, in capitals."""
    return text.strip().upper()


class Rung(StrEnum):
    """How a candidate came to a bill; as listed here the stronger ways come first."""

    MANUAL = "manual"
    BINDING = "binding"
    CODE = "code"
    CLAIM = "claim"
    CLICK = "click"
    COOKIE = "cookie"


LADDER = tuple(Rung)
_TOUCHES = frozenset((Rung.CLAIM, Rung.CLICK, Rung.COOKIE))


def read_ladder(ways: Iterable[str]) -> tuple[Rung, ...]:
    """The ladder that a shop chose: staff's word, then these ways, strongest first.

    Nothing chosen is the usual ladder; ways that are left out do not count.
    """
    chosen = [Rung(way) for way in ways if way != Rung.MANUAL]
    return (Rung.MANUAL, *chosen) if chosen else LADDER


class Reason(StrEnum):
    """Why a candidate won or lost."""

    WON = "won"
    SPLIT = "split"
    NOBODY = "nobody"
    WAY_OFF = "way_off"
    NOT_A_PERSON = "not_a_person"
    NOT_APPROVED = "not_approved"
    NOT_ENROLLED = "not_enrolled"
    CODE_TOO_NEW = "code_too_new"
    BOUND_LATER = "bound_later"
    BINDING_OVER = "binding_over"
    TOUCHED_LATER = "touched_later"
    WINDOW_OVER = "window_over"
    NO_PLAN = "no_plan"
    OWN_PURCHASE = "own_purchase"
    SAME_AFFILIATE = "same_affiliate"
    LATER_CANDIDATE = "later_candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What attribution needs to know of a bill; `buyer_id` is None for an anonymous one.

    `is_nobodys`: staff decided that no affiliate brought it.
    """

    occurred_at: datetime
    buyer_id: int | None
    is_nobodys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An enrolment that may have brought the bill, and by which way.

    `code` is what was seen: the code, the click's id, or where a phone was claimed. It counts
    from `valid_from` (of the code, the touch or the binding) until before `valid_until`; a touch
    for `window_days` only. `person_id` is the affiliate as a customer. Only one and the same
    customer is certainly one person: a phone or an address in common may be a family's, and the
    fraud checks hold such a bill for somebody to look at.
    """

    rung: Rung
    code: str
    enrolment_id: int
    affiliate_id: int
    is_approved: bool
    is_enrolled: bool
    valid_from: datetime
    plan_version_id: int | None
    person_id: int | None
    valid_until: datetime | None = None
    window_days: int | None = None
    is_person: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one candidate."""

    candidate: Candidate
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """The winner, if any, who shares with them, and every candidate's verdict in ladder order."""

    winner: Candidate | None
    runner_up: Candidate | None
    verdicts: tuple[Verdict, ...]


def attribute(
    bill: Bill,
    candidates: Sequence[Candidate],
    *,
    ladder: Sequence[Rung] = LADDER,
    is_split: bool = False,
) -> Attribution:
    """Choose who brought a bill: the first eligible candidate on the ladder.

    A candidate that is not eligible is skipped, not final. Within a rung the newest touch comes
    first, and codes in the order given. With `is_split` the next eligible affiliate shares; what
    staff decided by hand is not shared.
    """
    winner: Candidate | None = None
    runner_up: Candidate | None = None
    verdicts = []
    for candidate in sorted(candidates, key=lambda one: _place(one, ladder)):
        reason = _objection(bill, candidate, ladder)
        if reason is None:
            if winner is None:
                winner, reason = candidate, Reason.WON
            elif candidate.affiliate_id == winner.affiliate_id:
                reason = Reason.SAME_AFFILIATE
            elif is_split and runner_up is None and winner.rung != Rung.MANUAL:
                runner_up, reason = candidate, Reason.SPLIT
            else:
                reason = Reason.LATER_CANDIDATE
        verdicts.append(Verdict(candidate=candidate, reason=reason))
    return Attribution(winner=winner, runner_up=runner_up, verdicts=tuple(verdicts))


def _place(candidate: Candidate, ladder: Sequence[Rung]) -> tuple[int, float]:
    rung = candidate.rung
    height = ladder.index(rung) if rung in ladder else len(ladder) + LADDER.index(rung)
    return height, -candidate.valid_from.timestamp() if rung in _TOUCHES else 0.0


def _objection(bill: Bill, candidate: Candidate, ladder: Sequence[Rung]) -> Reason | None:
    if bill.is_nobodys:
        return Reason.NOBODY
    if candidate.rung not in ladder:
        return Reason.WAY_OFF
    if not candidate.is_person:
        return Reason.NOT_A_PERSON
    if not candidate.is_approved:
        return Reason.NOT_APPROVED
    if not candidate.is_enrolled:
        return Reason.NOT_ENROLLED
    if reason := _wrong_time(bill, candidate):
        return reason
    if candidate.plan_version_id is None:
        return Reason.NO_PLAN
    if bill.buyer_id is not None and bill.buyer_id == candidate.person_id:
        return Reason.OWN_PURCHASE
    return None


def _wrong_time(bill: Bill, candidate: Candidate) -> Reason | None:
    """Whether a bill lies outside of the time in which the candidate counts."""
    age = bill.occurred_at - candidate.valid_from
    if candidate.rung in _TOUCHES:
        if age < -CLOCK_TOLERANCE:
            return Reason.TOUCHED_LATER
        if candidate.window_days is not None and age > timedelta(days=candidate.window_days):
            return Reason.WINDOW_OVER
    elif age < timedelta():
        return Reason.BOUND_LATER if candidate.rung == Rung.BINDING else Reason.CODE_TOO_NEW
    if candidate.valid_until is not None and bill.occurred_at >= candidate.valid_until:
        return Reason.BINDING_OVER
    return None
