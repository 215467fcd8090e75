"""Why an entry has its points."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from loyalty.models import PointsEntry
from loyalty_site.common.money import format_money, format_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why an entry has its points: sentences for people, and the arithmetic that re-adds."""

    entry: PointsEntry
    sentences: Sequence[str]
    steps: Sequence[dict[str, Any]]


def explain_entry(entry: PointsEntry) -> Explanation:
    """The same explanation for staff, customer and API; reads nothing but the entry."""
    details = entry.details
    currency = entry.account.program.currency
    steps: list[dict[str, Any]] = list(details.get("steps", ()))
    sentences = [explain_step(step, currency) for step in steps]
    before, now = details.get("earned_before"), details.get("earns_now")
    if before:
        sentences.append(
            _("The bill earns %(now)s now and had earned %(before)s, so %(points)s.")
            % {
                "now": format_number(now),
                "before": format_number(before),
                "points": f"{entry.effect:+d}",
            }
        )
    if entry.requested != entry.effect:
        sentences.append(
            _("%(requested)s were asked for; %(points)s were possible.")
            % {"requested": f"{entry.requested:+d}", "points": f"{entry.effect:+d}"}
        )
    if entry.kind == PointsEntry.Kind.PEND:
        sentences.append(_("They cannot be used yet."))
    elif entry.pending and entry.kind == PointsEntry.Kind.CLAW_BACK:
        sentences.append(
            _("%(pending)s of them could not be used yet.") % {"pending": f"{-entry.pending:d}"}
        )
    if not sentences:
        sentences.append(entry.reason)
    return Explanation(entry=entry, sentences=sentences, steps=steps)


def explain_step(step: dict[str, Any], currency: str) -> str:
    """One rule's part of a bill, as a sentence."""
    if "skipped" in step:
        return _("%(rule)s: no points, %(reason)s.") % {
            "rule": step["name"],
            "reason": step["skipped"],
        }
    words = _STEPS.get(step.get("kind", "per_amount"), _once)(step, currency)
    sentence = _("%(rule)s: %(words)s") % {"rule": step["name"], "words": words}
    if "limit" in step:
        sentence += _("; %(points)s of them %(limit)s") % {
            "points": format_number(step["points"]),
            "limit": _LIMITS[step["limit"]](),
        }
    return f"{sentence}."


def _per_amount(step: dict[str, Any], currency: str) -> str:
    words = _("%(each)s for each %(amount)s on %(basis)s = %(points)s") % {
        "each": _points(step["points_each"]),
        "amount": format_money(Decimal(step["amount_each"]), currency),
        "basis": format_money(Decimal(step["basis"]), currency),
        "points": _points(_desired(step)),
    }
    return words + _rounding(step)


def _multiplier(step: dict[str, Any], currency: str) -> str:
    words = _("%(factor)s times %(basis)s points, so %(points)s more") % {
        "factor": _plain(step["factor"]),
        "basis": _plain(step["basis"]),
        "points": format_number(_desired(step)),
    }
    return words + _rounding(step)


def _per_product(step: dict[str, Any], currency: str) -> str:
    words = {
        "each": _points(step["points_each"]),
        "quantity": _plain(step["quantity"]),
        "points": _points(_desired(step)),
    }
    if Decimal(step["amount_each"]) == 1:
        return _("%(each)s for each of %(quantity)s articles = %(points)s") % words
    return _("%(each)s for every %(unit)s of %(quantity)s articles = %(points)s") % {
        **words,
        "unit": _plain(step["amount_each"]),
    }


def _once(step: dict[str, Any], currency: str) -> str:
    words = {
        "per_bill": _("for the bill"),
        "per_visit": _("for the visit"),
        "first_purchase": _("for this purchase"),
        "streak": _("for buying again and again"),
        "event": _("for the occasion"),
    }
    return f"{_points(_desired(step))} {words[step['kind']]}"


_STEPS = {
    "per_amount": _per_amount,
    "multiplier": _multiplier,
    "per_product": _per_product,
}
_LIMITS = {
    "per_bill": lambda: _("count, the most for one bill"),
    "per_customer": lambda: _("count, since the customer reached the rule's limit"),
    "times": lambda: _("count, since the customer had it as often as it is given"),
    "budget": lambda: _("count, since the rule's budget is used up"),
}


def _desired(step: dict[str, Any]) -> int:
    return int(step.get("desired", step["points"]))


def _rounding(step: dict[str, Any]) -> str:
    if Decimal(step["exact"]) == _desired(step):
        return ""
    return _(" (%(exact)s, rounded %(way)s)") % {
        "exact": _plain(step["exact"]),
        "way": {"floor": _("down"), "ceiling": _("up"), "half_up": _("to the nearest")}[
            step["rounding"]
        ],
    }


def _plain(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def _points(count: int) -> str:
    return _("1 point") if count == 1 else _("%s points") % format_number(count)
