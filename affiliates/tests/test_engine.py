from datetime import UTC, datetime
from typing import Any

import pytest

from affiliates.engine import (
    Bill,
    Candidate,
    Reason,
    Rung,
    attribute,
)

NOW = datetime(2026, 3, 10, tzinfo=UTC)
BILL = Bill(occurred_at=NOW, buyer_id=7)


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
            "person_id": 1,
            **fields,
        }
    )


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
        ({"person_id": 7}, Reason.OWN_PURCHASE),
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
    anonymous = Bill(occurred_at=NOW, buyer_id=None)
    stranger = make_candidate(person_id=None)
    assert attribute(anonymous, [stranger]).winner == stranger


def test_nobody_wins_without_candidates() -> None:
    assert attribute(BILL, []).winner is None
