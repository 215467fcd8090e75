"""What customers do with each other: whose points pay, who is the same person, when friends count.

Points are whole numbers; amounts are Decimal in the programme's currency.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

_ALIASES = {"googlemail.com": "gmail.com"}
_DOTLESS = {"gmail.com"}
_NATIONAL_DIGITS = 10


# --- points of a household ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """What one account can spend, and when the first of it ends."""

    account_id: int
    available: int
    ends_on: date


def draw(points: int, own: Purse, others: Iterable[Purse]) -> list[tuple[int, int]] | None:
    """Who of a household pays how many of the points; None if all together have too few.

    Own points go first; of the others those pay first whose points end soonest.
    """
    drawn: list[tuple[int, int]] = []
    rest = points
    for purse in [own, *sorted(others, key=lambda one: (one.ends_on, one.account_id))]:
        part = min(rest, max(0, purse.available))
        if part:
            drawn.append((purse.account_id, part))
            rest -= part
    return None if rest else drawn


# --- the same person ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """By what a person is recognised."""

    customer_id: int
    phone: str = ""
    email: str = ""
    household_id: int | None = None


def plain_email(address: str) -> str:
    """The mailbox behind an address: without +tags, and without the dots that do not count."""
    local, at, domain = address.strip().casefold().rpartition("@")
    if not at:
        return ""
    domain = _ALIASES.get(domain, domain)
    local = local.partition("+")[0]
    if domain in _DOTLESS:
        local = local.replace(".", "")
    return f"{local}@{domain}"


def same_person(one: Identity, other: Identity) -> str:
    """Why two records seem to be one person or household; empty if they do not."""
    if one.customer_id == other.customer_id:
        return "Nobody can bring themselves."
    if one.phone and one.phone[-_NATIONAL_DIGITS:] == other.phone[-_NATIONAL_DIGITS:]:
        return "Both have the same phone number."
    if one.email and plain_email(one.email) == plain_email(other.email):
        return "Both have the same e-mail address."
    if one.household_id is not None and one.household_id == other.household_id:
        return "Both belong to one household."
    return ""


# --- friends ------------------------------------------------------------------------------------


class Stage(StrEnum):
    """How far a friend has come."""

    JOINED = "joined"
    BOUGHT = "bought"
    REWARDED = "rewarded"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class FriendBill:
    """A bill of the friend on its local day; `kept` is what was paid and not returned."""

    purchase_id: int
    day: date
    kept: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralTerms:
    """What was promised when the friend joined."""

    joined_on: date
    buy_until: date
    minimum: Decimal
    return_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Where a referral stands, and why."""

    stage: Stage
    reason: str
    purchase_id: int | None = None
    due_on: date | None = None


def judge(
    terms: ReferralTerms, bills: Sequence[FriendBill], *, today: date, chosen_id: int | None = None
) -> Verdict:
    """Where a referral stands by the friend's bills.

    The first bill of enough, within the time, decides; `chosen_id` is the one that was found
    before, which alone counts from then on: if its goods come back, the referral is over.
    """
    known = {bill.purchase_id: bill for bill in bills}
    chosen = known.get(chosen_id or 0)
    if chosen_id is None:
        chosen = next(
            (
                bill
                for bill in sorted(bills, key=lambda bill: (bill.day, bill.purchase_id))
                if terms.joined_on <= bill.day <= terms.buy_until and bill.kept >= terms.minimum
            ),
            None,
        )
        if chosen is None and today > terms.buy_until:
            return Verdict(stage=Stage.LAPSED, reason=f"No bill until {terms.buy_until}.")
        if chosen is None:
            return Verdict(stage=Stage.JOINED, reason=f"Waits for a bill until {terms.buy_until}.")
    if chosen is None or chosen.kept < terms.minimum:
        return Verdict(
            stage=Stage.CANCELLED, reason="The first bill was returned.", purchase_id=chosen_id
        )
    due_on = chosen.day + timedelta(days=terms.return_days + 1)
    if today < due_on:
        return Verdict(
            stage=Stage.BOUGHT,
            reason=f"Goods may come back until {due_on - timedelta(days=1)}.",
            purchase_id=chosen.purchase_id,
            due_on=due_on,
        )
    return Verdict(
        stage=Stage.REWARDED,
        reason="The first bill is final.",
        purchase_id=chosen.purchase_id,
        due_on=due_on,
    )
