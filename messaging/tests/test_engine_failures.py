"""What each error code means, and what becomes of the message."""

from datetime import timedelta

import pytest

from messaging.engine.failures import Decision, Verdict, classify, decide
from messaging.errors import FailureKind as Kind

# Source: section 1.5 of the WhatsApp contract, code by code.
CODES = [
    *((code, Kind.TRANSIENT) for code in (1, 2, 131000, 131016, 131057, 133004)),
    (130429, Kind.THROTTLE_NUMBER),
    *((code, Kind.THROTTLE_ACCOUNT) for code in (4, 613, 80007, 134101)),
    (131056, Kind.THROTTLE_PAIR),
    *((code, Kind.ACCOUNT_STOPPED) for code in (131048, 131064)),
    *((code, Kind.LATER) for code in (131049, 130472)),
    (131047, Kind.WINDOW_CLOSED),
    (131050, Kind.OPTED_OUT),
    *((code, Kind.UNREACHABLE) for code in (131026, 131021, 131030, 130497, 137000, 131062)),
    *((code, Kind.TEMPLATE_BLOCKED) for code in (132001, 132007, 132015, 132016)),
    *(
        (code, Kind.TEMPLATE_MISMATCH)
        for code in (132000, 132005, 132008, 132012, 132068, 132069, 131063, 134100, 134102)
    ),
    *(
        (code, Kind.OUR_FAULT)
        for code in (33, 100, 131008, 131009, 131051, 131052, 131053, 131055, 135000)
    ),
    *((code, Kind.AUTHENTICATION) for code in (0, 3, 10, 190, 200, 210, 299, 131005)),
    *(
        (code, Kind.ACCOUNT_STOPPED)
        for code in (368, 131031, 131042, 131037, 131045, 133010, 133006, 133016)
    ),
    (999999, Kind.UNKNOWN),
    (-5, Kind.UNKNOWN),
]


@pytest.mark.parametrize(("code", "kind"), CODES)
@pytest.mark.parametrize("http_status", [200, 400, 401, 403, 500, 503])
def test_the_code_decides_whatever_the_http_status(code: int, kind: Kind, http_status: int) -> None:
    assert classify(code=code, http_status=http_status) is kind


@pytest.mark.parametrize(
    ("http_status", "kind"),
    [
        (200, Kind.AMBIGUOUS),
        (302, Kind.TRANSIENT),
        (400, Kind.OUR_FAULT),
        (401, Kind.AUTHENTICATION),
        (403, Kind.AUTHENTICATION),
        (404, Kind.OUR_FAULT),
        (429, Kind.THROTTLE_NUMBER),
        (500, Kind.AMBIGUOUS),
        (502, Kind.AMBIGUOUS),
        (504, Kind.AMBIGUOUS),
    ],
)
def test_without_a_code_the_http_status_decides(http_status: int, kind: Kind) -> None:
    assert classify(code=None, http_status=http_status) is kind


def test_too_many_requests_throttle_whatever_the_code() -> None:
    assert classify(code=131026, http_status=429) is Kind.THROTTLE_NUMBER


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_comes_to_an_end_or_waits_without_using_a_try(kind: Kind) -> None:
    decisions = [decide(kind=kind, code=None, tries=tries) for tries in range(1, 8)]
    assert decisions[-1].verdict is not Verdict.REPEAT or not decisions[-1].counts


def test_a_lost_answer_is_never_repeated() -> None:
    decision = decide(kind=Kind.AMBIGUOUS, code=None, tries=1)
    assert decision == Decision(verdict=Verdict.UNCONFIRMED)


def test_trouble_that_passes_is_tried_six_times_with_growing_pauses() -> None:
    decisions = [decide(kind=Kind.TRANSIENT, code=131000, tries=tries) for tries in range(1, 7)]
    assert [each.verdict for each in decisions] == [Verdict.REPEAT] * 5 + [Verdict.GIVE_UP]
    assert [each.pause.total_seconds() for each in decisions[:5]] == [2, 4, 8, 16, 32]


def test_an_unknown_error_of_whatsapp_is_tried_twice() -> None:
    verdicts = [decide(kind=Kind.TRANSIENT, code=1, tries=tries).verdict for tries in (1, 2)]
    assert verdicts == [Verdict.REPEAT, Verdict.GIVE_UP]


def test_pair_throttles_wait_four_to_the_power_of_the_try() -> None:
    pauses = [
        decide(kind=Kind.THROTTLE_PAIR, code=131056, tries=tries).pause for tries in (1, 2, 3)
    ]
    assert [pause.total_seconds() for pause in pauses] == [1, 4, 16]


def test_a_throttled_number_closes_and_uses_no_try() -> None:
    decision = decide(kind=Kind.THROTTLE_NUMBER, code=130429, tries=6)
    assert (decision.verdict, decision.counts) == (Verdict.REPEAT, False)
    assert decision.closes_number_for > timedelta(0)


@pytest.mark.parametrize("kind", [Kind.AUTHENTICATION, Kind.ACCOUNT_STOPPED])
def test_a_refused_account_stops_the_number_and_keeps_the_message(kind: Kind) -> None:
    decision = decide(kind=kind, code=190, tries=6)
    assert (decision.verdict, decision.counts) == (Verdict.REPEAT, False)
    assert decision.stops_channel


def test_a_customer_capped_by_whatsapp_is_tried_again_after_a_day_three_times_in_all() -> None:
    decisions = [decide(kind=Kind.LATER, code=131049, tries=tries) for tries in (1, 2, 3)]
    assert [each.verdict for each in decisions] == [*[Verdict.REPEAT] * 2, Verdict.GIVE_UP]
    assert decisions[0].pause == timedelta(hours=24)


@pytest.mark.parametrize(
    "kind",
    [Kind.UNREACHABLE, Kind.OUR_FAULT, Kind.TEMPLATE_MISMATCH, Kind.WINDOW_CLOSED, Kind.UNKNOWN],
)
def test_what_another_try_cannot_mend_is_given_up_at_once(kind: Kind) -> None:
    assert decide(kind=kind, code=None, tries=1).verdict is Verdict.GIVE_UP


def test_a_paused_template_is_held_back_for_everyone() -> None:
    decision = decide(kind=Kind.TEMPLATE_BLOCKED, code=132015, tries=1)
    assert (decision.verdict, decision.blocks_template) == (Verdict.REPEAT, True)
