"""Who brought bills: the rules, the touches, and every candidate with its reason."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from affiliates.engine import Reason, Rung, normal_code
from affiliates.errors import BillNotFoundError, CodeNotFoundError
from affiliates.models import AttributionPolicy, Click, Code, Conversion, ManualAttribution
from customers.models import Purchase

_REASONS = {
    Reason.WON: gettext_noop("Wins."),
    Reason.SPLIT: gettext_noop("Shares with the winner."),
    Reason.NOBODY: gettext_noop("Staff decided that nobody brought this bill."),
    Reason.WAY_OFF: gettext_noop("The shop does not count this way."),
    Reason.NOT_A_PERSON: gettext_noop("The click came from a preview or a robot."),
    Reason.NOT_APPROVED: gettext_noop("The affiliate is not approved."),
    Reason.NOT_ENROLLED: gettext_noop("The affiliate is no longer on the plan."),
    Reason.CODE_TOO_NEW: gettext_noop("The bill was made before the code existed."),
    Reason.BOUND_LATER: gettext_noop("The customer was bound after this bill."),
    Reason.BINDING_OVER: gettext_noop("The customer was no longer bound."),
    Reason.TOUCHED_LATER: gettext_noop("The bill was made before this happened."),
    Reason.WINDOW_OVER: gettext_noop("Too long before the bill; the plan's window was over."),
    Reason.NO_PLAN: gettext_noop("The plan did not pay yet when the bill was made."),
    Reason.OWN_PURCHASE: gettext_noop("The affiliate's own purchases do not earn."),
    Reason.SAME_AFFILIATE: gettext_noop("The same affiliate; one bill pays once."),
    Reason.LATER_CANDIDATE: gettext_noop("Another one came first; one bill pays one affiliate."),
}
_RUNGS = {
    Rung.MANUAL: gettext_noop("Decided by hand"),
    Rung.BINDING: gettext_noop("Brought the customer before"),
    Rung.CODE: gettext_noop("Code on the bill"),
    Rung.CLAIM: gettext_noop("Named in a chat or at the counter"),
    Rung.CLICK: gettext_noop("Click that a shop reported"),
    Rung.COOKIE: gettext_noop("Click remembered by the browser"),
}
WAYS = {rung: label for rung, label in _RUNGS.items() if rung != Rung.MANUAL}
"""What a shop can put in order: how somebody brings a bill, in the usual order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateView:
    """One candidate of a bill, as staff see it; `code` is what was seen, `at` when."""

    rung: str
    way: str
    affiliate: str
    code: str
    at: datetime | None
    won: bool
    why: str


def describe_candidates(conversion: Conversion) -> list[CandidateView]:
    """Every candidate of a bill in ladder order, and why it won or lost."""
    candidates: list[dict[str, Any]] = conversion.candidates
    return [
        CandidateView(
            rung=candidate["rung"],
            way=rung_label(candidate["rung"]),
            affiliate=candidate["affiliate"],
            code=candidate["code"],
            at=datetime.fromisoformat(candidate["at"]) if candidate.get("at") else None,
            won=candidate["reason"] in (Reason.WON, Reason.SPLIT),
            why=reason_text(Reason(candidate["reason"])),
        )
        for candidate in candidates
    ]


def reason_text(reason: Reason) -> str:
    """A reason as a sentence."""
    return _(_REASONS[reason])


def rung_label(rung: str) -> str:
    """A way as a heading."""
    return _(_RUNGS[Rung(rung)])


def manual_attributions(purchase: Purchase) -> list[ManualAttribution]:
    """What staff said of a bill, the newest first."""
    said = ManualAttribution.objects.filter(purchase=purchase)
    return list(said.select_related("decided_by", "enrolment__affiliate"))


def attribution_policy() -> AttributionPolicy:
    """The shop's rules; as they are shipped while nobody wrote others."""
    return AttributionPolicy.objects.order_by("pk").first() or AttributionPolicy()


def codes_by_text(texts: Iterable[str]) -> dict[str, Code]:
    """Affiliate codes among these texts, by their normal form; one query."""
    wanted = {normal_code(text) for text in texts} - {""}
    found = Code.objects.filter(text__in=wanted).select_related("enrolment__affiliate__customer")
    return {code.text: code for code in found}


def get_code(text: str) -> Code:
    """An affiliate's code in any spelling.

    Raises:
        CodeNotFoundError: nobody has this code.
    """
    found = codes_by_text([text]).get(normal_code(text))
    if found is None:
        raise CodeNotFoundError(text=text.strip()[:40])
    return found


def get_bill(purchase_id: int) -> Purchase:
    """A bill.

    Raises:
        BillNotFoundError: there is none with this id.
    """
    bill = Purchase.objects.filter(pk=purchase_id).first()
    if bill is None:
        raise BillNotFoundError()
    return bill


def clicks_by_id(public_ids: Collection[str]) -> dict[str, Click]:
    """The clicks that count for these ids: of a repeat within the hour the first; one query."""
    if not public_ids:
        return {}
    named = Click.objects.filter(public_id__in=set(public_ids)).select_related(
        "link__enrolment__affiliate", "first__link__enrolment__affiliate"
    )
    return {click.public_id: click.first or click for click in named}
