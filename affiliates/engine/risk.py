"""What makes a commission doubtful: pure checks that say what they saw.

A check gets what is known of a bill and answers with its evidence, or None. Evidence holds plain
values for the sentence that staff read; no phone and no address ever stands in it.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Any

from affiliates.engine.emails import company_domain, domain_of, is_throwaway, normal_email

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
USUAL_DAYS = 28
_HOURS_OF_A_SHOP_DAY = 8

Evidence = dict[str, Any]


class Check(StrEnum):
    """What can be wrong with a commission."""

    OWN_PHONE = "own_phone"
    OWN_EMAIL = "own_email"
    SAME_DOMAIN = "same_domain"
    COMPANY_DOMAIN = "company_domain"
    THROWAWAY_MAIL = "throwaway_mail"
    OWN_DEVICE = "own_device"
    SHARED_DEVICE = "shared_device"
    SHARED_ACCOUNT = "shared_account"
    BANNED_REFERRER = "banned_referrer"
    PAID_CLICK = "paid_click"
    VELOCITY = "velocity"
    CIRCLE = "circle"
    CODE_LEAK = "code_leak"
    COUNTER_SHARE = "counter_share"
    LATE_RETURNS = "late_returns"
    RETURNED_AFTER_PAYOUT = "returned_after_payout"
    UNCHECKED = "unchecked"
    BY_HAND = "by_hand"


NOTES = frozenset({Check.RETURNED_AFTER_PAYOUT})
"""Remembered for later bills; they hold nothing themselves, the money has left already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the shop allows; counts unless said, `counter_share` in percent."""

    per_hour: int
    per_day: int
    usual_factor: int
    strangers: int
    counter_share: int
    counter_bills: int
    late_returns: int
    allows_paid_clicks: bool = False
    banned_referrers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A click that led to the bill; `visitor` is its keyed hash of address and browser."""

    visitor: str
    referrer: str = ""
    paid_parameters: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The affiliate's other bills at the time of this one; times include this bill.

    `usual` and `usual_strangers` are bills a day over the four weeks before. `counter_brought` of
    `counter_bills` bills at this counter were the affiliate's.
    """

    times: Sequence[datetime] = ()
    strangers: Sequence[datetime] = ()
    usual: Decimal = Decimal(0)
    usual_strangers: Decimal = Decimal(0)
    counter: str = ""
    counter_brought: int = 0
    counter_bills: int = 0
    buyers_at_domain: int = 0
    buyers_on_device: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a bill, its buyer, and the affiliate who would be paid.

    Phones are keyed hashes. `crowd` is None when the bill was compared with others before.
    """

    at: datetime
    buyer_phones: frozenset[str] = frozenset()
    buyer_email: str = ""
    affiliate_phones: frozenset[str] = frozenset()
    affiliate_emails: frozenset[str] = frozenset()
    affiliate_devices: frozenset[str] = frozenset()
    visits: Sequence[Visit] = ()
    shares_account_with: Sequence[str] = ()
    circle: Sequence[str] = ()
    late_returns: int = 0
    late_returns_of_buyer: int = 0
    paid_and_returned: Decimal = Decimal(0)
    crowd: Crowd | None = field(default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A check that objects, and what it saw."""

    check: Check
    evidence: Evidence


def screen(facts: Facts, limits: Limits) -> list[Found]:
    """Everything that is doubtful about a bill.

    Fails closed: a check that breaks is itself an objection.
    """
    found = []
    broken: list[str] = []
    for check, look in CHECKS.items():
        try:
            evidence = look(facts, limits)
        except Exception as error:  # noqa: BLE001 - what could not be checked is held, and says so
            broken.append(f"{check}: {type(error).__name__}")
        else:
            if evidence is not None:
                found.append(Found(check=check, evidence=evidence))
    return [*found, unchecked(*broken)] if broken else found


def unchecked(*causes: str) -> Found:
    """The objection of a check that could not be made."""
    return Found(check=Check.UNCHECKED, evidence={"causes": list(causes)})


# --- who the buyer is ---------------------------------------------------------------------------


def own_phone(facts: Facts, _: Limits) -> Evidence | None:
    return {} if facts.buyer_phones & facts.affiliate_phones else None


def own_email(facts: Facts, _: Limits) -> Evidence | None:
    own = {normal_email(email) for email in facts.affiliate_emails} - {""}
    return {} if normal_email(facts.buyer_email) in own else None


def same_domain(facts: Facts, limits: Limits) -> Evidence | None:
    own = {company_domain(email) for email in facts.affiliate_emails} - {""}
    if company_domain(facts.buyer_email) in own and own_email(facts, limits) is None:
        return {}
    return None


def company_mail(facts: Facts, _: Limits) -> Evidence | None:
    if facts.crowd is None or not facts.crowd.buyers_at_domain:
        return None
    return {"others": facts.crowd.buyers_at_domain}


def throwaway_mail(facts: Facts, _: Limits) -> Evidence | None:
    if is_throwaway(facts.buyer_email):
        return {"domain": domain_of(facts.buyer_email)}
    return None


def circle(facts: Facts, _: Limits) -> Evidence | None:
    return {"names": list(facts.circle)} if facts.circle else None


# --- how the buyer came -------------------------------------------------------------------------


def own_device(facts: Facts, _: Limits) -> Evidence | None:
    visitors = {visit.visitor for visit in facts.visits}
    return {} if visitors & facts.affiliate_devices else None


def shared_device(facts: Facts, _: Limits) -> Evidence | None:
    if facts.crowd is None or not facts.crowd.buyers_on_device:
        return None
    return {"others": facts.crowd.buyers_on_device}


def banned_referrer(facts: Facts, limits: Limits) -> Evidence | None:
    for visit in facts.visits:
        host = visit.referrer.casefold().strip(".")
        for banned in sorted(limits.banned_referrers):
            if host == banned or host.endswith(f".{banned}"):
                return {"site": host}
    return None


def paid_click(facts: Facts, limits: Limits) -> Evidence | None:
    signs = sorted({sign for visit in facts.visits for sign in visit.paid_parameters})
    return {"signs": signs} if signs and not limits.allows_paid_clicks else None


# --- how many, how fast, where ------------------------------------------------------------------


def velocity(facts: Facts, limits: Limits) -> Evidence | None:
    if facts.crowd is None:
        return None
    usual = facts.crowd.usual
    for span, name, most, pace in (
        (HOUR, "hour", limits.per_hour, usual / _HOURS_OF_A_SHOP_DAY),
        (DAY, "day", limits.per_day, usual),
    ):
        allowed = _allowed(most, pace, limits)
        bills = most_within(facts.crowd.times, facts.at, span)
        if bills > allowed:
            return {"span": name, "bills": bills, "allowed": allowed, "usual": _figure(usual)}
    return None


def code_leak(facts: Facts, limits: Limits) -> Evidence | None:
    if facts.crowd is None or facts.at not in facts.crowd.strangers:
        return None
    allowed = _allowed(limits.strangers, facts.crowd.usual_strangers, limits)
    bills = most_within(facts.crowd.strangers, facts.at, DAY)
    if bills <= allowed:
        return None
    return {"bills": bills, "allowed": allowed, "usual": _figure(facts.crowd.usual_strangers)}


def counter_share(facts: Facts, limits: Limits) -> Evidence | None:
    crowd = facts.crowd
    if crowd is None or crowd.counter_brought < limits.counter_bills:
        return None
    if crowd.counter_brought * 100 <= limits.counter_share * crowd.counter_bills:
        return None
    return {
        "counter": crowd.counter,
        "brought": crowd.counter_brought,
        "bills": crowd.counter_bills,
        "allowed": limits.counter_share,
    }


def _allowed(most: int, pace: Decimal, limits: Limits) -> int:
    """Bills that raise no question: the shop's figure, or more for who usually brings more."""
    return max(most, int((pace * limits.usual_factor).to_integral_value(ROUND_CEILING)))


def most_within(times: Sequence[datetime], at: datetime, span: timedelta) -> int:
    """The most times in any stretch of that length which holds `at`."""
    near = sorted(time for time in times if abs(time - at) < span)
    return max(
        (
            bisect_left(near, start + span) - place
            for place, start in enumerate(near)
            if start <= at < start + span
        ),
        default=0,
    )


def _figure(number: Decimal) -> str:
    return f"{number.quantize(Decimal('0.1')).normalize():f}"


# --- where the money goes -----------------------------------------------------------------------


def shared_account(facts: Facts, _: Limits) -> Evidence | None:
    return {"names": list(facts.shares_account_with)} if facts.shares_account_with else None


def late_returns(facts: Facts, limits: Limits) -> Evidence | None:
    if facts.late_returns_of_buyer:
        return {"of_buyer": facts.late_returns_of_buyer}
    if facts.late_returns >= limits.late_returns:
        return {"of_affiliate": facts.late_returns}
    return None


def returned_after_payout(facts: Facts, _: Limits) -> Evidence | None:
    return {"amount": str(facts.paid_and_returned)} if facts.paid_and_returned else None


CHECKS: Mapping[Check, Callable[[Facts, Limits], Evidence | None]] = {
    Check.OWN_PHONE: own_phone,
    Check.OWN_EMAIL: own_email,
    Check.SAME_DOMAIN: same_domain,
    Check.COMPANY_DOMAIN: company_mail,
    Check.THROWAWAY_MAIL: throwaway_mail,
    Check.OWN_DEVICE: own_device,
    Check.SHARED_DEVICE: shared_device,
    Check.SHARED_ACCOUNT: shared_account,
    Check.BANNED_REFERRER: banned_referrer,
    Check.PAID_CLICK: paid_click,
    Check.VELOCITY: velocity,
    Check.CIRCLE: circle,
    Check.CODE_LEAK: code_leak,
    Check.COUNTER_SHARE: counter_share,
    Check.LATE_RETURNS: late_returns,
    Check.RETURNED_AFTER_PAYOUT: returned_after_payout,
}
