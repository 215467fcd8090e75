"""What a bill pays: pure arithmetic that says how.

First it is decided, once, what is known of the customer and the period (`decide`); then the goods
that are kept are priced by that (`price`). Because the decision is pinned, any split and order of
returns ends at the commission on what remains.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Self

from babel.numbers import get_currency_precision

from affiliates.engine.plans import (
    CustomerKind,
    Kind,
    Measure,
    Per,
    Rule,
    Terms,
    TierMode,
)
from loyalty.engine import NO_FACTS, Bill, BillLine
from loyalty.engine.expiry import add_months

MINOR_UNIT = Decimal("0.01")
ZERO = Decimal(0)
ALL = Decimal(100)


def minor_unit(currency: str) -> Decimal:
    """The smallest coin that is paid in a currency; never below a hundredth."""
    return Decimal(1).scaleb(-min(2, get_currency_precision(currency)))


def round_money(exact: Decimal, unit: Decimal = MINOR_UNIT) -> Decimal:
    """Half-up on a currency's smallest coin, with two digits."""
    return exact.quantize(unit, ROUND_HALF_UP).quantize(MINOR_UNIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a bill's customer: since when they buy, and what the affiliate brought.

    `first_on` is the day of the first order that this affiliate brought of them.
    """

    customer_id: int | None = None
    customer: CustomerKind = CustomerKind.UNKNOWN
    since: date | None = None
    is_first: bool = False
    first_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """An affiliate's period without this bill: what was brought, and what was earned."""

    net: Decimal = ZERO
    orders: int = 0
    earned: Decimal = ZERO

    def total(self, by: Measure) -> Decimal:
        """What counts for a measure."""
        return self.net if by is Measure.NET else Decimal(self.orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """What was decided when a bill was first credited; its returns are counted by the same.

    `rate` is the base rate with the tier reached, `before` what the period held until then, and
    `allowance` the most that the bill may earn. `refusal` says why it earns nothing.
    """

    known: Known
    base: Decimal
    rate: Decimal
    threshold: Decimal | None = None
    before: Decimal = ZERO
    allowance: Decimal | None = None
    refusal: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        known = {item.name: getattr(self.known, item.name) for item in fields(Known)}
        own = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "known"}
        return {key: _plain(value) for key, value in {**known, **own}.items()}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(
            known=Known(
                customer_id=written["customer_id"],
                customer=CustomerKind(written["customer"]),
                since=_day(written["since"]),
                is_first=written["is_first"],
                first_on=_day(written["first_on"]),
            ),
            base=Decimal(written["base"]),
            rate=Decimal(written["rate"]),
            threshold=_money(written["threshold"]),
            before=Decimal(written["before"]),
            allowance=_money(written["allowance"]),
            refusal=written["refusal"],
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else value


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part of a commission: a rate on `basis` money or on `quantity` pieces.

    `rule` is empty for the plan's usual rate, `above` the step of a tier from which it counts.
    """

    rule: str
    kind: Kind
    per: Per
    rate: Decimal
    basis: Decimal
    quantity: Decimal
    exact: Decimal
    above: Decimal | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values; figures as texts."""
        return {item.name: _plain(getattr(self, item.name)) for item in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """What a bill pays, and the figures that led there.

    `exact` is unrounded, `desired` rounded before the limit that trimmed it to `amount`.
    `counted_net` is the money that counts for the affiliate's period, `units` what the base rate
    was multiplied with.
    """

    amount: Decimal
    desired: Decimal
    exact: Decimal
    remaining_net: Decimal
    counted_net: Decimal = ZERO
    units: Decimal = ZERO
    steps: tuple[Step, ...] = ()
    refusal: str = ""


def decide(
    terms: Terms,
    *,
    known: Known,
    day: date,
    tier: Progress | None = None,
    cap: Progress | None = None,
    counted_net: Decimal = ZERO,
) -> Pinned:
    """What holds for a bill of that day, whatever comes back of it later.

    `tier` and `cap` are the periods of the plan's tiers and of its limit, without the bill.
    """
    base = terms.customer_rates.get(known.customer, terms.rate)
    rate, threshold, before = base, None, ZERO
    tiers = terms.tiers
    if tiers is not None and tier is not None:
        before = tier.total(tiers.by)
        total = before
        if tiers.mode is TierMode.RETROACTIVE:
            total += counted_net if tiers.by is Measure.NET else 1
        step = tiers.step(total)
        if step is not None and step.rate > base and tiers.mode is not TierMode.MARGINAL:
            rate, threshold = step.rate, step.threshold
    allowance = None
    if terms.cap is not None and cap is not None:
        allowance = max(ZERO, terms.cap.amount - cap.earned)
    return Pinned(
        known=known,
        base=base,
        rate=rate,
        threshold=threshold,
        before=before,
        allowance=allowance,
        refusal=_refusal(terms, known, day),
    )


def _refusal(terms: Terms, known: Known, day: date) -> str:
    if terms.customer_rates.get(known.customer) == 0:
        return f"customer_{known.customer.value}"
    if not (terms.first_order_only or terms.recurring_months):
        return ""
    if known.customer_id is None:
        return "customer_unknown"
    if terms.first_order_only and not known.is_first:
        return "not_first"
    if terms.recurring_months and not _within(known, day, terms.recurring_months):
        return "too_late"
    return ""


def _within(known: Known, day: date, months: int) -> bool:
    return known.first_on is not None and day <= add_months(known.first_on, months)


def counted_lines(terms: Terms, kept: Bill, remaining_net: Decimal) -> list[BillLine]:
    """The articles that count, with what the bill holds beside its articles as one of no name."""
    rest = remaining_net - sum((line.net for line in kept.lines), ZERO)
    lines = list(kept.lines)
    if rest:
        lines.append(BillLine(key="", sku="", category="", quantity=ZERO, net=rest))
    return [line for line in lines if terms.counts(line)]


def price(
    terms: Terms,
    pinned: Pinned,
    kept: Bill,
    remaining_net: Decimal,
    *,
    share: Decimal = ALL,
    allowance: Decimal | None = None,
    unit: Decimal = MINOR_UNIT,
) -> Commission:
    """What is due on the goods that were kept, half-up on the smallest coin.

    Each article is paid by the best rule that fits it, else by the usual rate. A fixed amount for
    a bill stands in the place of what the articles come to if no rule fits them, or it is more.
    `share` is a percentage of the whole; `allowance` trims it.
    """
    if remaining_net <= 0:
        return _nothing(remaining_net)
    lines = counted_lines(terms, kept, remaining_net)
    net = max(ZERO, sum((line.net for line in lines), ZERO))
    if pinned.refusal or net == 0:
        return _nothing(remaining_net, pinned.refusal)
    fitting = [rule for rule in terms.rules if _fits(rule, kept, pinned.known, net)]
    steps, units = _articles(terms, pinned, fitting, lines)
    fixed = [
        rule
        for rule in fitting
        if rule.pays_the_bill and any(rule.covers(line) and line.net > 0 for line in lines)
    ]
    if fixed:
        best = max(fixed, key=lambda rule: rule.rate)
        by_articles = any(step.rule for step in steps)
        if not by_articles or best.rate > sum(step.exact for step in steps):
            steps, units = [_step(best.name, best.kind, best.per, best.rate, net, ZERO)], ZERO
    part = share / ALL
    exact = max(ZERO, sum((step.exact for step in steps), ZERO)) * part
    desired = round_money(exact, unit)
    return Commission(
        amount=desired if allowance is None else min(desired, allowance),
        desired=desired,
        exact=exact,
        remaining_net=remaining_net,
        counted_net=net * part,
        units=units * part,
        steps=tuple(steps),
    )


def _nothing(remaining_net: Decimal, refusal: str = "") -> Commission:
    zero = ZERO.quantize(MINOR_UNIT)
    return Commission(
        amount=zero, desired=zero, exact=ZERO, remaining_net=remaining_net, refusal=refusal
    )


def _fits(rule: Rule, bill: Bill, known: Known, net: Decimal) -> bool:
    if rule.customers and known.customer not in rule.customers:
        return False
    if rule.first_order and not known.is_first:
        return False
    if rule.within_months:
        day = bill.at.date() if bill.at else None
        if day is None or not _within(known, day, rule.within_months):
            return False
    minimum = rule.conditions.minimum_bill
    return not rule.conditions.refusal(bill, NO_FACTS) and (minimum is None or net >= minimum)


def _articles(
    terms: Terms, pinned: Pinned, rules: Sequence[Rule], lines: Sequence[BillLine]
) -> tuple[list[Step], Decimal]:
    """The parts by article, and what the base rate was multiplied with."""
    by_rule: dict[int, list[BillLine]] = {}
    usual: list[BillLine] = []
    for line in lines:
        places = [
            place
            for place, rule in enumerate(rules)
            if not rule.pays_the_bill and rule.covers(line)
        ]
        if places:
            # A returned article without its sale has a minus; it goes by the same rule.
            best = max(places, key=lambda place: abs(_of_line(rules[place], line)))
            by_rule.setdefault(best, []).append(line)
        else:
            usual.append(line)
    steps = [
        _step(rules[place].name, rules[place].kind, rules[place].per, rules[place].rate, *_sum(of))
        for place, of in sorted(by_rule.items())
    ]
    net, quantity = _sum(usual)
    if not usual or (net == 0 and quantity == 0):
        return steps, ZERO
    if terms.tiers is not None and terms.tiers.mode is TierMode.MARGINAL:
        return [*steps, *_bands(terms, pinned, net)], ZERO
    if terms.kind is Kind.FIXED and terms.per is Per.BILL and net <= 0:
        return steps, ZERO
    own = _step("", terms.kind, terms.per, pinned.rate, net, quantity, above=pinned.threshold)
    if terms.kind is Kind.PERCENT:
        return [*steps, own], net / 100
    return [*steps, own], quantity if terms.per is Per.PIECE else Decimal(1)


def _sum(lines: Sequence[BillLine]) -> tuple[Decimal, Decimal]:
    return sum((line.net for line in lines), ZERO), sum((line.quantity for line in lines), ZERO)


def _of_line(rule: Rule, line: BillLine) -> Decimal:
    return line.net * rule.rate / 100 if rule.kind is Kind.PERCENT else line.quantity * rule.rate


def _step(
    name: str,
    kind: Kind,
    per: Per,
    rate: Decimal,
    net: Decimal,
    quantity: Decimal,
    above: Decimal | None = None,
) -> Step:
    if kind is Kind.PERCENT:
        exact = net * rate / 100
    else:
        exact = rate * quantity if per is Per.PIECE else rate
    return Step(
        rule=name,
        kind=kind,
        per=per,
        rate=rate,
        basis=net,
        quantity=quantity,
        exact=exact,
        above=above,
    )


def _bands(terms: Terms, pinned: Pinned, net: Decimal) -> list[Step]:
    """The net amount, cut where it passes a step of the period; it begins where it was pinned."""
    marks = terms.tiers.steps if terms.tiers else ()
    starts = [ZERO, *(step.threshold for step in marks)]
    rates = [pinned.base, *(max(pinned.base, step.rate) for step in marks)]
    ends = [*starts[1:], None]
    first, last = pinned.before, pinned.before + max(ZERO, net)
    steps = []
    for start, end, rate in zip(starts, ends, rates, strict=True):
        part = (last if end is None else min(last, end)) - max(first, start)
        if part > 0:
            above = start if start and rate > pinned.base else None
            steps.append(_step("", Kind.PERCENT, Per.BILL, rate, part, ZERO, above=above))
    return steps


def correction(*, credited: Decimal, earned: Decimal) -> Decimal:
    """The signed entry that takes what was credited so far to what is earned now.

    Its negative is `already credited - round(rate * remaining net)`. Because each correction
    starts from the sum of all earlier ones, any order and split of returns ends at the same sum.
    """
    return earned - credited
