"""What an earning rule says, in the words of the shop."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from babel.dates import format_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.models import Segment, Store
from loyalty.engine import Basis, Kind, Period, Rounding, Rule
from loyalty.models import Program, Tier
from loyalty_site.common.money import format_money, format_number

_SHOWN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What rules name by code or number, as people know it."""

    currency: str = "INR"
    stores: Mapping[str, str] = field(default_factory=dict)
    tiers: Mapping[int, str] = field(default_factory=dict)
    segments: Mapping[int, str] = field(default_factory=dict)


def names_for(program: Program) -> Names:
    """The names that sentences about a programme's rules need; three queries."""
    return Names(
        currency=program.currency,
        stores=dict(Store.objects.values_list("code", "name")[:500]),
        tiers=dict(Tier.objects.filter(program=program).values_list("pk", "name")),
        segments=segment_names(),
    )


def segment_names() -> dict[int, str]:
    """Groups of customers by number; one query."""
    return dict(Segment.objects.values_list("pk", "name")[:500])


def describe(rule: Rule, names: Names) -> str:
    """The whole rule as one sentence, and a second one for its limits and lifetime if any."""
    sentence = _head(rule, names)
    goods = _goods(rule)
    for part in (goods, *_when(rule, names), *_whom(rule, names)):
        if part:
            sentence += f" {part}" if part.startswith(_("on ")) else f", {part}"
    ends = [*_limits(rule), *_terms(rule)]
    return ". ".join([sentence, *(end[0].upper() + end[1:] for end in ends)]) + "."


def _head(rule: Rule, names: Names) -> str:
    points = _points(rule.points)
    match rule.kind:
        case Kind.PER_AMOUNT:
            return _("%(points)s for each %(amount)s %(basis)s") % {
                "points": points,
                "amount": format_money(rule.amount, names.currency),
                "basis": _BASES[rule.basis](),
            }
        case Kind.PER_BILL:
            return _("%(points)s for a bill") % {"points": points}
        case Kind.PER_PRODUCT if rule.unit == 1:
            return _("%(points)s for each article") % {"points": points}
        case Kind.PER_PRODUCT:
            return _("%(points)s for every %(unit)s articles") % {
                "points": points,
                "unit": _plain(rule.unit),
            }
        case Kind.PER_VISIT:
            return _("%(points)s for a visit") % {"points": points}
        case Kind.FIRST_PURCHASE if rule.nth == 1:
            return _("%(points)s for the first purchase") % {"points": points}
        case Kind.FIRST_PURCHASE:
            return _("%(points)s for purchase number %(nth)s") % {
                "points": points,
                "nth": rule.nth,
            }
        case Kind.STREAK:
            return _("%(points)s for buying %(length)s in a row") % {
                "points": points,
                "length": _periods(rule.streak_period, rule.streak),
            }
        case Kind.MULTIPLIER:
            return _("%(factor)s times the points") % {"factor": _plain(rule.factor)}
    return _("%(points)s for %(event)s") % {"points": points, "event": event_name(rule.event)}


def event_name(event: str) -> str:
    """An event in words; a shop's own ones by their name."""
    known = {
        "sign_up": _("signing up"),
        "birthday": _("a birthday"),
        "anniversary": _("an anniversary"),
        "referral": _("bringing a friend"),
        "review": _("a review"),
    }
    return known.get(event, f"“{event.replace('_', ' ')}”")


_BASES = {
    Basis.NET: lambda: _("spent"),
    Basis.WITH_TAX: lambda: _("spent with tax"),
    Basis.BEFORE_DISCOUNT: lambda: _("before discounts"),
    Basis.BEFORE_DISCOUNT_WITH_TAX: lambda: _("before discounts, with tax"),
}


def _goods(rule: Rule) -> str:
    goods = rule.goods
    chosen = [*goods.products, *goods.categories, *goods.brands]
    left_out = [*goods.excluded_products, *goods.excluded_categories, *goods.excluded_brands]
    if chosen and left_out:
        return _("on %(goods)s but not %(others)s") % {
            "goods": _list(chosen),
            "others": _list(left_out),
        }
    if chosen:
        return _("on %(goods)s") % {"goods": _list(chosen)}
    if left_out:
        return _("on everything but %(others)s") % {"others": _list(left_out)}
    return ""


def _when(rule: Rule, names: Names) -> list[str]:
    conditions = rule.conditions
    parts: list[str] = []
    if conditions.stores:
        parts.append(
            _("only at %(stores)s")
            % {"stores": _list(names.stores.get(code, code) for code in conditions.stores)}
        )
    if conditions.channels:
        parts.append(_("only by %(channels)s") % {"channels": _list(conditions.channels)})
    if conditions.weekdays:
        parts.append(
            _("on %(days)s")
            % {"days": _list([_weekday(day) for day in sorted(conditions.weekdays)], shown=7)}
        )
    if conditions.hours:
        parts.append(
            _("from %(start)s to %(end)s")
            % {
                "start": conditions.hours[0].strftime("%H:%M"),
                "end": conditions.hours[1].strftime("%H:%M"),
            }
        )
    if conditions.starts_on:
        parts.append(_("from %(day)s") % {"day": _day(conditions.starts_on)})
    if conditions.ends_on:
        parts.append(_("until %(day)s") % {"day": _day(conditions.ends_on)})
    if conditions.codes:
        parts.append(_("with the code %(codes)s") % {"codes": _list(conditions.codes)})
    if conditions.tenders:
        parts.append(_("paid by %(tenders)s") % {"tenders": _list(conditions.tenders)})
    if rule.excluded_tenders:
        parts.append(
            _("not on what is paid by %(tenders)s") % {"tenders": _list(rule.excluded_tenders)}
        )
    if conditions.minimum_bill is not None:
        parts.append(
            _("on bills of %(amount)s or more")
            % {"amount": format_money(conditions.minimum_bill, names.currency)}
        )
    if conditions.minimum_amount is not None:
        parts.append(
            _("when they come to %(amount)s or more")
            % {"amount": format_money(conditions.minimum_amount, names.currency)}
        )
    if conditions.minimum_quantity is not None:
        parts.append(
            _("from %(quantity)s articles on") % {"quantity": _plain(conditions.minimum_quantity)}
        )
    return parts


def _whom(rule: Rule, names: Names) -> list[str]:
    parts: list[str] = []
    if rule.conditions.tiers:
        tiers = [names.tiers.get(pk, f"#{pk}") for pk in sorted(rule.conditions.tiers)]
        parts.append(_("for %(tiers)s") % {"tiers": _list(tiers)})
    if rule.conditions.segments:
        groups = [names.segments.get(pk, f"#{pk}") for pk in sorted(rule.conditions.segments)]
        parts.append(_("for customers in %(groups)s") % {"groups": _list(groups)})
    return parts


def _limits(rule: Rule) -> list[str]:
    limits, parts = rule.limits, []
    if limits.per_bill is not None:
        parts.append(_("at most %(points)s a bill") % {"points": _points(limits.per_bill)})
    if limits.points is not None:
        parts.append(
            _("at most %(points)s a customer %(period)s")
            % {"points": _points(limits.points), "period": _period(limits.period)}
        )
    if limits.times is not None and rule.kind not in (Kind.FIRST_PURCHASE, Kind.STREAK):
        parts.append(
            ngettext(
                "%(times)s time a customer %(period)s",
                "%(times)s times a customer %(period)s",
                limits.times,
            )
            % {"times": limits.times, "period": _period(limits.period)}
        )
    if limits.budget is not None:
        parts.append(_("%(points)s in all") % {"points": _points(limits.budget)})
    return parts


def _terms(rule: Rule) -> list[str]:
    parts: list[str] = []
    if rule.rounding is not Rounding.FLOOR:
        ways = {Rounding.HALF_UP: _("to the nearest point"), Rounding.CEILING: _("up")}
        parts.append(_("rounded %(way)s") % {"way": ways[rule.rounding]})
    if rule.pending_days:
        parts.append(
            ngettext("usable after %(days)s day", "usable after %(days)s days", rule.pending_days)
            % {"days": rule.pending_days}
        )
    if rule.awaits:
        parts.append(_("usable after the event “%(event)s”") % {"event": rule.awaits})
        if rule.cancel_days:
            parts.append(_("given up after %(days)s days") % {"days": rule.cancel_days})
    if rule.expiry is not None:
        parts.append(_("these points live %(time)s") % {"time": lifetime_words(rule.expiry)})
    if not rule.stackable:
        parts.append(_("does not combine with other rules"))
    if not rule.qualifies:
        parts.append(_("does not count for tiers"))
    return parts


def lifetime_words(expiry: Mapping[str, object]) -> str:
    """How long points live, from the written form of a policy."""
    kind, length = str(expiry.get("kind", "none")), expiry.get("length", 0)
    count = length if isinstance(length, int) else 0
    match kind:
        case "days" | "sliding_days":
            return ngettext("%(n)s day", "%(n)s days", count) % {"n": count}
        case "months" | "sliding_months":
            return ngettext("%(n)s month", "%(n)s months", count) % {"n": count}
        case "fixed_dates":
            return _("until fixed days of the year")
    return _("for ever")


def _points(count: int) -> str:
    return _("1 point") if count == 1 else _("%s points") % format_number(count)


def _plain(number: Decimal) -> str:
    return format_number(number.normalize() if number != number.to_integral() else int(number))


def _list(names: Iterable[str], *, shown: int = _SHOWN) -> str:
    words: Sequence[str] = names if isinstance(names, list) else sorted(names)
    if len(words) > shown:
        rest = len(words) - shown + 1
        return _("%(names)s and %(count)s more") % {
            "names": ", ".join(words[: shown - 1]),
            "count": rest,
        }
    if len(words) < 2:
        return "".join(words)
    return _("%(names)s or %(last)s") % {"names": ", ".join(words[:-1]), "last": words[-1]}


def _weekday(day: int) -> str:
    return format_date(date(2024, 1, day), "EEEE", locale="en_IN")


def _day(day: date) -> str:
    return format_date(day, "d MMM y", locale="en_IN")


def _period(period: Period) -> str:
    return {
        Period.DAY: _("a day"),
        Period.WEEK: _("a week"),
        Period.MONTH: _("a month"),
        Period.YEAR: _("a year"),
        Period.EVER: _("in all"),
    }[period]


def _periods(period: Period, count: int) -> str:
    words = {
        Period.DAY: ngettext("%(n)s day", "%(n)s days", count),
        Period.WEEK: ngettext("%(n)s week", "%(n)s weeks", count),
        Period.MONTH: ngettext("%(n)s month", "%(n)s months", count),
    }
    return words[period] % {"n": count}
