"""Each check alone: what it holds, and what it leaves alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest

from affiliates.engine import risk
from affiliates.engine.emails import company_domain, is_throwaway, normal_email
from affiliates.engine.risk import Check, Crowd, Facts, Limits, Visit, most_within, screen

AT = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
LIMITS = Limits(
    per_hour=3,
    per_day=6,
    usual_factor=2,
    strangers=3,
    counter_share=30,
    counter_bills=10,
    late_returns=3,
    banned_referrers=frozenset({"coupons.example"}),
)


def found(*, limits: Limits = LIMITS, **facts: Any) -> dict[Check, dict[str, Any]]:
    return {one.check: one.evidence for one in screen(Facts(at=AT, **facts), limits)}


def every(minutes: int, count: int) -> list[datetime]:
    """Times up to the bill, itself included."""
    return [AT - timedelta(minutes=minutes * step) for step in range(count)]


def crowd(**facts: Any) -> dict[str, Any]:
    return {"crowd": Crowd(**facts)}


ASHA = frozenset({"asha@shop.in"})

OBJECTIONS: list[tuple[Check, dict[str, Any], dict[str, Any]]] = [
    (
        Check.OWN_PHONE,
        {"buyer_phones": frozenset({"a"}), "affiliate_phones": frozenset({"a", "b"})},
        {"buyer_phones": frozenset({"c"}), "affiliate_phones": frozenset({"a", "b"})},
    ),
    (
        Check.OWN_EMAIL,
        {"buyer_email": "Asha+x@Shop.in", "affiliate_emails": ASHA},
        {"buyer_email": "asha2@elsewhere.in", "affiliate_emails": ASHA},
    ),
    (
        Check.SAME_DOMAIN,
        {"buyer_email": "ravi@shop.in", "affiliate_emails": ASHA},
        {"buyer_email": "ravi@gmail.com", "affiliate_emails": frozenset({"asha@gmail.com"})},
    ),
    (
        Check.COMPANY_DOMAIN,
        crowd(buyers_at_domain=1),
        crowd(buyers_at_domain=0),
    ),
    (
        Check.THROWAWAY_MAIL,
        {"buyer_email": "x@mailinator.com"},
        {"buyer_email": "x@gmail.com"},
    ),
    (
        Check.OWN_DEVICE,
        {"visits": [Visit(visitor="v")], "affiliate_devices": frozenset({"v"})},
        {"visits": [Visit(visitor="w")], "affiliate_devices": frozenset({"v"})},
    ),
    (Check.SHARED_DEVICE, crowd(buyers_on_device=1), crowd()),
    (Check.SHARED_ACCOUNT, {"shares_account_with": ["Ravi"]}, {}),
    (
        Check.BANNED_REFERRER,
        {"visits": [Visit(visitor="v", referrer="www.Coupons.example")]},
        {"visits": [Visit(visitor="v", referrer="mycoupons.example")]},
    ),
    (
        Check.PAID_CLICK,
        {"visits": [Visit(visitor="v", paid_parameters=["gclid"])]},
        {"visits": [Visit(visitor="v")]},
    ),
    (Check.VELOCITY, crowd(times=every(10, 4)), crowd(times=every(30, 4))),
    (Check.VELOCITY, crowd(times=every(120, 7)), crowd(times=every(120, 6))),
    (Check.CIRCLE, {"circle": ["Asha", "Ravi", "Asha"]}, {}),
    (Check.CODE_LEAK, crowd(strangers=every(30, 4)), crowd(strangers=every(30, 3))),
    (
        Check.COUNTER_SHARE,
        crowd(counter="S1", counter_brought=10, counter_bills=33),
        crowd(counter="S1", counter_brought=10, counter_bills=34),
    ),
    (
        Check.COUNTER_SHARE,
        crowd(counter="S1", counter_brought=10, counter_bills=10),
        crowd(counter="S1", counter_brought=9, counter_bills=9),
    ),
    (Check.LATE_RETURNS, {"late_returns_of_buyer": 1}, {"late_returns": 2}),
    (Check.LATE_RETURNS, {"late_returns": 3}, {"late_returns": 2}),
    (Check.RETURNED_AFTER_PAYOUT, {"paid_and_returned": Decimal("5.00")}, {}),
]


@pytest.mark.parametrize(("check", "odd", "plain"), OBJECTIONS)
def test_a_check_objects_to_what_is_odd_only(
    check: Check, odd: dict[str, Any], plain: dict[str, Any]
) -> None:
    assert check in found(**odd)
    assert not found(**plain)


def test_every_check_is_tried_here() -> None:
    assert {check for check, _, _ in OBJECTIONS} == set(risk.CHECKS)
    assert set(risk.CHECKS) | {Check.UNCHECKED, Check.BY_HAND} == set(Check)


def test_a_plain_bill_raises_nothing() -> None:
    assert found() == {}


def test_who_usually_brings_many_may_bring_many() -> None:
    busy = crowd(times=every(10, 6), usual=Decimal(30))
    assert Check.VELOCITY not in found(**busy)
    assert Check.VELOCITY in found(**crowd(times=every(10, 6), usual=Decimal(2)))
    leak = {"strangers": every(30, 8), "usual_strangers": Decimal(4)}
    assert Check.CODE_LEAK not in found(**crowd(**leak))


def test_paid_clicks_are_the_shops_choice() -> None:
    visits = [Visit(visitor="v", paid_parameters=["gclid"])]
    allowed = Limits(**{name: getattr(LIMITS, name) for name in LIMITS.__slots__}
                     | {"allows_paid_clicks": True})  # fmt: skip
    assert found(limits=allowed, visits=visits) == {}


def test_a_check_that_breaks_holds_the_bill_and_the_others_still_speak() -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    checks: dict[Check, Callable[..., Any]] = {**risk.CHECKS, Check.CIRCLE: broken}
    with mock.patch.object(risk, "CHECKS", checks):
        objections = found(shares_account_with=["Ravi"])
    assert objections == {
        Check.SHARED_ACCOUNT: {"names": ["Ravi"]},
        Check.UNCHECKED: {"causes": ["circle: ZeroDivisionError"]},
    }


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (" Asha.Rao+Offers@GMail.com ", "asharao@gmail.com"),
        ("asha.rao@googlemail.com", "asharao@gmail.com"),
        ("asha.rao+x@shop.in", "asha.rao@shop.in"),
        ("+only@shop.in", "+only@shop.in"),
        ("asha@shop.in.", "asha@shop.in"),
        ("no address", ""),
        ("@shop.in", ""),
        ("", ""),
    ],
)
def test_addresses_have_one_normal_form(text: str, normal: str) -> None:
    assert normal_email(text) == normal


def test_domains_say_whose_they_are() -> None:
    assert is_throwaway("x@mailinator.com") and is_throwaway("x@deep.below.mailinator.com")
    assert not is_throwaway("x@mailinator.com.shop.in") and not is_throwaway("")
    assert company_domain("x@Acme.com") == "acme.com"
    assert [company_domain(f"x@{one}") for one in ("gmail.com", "mailinator.com")] == ["", ""]


def test_the_most_within_a_stretch_counts_around_the_time() -> None:
    hour = timedelta(hours=1)
    after = [AT + timedelta(minutes=minutes) for minutes in (0, 30, 59)]
    assert most_within(after, AT, hour) == 3
    assert most_within([*after, AT - timedelta(minutes=31)], AT, hour) == 3
    assert most_within([AT, AT + hour], AT, hour) == 1
    assert most_within([], AT, hour) == 0
