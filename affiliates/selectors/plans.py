"""What plans say, in words."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from affiliates.engine import CustomerKind, Kind, Measure, Per, Rule, Terms, TierMode
from affiliates.selectors.explanations import PERIODS
from loyalty_site.common.money import format_money, format_number

_CUSTOMERS = {
    CustomerKind.NEW: gettext_noop("new customers"),
    CustomerKind.LAPSED: gettext_noop("customers who come back"),
    CustomerKind.ACTIVE: gettext_noop("existing customers"),
    CustomerKind.UNKNOWN: gettext_noop("bills without a customer"),
}
_MODES = {
    TierMode.NEXT_ORDER: gettext_noop("for the bills after that"),
    TierMode.MARGINAL: gettext_noop("for the part above"),
    TierMode.RETROACTIVE: gettext_noop("for the whole period"),
}


def describe_terms(terms: Terms, currency: str) -> list[str]:
    """What a plan pays: one sentence for each thing that it says."""
    return list(_sentences(terms, currency))


def describe_draft(written: Mapping[str, Any], currency: str) -> list[str]:
    """What a draft or a version pays, from its written form, with its days.

    Raises:
        InvalidTermsError: it is not complete.
    """
    terms = Terms.read(kind=written["kind"], rate=Decimal(written["rate"]), terms=written["terms"])
    return [*_sentences(terms, currency), *_days(written)]


def describe_rate(terms: Terms, currency: str) -> str:
    """The usual rate, in a few words."""
    rate = _rate(terms.kind, terms.rate, currency)
    if terms.kind is Kind.PERCENT:
        return _("%(rate)s of net") % {"rate": rate}
    if terms.per is Per.PIECE:
        return _("%(rate)s a piece") % {"rate": rate}
    return _("%(rate)s a bill") % {"rate": rate}


def _sentences(terms: Terms, currency: str) -> Iterator[str]:
    def rate(number: Decimal) -> str:
        return _rate(terms.kind, number, currency)

    yield _("Pays %(rate)s, after tax, discount and shipping are taken off.") % {
        "rate": describe_rate(terms, currency)
    }
    for kind, number in terms.customer_rates.items():
        customers = _(_CUSTOMERS[kind])
        if number:
            yield _("For %(customers)s it is %(rate)s.") % {
                "customers": customers,
                "rate": rate(number),
            }
        else:
            yield _("Nothing is paid for %(customers)s.") % {"customers": customers}
    if terms.customer_rates.keys() & {CustomerKind.LAPSED}:
        yield _("Who bought nothing for %(days)s days counts as coming back.") % {
            "days": format_number(terms.lapsed_days)
        }
    if terms.first_order_only:
        yield _("Only the first order of a customer pays.")
    if terms.recurring_months:
        yield _("Orders of a customer pay for %(months)s months from the first one.") % {
            "months": terms.recurring_months
        }
    for rule in terms.rules:
        yield _rule(rule, currency)
    if terms.goods.excluded_categories or terms.goods.excluded_products:
        names = sorted(terms.goods.excluded_categories | terms.goods.excluded_products)
        yield _("These never count: %(names)s.") % {"names": ", ".join(names)}
    if terms.tiers is not None:
        steps = ", ".join(
            _("%(rate)s from %(from)s on")
            % {
                "rate": rate(step.rate),
                "from": _measured(terms.tiers.by, step.threshold, currency),
            }
            for step in terms.tiers.steps
        )
        yield _("Who brings more %(period)s gets %(steps)s, %(mode)s.") % {
            "period": _(PERIODS[terms.tiers.period]),
            "steps": steps,
            "mode": _(_MODES[terms.tiers.mode]),
        }
    if terms.cap is not None:
        yield _("At most %(amount)s %(period)s.") % {
            "amount": format_money(terms.cap.amount, currency),
            "period": _(PERIODS[terms.cap.period]),
        }
    for goal in terms.goals:
        yield _("Whoever brings %(goal)s %(period)s gets a bonus of %(bonus)s.") % {
            "goal": _measured(goal.by, goal.threshold, currency),
            "period": _(PERIODS[goal.period]),
            "bonus": format_money(goal.bonus, currency),
        }
    if terms.parent_percent is not None:
        yield _("Who recruited the affiliate gets %(percent)s %% of the commission.") % {
            "percent": format_number(terms.parent_percent)
        }


def _days(written: Mapping[str, Any]) -> Iterator[str]:
    yield _("Commission waits %(days)s days for returns.") % {"days": written["hold_days"]}
    yield _("A click or a claimed code counts for %(days)s days.") % {
        "days": written["window_days"]
    }
    bind = written["bind_days"]
    if bind is None:
        yield _("Later bills count for who brought the first one, for ever.")
    elif bind:
        yield _("Later bills count for who brought the first one, for %(days)s days.") % {
            "days": bind
        }


def _rule(rule: Rule, currency: str) -> str:
    parts = [_rate(rule.kind, rule.rate, currency)]
    if rule.kind is Kind.FIXED:
        parts.append(_("a piece") if rule.per is Per.PIECE else _("a bill"))
    goods, when = rule.goods, rule.conditions
    only = sorted(goods.categories | goods.brands | goods.products)
    never = sorted(goods.excluded_categories | goods.excluded_brands | goods.excluded_products)
    if only:
        parts.append(_("on %(names)s") % {"names": ", ".join(only)})
    if never:
        parts.append(_("except %(names)s") % {"names": ", ".join(never)})
    if rule.customers:
        names = [_(_CUSTOMERS[kind]) for kind in CustomerKind if kind in rule.customers]
        parts.append(_("for %(names)s") % {"names": ", ".join(names)})
    if rule.first_order:
        parts.append(_("for a customer's first order"))
    if rule.within_months:
        parts.append(
            _("for orders within %(months)s months of the first one")
            % {"months": rule.within_months}
        )
    if when.minimum_bill:
        parts.append(
            _("on bills from %(amount)s") % {"amount": format_money(when.minimum_bill, currency)}
        )
    if when.stores:
        parts.append(_("at %(stores)s") % {"stores": ", ".join(sorted(when.stores))})
    if when.starts_on:
        parts.append(_("from %(day)s") % {"day": when.starts_on})
    if when.ends_on:
        parts.append(_("until %(day)s") % {"day": when.ends_on})
    return _("“%(name)s”: %(what)s.") % {"name": rule.name, "what": " ".join(parts)}


def _rate(kind: Kind, rate: Decimal, currency: str) -> str:
    if kind is Kind.PERCENT:
        return _("%(rate)s %%") % {"rate": format_number(rate)}
    return format_money(rate, currency)


def _measured(by: Measure, amount: Decimal, currency: str) -> str:
    if by is Measure.NET:
        return format_money(amount, currency)
    return _("%(count)s bills") % {"count": format_number(amount)}
