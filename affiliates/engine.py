"""Who brought a bill, and what that pays: pure decisions that say why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

MINOR_UNIT = Decimal("0.01")


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
    """A person as two records of them can be compared; empty texts are unknown."""

    customer_id: int | None
    phone: str = ""
    email: str = ""

    def is_same_person(self, other: "Party") -> bool:
        """Whether both are one customer, or share a phone or an e-mail address."""
        return (
            (self.customer_id is not None and self.customer_id == other.customer_id)
            or bool(self.phone and self.phone == other.phone)
            or bool(self.email and self.email.casefold() == other.email.casefold())
        )


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


class Kind(StrEnum):
    """How a plan counts."""

    PERCENT = "percent"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a plan version pays: a percentage, or an amount a bill."""

    kind: Kind
    rate: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """What a bill pays, and the figures that led there; `exact` is the amount unrounded."""

    amount: Decimal
    exact: Decimal
    remaining_net: Decimal


def commission(terms: Terms, remaining_net: Decimal) -> Commission:
    """What is due on the goods that were kept, half-up on minor units.

    A fixed amount is earned as long as anything is kept; nothing kept earns nothing.
    """
    if remaining_net <= 0:
        exact = Decimal(0)
    elif terms.kind == Kind.FIXED:
        exact = terms.rate
    else:
        exact = remaining_net * terms.rate / 100
    return Commission(
        amount=exact.quantize(MINOR_UNIT, ROUND_HALF_UP), exact=exact, remaining_net=remaining_net
    )


def correction(*, credited: Decimal, earned: Decimal) -> Decimal:
    """The signed entry that takes what was credited so far to what is earned now.

    Its negative is `already credited - round(rate * remaining net)`. Because each correction
    starts from the sum of all earlier ones, any order and split of returns ends at the same sum.
    """
    return earned - credited
