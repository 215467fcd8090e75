"""Why commissions have their amounts: sentences for staff, affiliates and integrators."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from affiliates.engine import Kind
from affiliates.models import CommissionEntry, Conversion
from loyalty_site.common.money import format_money, format_number

Figures = Mapping[str, Any]

PERIODS = {
    "day": gettext_noop("a day"),
    "week": gettext_noop("a week"),
    "month": gettext_noop("a month"),
    "year": gettext_noop("a year"),
    "ever": gettext_noop("in all"),
}
_REFUSALS = {
    "customer_new": gettext_noop("The plan pays nothing for new customers."),
    "customer_lapsed": gettext_noop("Existing member since %(since)s; the plan pays nothing for"
                                    " customers who come back."),
    "customer_active": gettext_noop("Existing member since %(since)s; the plan pays nothing for"
                                    " customers the shop has already."),
    "customer_unknown": gettext_noop("The bill has no customer, so the plan cannot tell whether it"
                                     " pays; it is looked at again when somebody claims it."),
    "not_first": gettext_noop("The plan pays only the first order of a customer."),
    "too_late": gettext_noop("The months in which the plan pays for this customer are over."),
}  # fmt: skip


def explain_entry(entry: CommissionEntry) -> Sequence[str]:
    """Why a commission has its amount, whatever kind it is."""
    figures: Figures = entry.explanation
    if entry.conversion is not None:
        return list(_of_bill(entry.conversion, figures, entry.amount, entry.currency))
    if entry.kind == CommissionEntry.Kind.TIER:
        return list(_of_tier(figures, entry.currency, entry.amount))
    if entry.kind == CommissionEntry.Kind.GOAL:
        return list(_of_goal(figures, entry.currency, entry.amount))
    return list(_by_hand(figures))


def explain_shares(conversion: Conversion) -> list[tuple[int, Sequence[str]]]:
    """What a bill pays to each enrolment now, also where that is nothing, and why."""
    currency = conversion.purchase.currency
    return [
        (share["enrolment_id"], list(explain_figures(share["paid"], currency)))
        for share in conversion.shares
        if share.get("paid")
    ]


def explain_figures(figures: Figures, currency: str) -> Iterator[str]:
    """How the amount of a share came about."""
    if figures.get("refusal"):
        since = figures.get("since")
        words = {"since": _day(since)} if since else {"since": "-"}
        yield _(_REFUSALS[figures["refusal"]]) % words
        return
    if figures.get("role") == "parent":
        yield _("%(recruit)s, whom you recruited, earned %(amount)s; you get %(percent)s %%.") % {
            "recruit": figures["recruit"],
            "amount": _money(figures["recruit_earned"], currency),
            "percent": _number(figures["percent"]),
        }  # fmt: skip
        return
    yield from _rates(figures, currency)
    if Decimal(figures.get("percent", "100")) != 100:
        yield _("Your share of the bill is %(percent)s %%.") % {
            "percent": _number(figures["percent"])
        }
    if cap := figures.get("cap"):
        yield _("It would be %(desired)s; the plan pays at most %(most)s %(period)s, of which"
                " %(left)s was left.") % {
            "desired": _money(figures["desired"], currency),
            "most": _money(cap["amount"], currency),
            "period": _(PERIODS[cap["period"]]),
            "left": _money(cap["left"], currency),
        }  # fmt: skip


def _of_bill(
    conversion: Conversion, figures: Figures, amount: Decimal, currency: str
) -> Iterator[str]:
    yield _("Bill %(bill)s, %(amount)s net of tax and discount.") % {
        "bill": conversion.purchase.number,
        "amount": _money(figures["sale_net"], currency),
    }
    if Decimal(figures["returned_net"]):
        yield _("Goods for %(returned)s came back, so %(kept)s count.") % {
            "returned": _money(figures["returned_net"], currency),
            "kept": _money(figures["remaining_net"], currency),
        }
    match figures["cause"]:
        case "cancelled":
            yield _("The bill was cancelled.")
        case "lost":
            yield _("The bill was corrected; it no longer counts for you.")
        case "refused":
            yield _("The shop looked at this bill and does not pay for it: %(reason)s") % {
                "reason": figures.get("review_reason", "")
            }
        case "by_hand":
            yield _("The shop granted a commission for this bill by hand instead.")
        case _ if not Decimal(figures["remaining_net"]):
            yield _("Nothing is left that pays.")
        case _:
            yield from explain_figures(figures, currency)
    if Decimal(figures["credited_before"]):
        yield _("%(before)s was credited before, so %(amount)s now.") % {
            "before": _money(figures["credited_before"], currency),
            "amount": format_money(amount, currency),
        }


def _rates(figures: Figures, currency: str) -> Iterator[str]:
    plan, steps = figures["plan"], figures.get("steps", ())
    if len(steps) > 1:
        for step in steps:
            yield _step(plan, step, currency, _money(step["exact"], currency))
        yield _("Together that is %(amount)s.") % {
            "amount": _money(figures.get("desired", figures["earned"]), currency)
        }
    elif steps:
        amount = _money(figures.get("desired", figures["earned"]), currency)
        yield _step(plan, steps[0], currency, amount)
    elif Decimal(figures["earned"]) or Decimal(figures["exact"]):
        # Entries from before bills were taken apart by article.
        yield _percent(plan, figures["rate"], figures["kind"], currency, figures["earned"])
    else:
        yield _("%(plan)s pays nothing for what is left of the bill.") % {"plan": plan}


def _percent(plan: str, rate: str, kind: str, currency: str, earned: str) -> str:
    if kind == Kind.FIXED:
        return _("%(plan)s pays %(earned)s a bill.") % {
            "plan": plan,
            "earned": _money(earned, currency),
        }
    return _("%(plan)s pays %(rate)s %%, that is %(earned)s.") % {
        "plan": plan,
        "rate": _number(rate),
        "earned": _money(earned, currency),
    }


def _step(plan: str, step: Figures, currency: str, amount: str) -> str:
    words = {
        "plan": plan,
        "rule": step["rule"],
        "rate": _number(step["rate"]),
        "money": _money(step["rate"], currency),
        "earned": amount,
        "basis": _money(step["basis"], currency),
        "quantity": _number(step["quantity"]),
        "above": _number(step["above"]) if step["above"] else "",
    }
    if step["kind"] == Kind.PERCENT:
        if step["rule"]:
            text = _("%(plan)s pays %(rate)s %% of %(basis)s for “%(rule)s”, that is %(earned)s.")
        elif step["above"]:
            text = _("%(plan)s pays %(rate)s %% of %(basis)s from %(above)s on in the period, that"
                     " is %(earned)s.")  # fmt: skip
        else:
            text = _("%(plan)s pays %(rate)s %%, that is %(earned)s.")
    elif step["per"] == "piece":
        text = (
            _("%(plan)s pays %(money)s each for %(quantity)s pieces of “%(rule)s”, that is"
              " %(earned)s.")
            if step["rule"]
            else _("%(plan)s pays %(money)s each for %(quantity)s pieces, that is %(earned)s.")
        )  # fmt: skip
    elif step["rule"]:
        text = _("%(plan)s pays %(money)s a bill for “%(rule)s”.")
    else:
        text = _("%(plan)s pays %(money)s a bill.")
    return text % words


def _of_tier(figures: Figures, currency: str, amount: Decimal) -> Iterator[str]:
    total = (
        _money(figures["total"], currency)
        if figures["by"] == "net"
        else _("%(count)s bills") % {"count": _number(figures["total"])}
    )
    rate = (
        _("%(rate)s %%") % {"rate": _number(figures["rate"])}
        if figures["kind"] == Kind.PERCENT
        else _money(figures["rate"], currency)
    )
    words = {
        "plan": figures["plan"],
        "day": _day(figures["day"]),
        "total": total,
        "rate": rate,
        "amount": format_money(abs(amount), currency),
    }
    if amount > 0:
        yield _("You brought %(total)s in the period from %(day)s, so %(plan)s pays %(rate)s for"
                " all of it: %(amount)s more.") % words  # fmt: skip
    else:
        yield _("After returns %(total)s are left of the period from %(day)s, so %(plan)s pays"
                " %(rate)s for it: %(amount)s less.") % words  # fmt: skip


def _of_goal(figures: Figures, currency: str, amount: Decimal) -> Iterator[str]:
    is_net = figures["by"] == "net"
    goal = (
        _money(figures["threshold"], currency)
        if is_net
        else _("%(count)s bills") % {"count": _number(figures["threshold"])}
    )
    words = {
        "goal": goal,
        "day": _day(figures["day"]),
        "plan": figures["plan"],
        "amount": format_money(abs(amount), currency),
    }
    if amount > 0:
        yield _("Goal reached: %(goal)s in the period from %(day)s. %(plan)s pays a bonus of"
                " %(amount)s.") % words  # fmt: skip
        if Decimal(figures["earned"]) < Decimal(figures["bonus"]):
            yield _("The bonus is %(bonus)s, but the plan's limit left no more.") % {
                "bonus": _money(figures["bonus"], currency)
            }
    else:
        yield _("Goods came back, so the goal of %(goal)s in the period from %(day)s is no longer"
                " reached: the bonus of %(amount)s is taken back.") % words  # fmt: skip


def _by_hand(figures: Figures) -> Iterator[str]:
    yield str(figures.get("reason", ""))
    if bill := figures.get("bill"):
        yield _("It is for bill %(bill)s.") % {"bill": bill}


def _money(text: str, currency: str) -> str:
    return format_money(abs(Decimal(text)), currency)


def _number(text: str) -> str:
    return format_number(Decimal(text))


def _day(text: str) -> str:
    return date_format(date.fromisoformat(text), "DATE_FORMAT")
