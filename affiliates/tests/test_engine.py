from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiliates.engine import (
    Bill,
    Candidate,
    Kind,
    Party,
    Reason,
    Rung,
    Terms,
    attribute,
    commission,
    correction,
)

NOW = datetime(2026, 3, 10, tzinfo=UTC)
BUYER = Party(customer_id=7, phone="+447700900001", email="ravi@example.com")
BILL = Bill(occurred_at=NOW, buyer=BUYER)


def make_candidate(**fields: Any) -> Candidate:
    return Candidate(
        **{
            "rung": Rung.CODE,
            "code": "ASHA10",
            "enrolment_id": 1,
            "affiliate_id": 1,
            "is_approved": True,
            "is_enrolled": True,
            "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
            "plan_version_id": 1,
            "party": Party(customer_id=1, phone="+447700900009", email="asha@example.com"),
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("rate", "sale", "earns"),
    [("20", 3, 1), ("20", 2, 0), ("20", 7, 1), ("10", 15, 2), ("2.9", 500, 15), ("50", 1, 1)],
)
def test_case_1_a_percentage_rounds_half_up_on_minor_units(
    rate: str, sale: int, earns: int
) -> None:
    terms = Terms(kind=Kind.PERCENT, rate=Decimal(rate))
    assert commission(terms, Decimal(sale) / 100).amount == Decimal(earns) / 100


def test_a_fixed_amount_is_earned_while_anything_is_kept() -> None:
    terms = Terms(kind=Kind.FIXED, rate=Decimal("50"))
    assert commission(terms, Decimal("0.01")).amount == Decimal("50.00")
    assert commission(terms, Decimal("0.00")).amount == Decimal("0.00")


def test_the_unrounded_figure_is_kept_for_the_explanation() -> None:
    paid = commission(Terms(kind=Kind.PERCENT, rate=Decimal("2.9")), Decimal("5.05"))
    assert (paid.exact, paid.amount) == (Decimal("0.14645"), Decimal("0.15"))


def test_case_13_a_refund_takes_back_exactly_what_was_credited() -> None:
    terms = Terms(kind=Kind.PERCENT, rate=Decimal("30"))
    credited = commission(terms, Decimal("49.00")).amount
    assert credited == Decimal("14.70")
    nothing_kept = commission(terms, Decimal("0.00")).amount
    assert correction(credited=credited, earned=nothing_kept) == Decimal("-14.70")
    assert correction(credited=Decimal("0.00"), earned=nothing_kept) == 0


@given(
    rate=st.decimals("0.01", "100", places=2),
    paise=st.integers(1, 10_000_000),
    shares=st.lists(st.integers(0, 100), max_size=8),
)
def test_any_split_of_returns_ends_at_the_commission_on_what_is_kept(
    rate: Decimal, paise: int, shares: list[int]
) -> None:
    terms = Terms(kind=Kind.PERCENT, rate=rate)
    kept = paise
    credited = Decimal(0)
    for share in [0, *shares]:
        kept -= kept * share // 100
        earned = commission(terms, Decimal(kept) / 100).amount
        credited += correction(credited=credited, earned=earned)
    exact = Decimal(kept) / 100 * rate / 100
    assert credited == exact.quantize(Decimal("0.01"), ROUND_HALF_UP)


def test_the_first_eligible_candidate_wins_and_the_next_learns_why_not() -> None:
    first = make_candidate()
    second = make_candidate(code="RAVI5", enrolment_id=2, affiliate_id=2)
    attribution = attribute(BILL, [first, second])
    assert attribution.winner == first
    assert [verdict.reason for verdict in attribution.verdicts] == [
        Reason.WON,
        Reason.LATER_CANDIDATE,
    ]


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ({"is_approved": False}, Reason.NOT_APPROVED),
        ({"is_enrolled": False}, Reason.NOT_ENROLLED),
        ({"valid_from": datetime(2026, 3, 11, tzinfo=UTC)}, Reason.CODE_TOO_NEW),
        ({"plan_version_id": None}, Reason.NO_PLAN),
        ({"party": Party(customer_id=7)}, Reason.OWN_PURCHASE),
    ],
)
def test_an_ineligible_candidate_is_skipped_and_the_next_one_wins(
    flaw: dict[str, Any], reason: Reason
) -> None:
    sound = make_candidate(code="SOUND", enrolment_id=2)
    attribution = attribute(BILL, [make_candidate(**flaw), sound])
    assert attribution.winner == sound
    assert attribution.verdicts[0].reason == reason


def test_unknown_buyers_and_affiliates_are_not_taken_for_one_person() -> None:
    anonymous = Bill(occurred_at=NOW, buyer=Party(customer_id=None))
    stranger = make_candidate(party=Party(customer_id=None))
    assert attribute(anonymous, [stranger]).winner == stranger


def test_nobody_wins_without_candidates() -> None:
    assert attribute(BILL, []).winner is None
