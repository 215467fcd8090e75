"""Who brought a bill: a pure decision that says why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


def normal_code(text: str) -> str:
    """A code as it is stored and compared: trimmed, in capitals."""
    return text.strip().upper()


class Rung(StrEnum):
    """How a candidate came to a bill; earlier rungs win over later ones."""

    CODE = "code"


LADDER = tuple(Rung)


class Reason(StrEnum):
    """Why a candidate won or lost."""

    WON = "won"
    NOT_APPROVED = "not_approved"
    NOT_ENROLLED = "not_enrolled"
    CODE_TOO_NEW = "code_too_new"
    NO_PLAN = "no_plan"
    OWN_PURCHASE = "own_purchase"
    LATER_CANDIDATE = "later_candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A person as two records of them can be compared; empty texts are unknown.

    Only one and the same customer is certainly the same person. A phone or an address in common
    may be a family's: the fraud checks hold such a bill for somebody to look at.
    """

    customer_id: int | None
    phone: str = ""
    email: str = ""

    def is_same_person(self, other: "Party") -> bool:
        """Whether both are one customer."""
        return self.customer_id is not None and self.customer_id == other.customer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What attribution needs to know of a bill; `buyer` is unknown for an anonymous one."""

    occurred_at: datetime
    buyer: Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An enrolment that may have brought the bill, and by which way."""

    rung: Rung
    code: str
    enrolment_id: int
    affiliate_id: int
    is_approved: bool
    is_enrolled: bool
    valid_from: datetime
    plan_version_id: int | None
    party: Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one candidate."""

    candidate: Candidate
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """The winner, if any, and the verdict on every candidate in ladder order."""

    winner: Candidate | None
    verdicts: tuple[Verdict, ...]


def attribute(bill: Bill, candidates: Sequence[Candidate]) -> Attribution:
    """Choose who brought a bill: the first eligible candidate on the ladder.

    A candidate that is not eligible is skipped, not final. Within a rung the order given holds.
    """
    winner: Candidate | None = None
    verdicts = []
    for candidate in sorted(candidates, key=lambda candidate: LADDER.index(candidate.rung)):
        reason = _objection(bill, candidate)
        if reason is None and winner is None:
            winner, reason = candidate, Reason.WON
        verdicts.append(Verdict(candidate=candidate, reason=reason or Reason.LATER_CANDIDATE))
    return Attribution(winner=winner, verdicts=tuple(verdicts))


def _objection(bill: Bill, candidate: Candidate) -> Reason | None:
    if not candidate.is_approved:
        return Reason.NOT_APPROVED
    if not candidate.is_enrolled:
        return Reason.NOT_ENROLLED
    if bill.occurred_at < candidate.valid_from:
        return Reason.CODE_TOO_NEW
    if candidate.plan_version_id is None:
        return Reason.NO_PLAN
    if bill.buyer.is_same_person(candidate.party):
        return Reason.OWN_PURCHASE
    return None
