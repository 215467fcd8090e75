"""From WhatsApp's status reports to one state, whatever the order in which they come.

Reports repeat and overtake each other; `delivered` is sometimes never sent because `read`
implies it, and both `delivered` and `failed` can arrive for one message.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Report(StrEnum):
    """A status that counts; other words are kept and change nothing."""

    SENT = "sent"
    FAILED = "failed"
    DELIVERED = "delivered"
    READ = "read"


_STRENGTH = (Report.READ, Report.DELIVERED, Report.FAILED, Report.SENT)
_ARRIVED = frozenset({Report.READ, Report.DELIVERED})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFact:
    """One report about one attempt; `at` is WhatsApp's own time."""

    status: str
    at: datetime
    error_code: int | None = None
    price_category: str = ""
    price_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """What is known of a message: the strongest report and when each stage was reached.

    `delivered_at` is taken from `read` where only that was told; the price counts once, from
    the earliest report that names one.
    """

    report: Report | None
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    failed_at: datetime | None
    is_conflicting: bool
    error_code: int | None
    price_category: str
    price_type: str

    @property
    def reported_at(self) -> datetime | None:
        """When the strongest report happened."""
        match self.report:
            case Report.READ:
                return self.read_at
            case Report.DELIVERED:
                return self.delivered_at
            case Report.FAILED:
                return self.failed_at
        return self.sent_at


def reduce_attempt(facts: Iterable[StatusFact]) -> Journey:
    """The journey of one attempt: read > delivered > failed > sent, in any order of arrival."""
    ordered = sorted(facts, key=lambda fact: (fact.at, fact.status))
    first: dict[str, StatusFact] = {}
    for fact in ordered:
        first.setdefault(fact.status, fact)
    at = {status: fact.at for status, fact in first.items()}
    read_at, failed_at = at.get(Report.READ), at.get(Report.FAILED)
    delivered_at = at.get(Report.DELIVERED, read_at)
    priced = next((fact for fact in ordered if fact.price_category or fact.price_type), None)
    failed = first.get(Report.FAILED)
    return Journey(
        report=next((report for report in _STRENGTH if report in first), None),
        sent_at=at.get(Report.SENT),
        delivered_at=delivered_at,
        read_at=read_at,
        failed_at=failed_at,
        is_conflicting=bool(failed_at and delivered_at),
        error_code=failed.error_code if failed else None,
        price_category=priced.price_category if priced else "",
        price_type=priced.price_type if priced else "",
    )


def reduce_message(attempts: Sequence[Journey], *, awaits_new_attempt: bool) -> Journey:
    """The journey of a message over its attempts, oldest first.

    Arrival of any attempt is arrival of the message. Failure is only the newest attempt's word,
    and not while the message waits for another try: `report` is None where the reports do not
    decide the state.
    """
    strongest = max(attempts, key=_rank)
    if strongest.report in _ARRIVED:
        return strongest
    newest = attempts[-1]
    if newest.report is Report.FAILED:
        return replace(newest, report=None) if awaits_new_attempt else newest
    return next((each for each in attempts if each.report is Report.SENT), newest)


def _rank(journey: Journey) -> int:
    return -_STRENGTH.index(journey.report) if journey.report else -len(_STRENGTH)
