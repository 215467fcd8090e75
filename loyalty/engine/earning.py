"""What a bill earns, and why.

Spend rules are added up line by line, multipliers work on the lines, and fixed bonuses come last
and are never multiplied. Each rule rounds once per bill; a limit trims what is left after that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from loyalty.engine.facts import NO_FACTS, Facts
from loyalty.engine.goods import ZERO, Bill, BillLine
from loyalty.engine.rules import Rule
from loyalty.engine.terms import Kind, Rounding

_MODES = {
    Rounding.FLOOR: ROUND_FLOOR,
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.CEILING: ROUND_CEILING,
}
_EXACT = Decimal("0.0001")
_CENT = Decimal("0.01")
_HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rule's part: `exact` points before rounding, or the reason why it gave none.

    `desired` is what a limit named by `limit` trimmed to `points`. `basis` is money, and for a
    multiplier the exact points that it multiplied; `quantity` counts goods.
    """

    rule_id: int
    version: int
    name: str
    kind: Kind = Kind.PER_AMOUNT
    basis: Decimal = ZERO
    lines: int = 0
    points_each: int = 0
    amount_each: Decimal = ZERO
    quantity: Decimal = ZERO
    factor: Decimal = ZERO
    exact: Decimal = ZERO
    rounding: Rounding = Rounding.FLOOR
    desired: int = 0
    points: int = 0
    limit: str = ""
    skipped: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values; money and exact points as texts."""
        written: dict[str, Any] = {
            "rule": self.rule_id,
            "version": self.version,
            "name": self.name,
            "points": self.points,
        }
        if self.skipped:
            return {**written, "skipped": self.skipped}
        if self.limit:
            written.update(desired=self.desired, limit=self.limit)
        if self.kind is not Kind.PER_AMOUNT:
            written["kind"] = self.kind.value
        match self.kind:
            case Kind.PER_AMOUNT:
                written.update(
                    basis=str(self.basis),
                    lines=self.lines,
                    points_each=self.points_each,
                    amount_each=str(self.amount_each),
                    exact=str(self.exact),
                    rounding=self.rounding.value,
                )
            case Kind.MULTIPLIER:
                written.update(
                    basis=str(self.basis),
                    lines=self.lines,
                    factor=str(self.factor),
                    exact=str(self.exact),
                    rounding=self.rounding.value,
                )
            case Kind.PER_PRODUCT:
                written.update(
                    quantity=str(self.quantity),
                    lines=self.lines,
                    points_each=self.points_each,
                    amount_each=str(self.amount_each),
                )
            case _:
                written["points_each"] = self.points_each
        return written


@dataclass(frozen=True, slots=True, kw_only=True)
class Earning:
    """The points of a bill; `steps` re-add to `points`.

    `desired` is what the rules gave before limits, `qualifying` what counts for the next tier.
    """

    points: int
    desired: int = 0
    qualifying: int = 0
    steps: tuple[Step, ...] = ()
    per_rule: dict[int, int] = field(default_factory=dict)
    shares: tuple[tuple[Rule, Sequence[tuple[BillLine, Decimal]]], ...] = ()

    @property
    def per_line(self) -> dict[str, Decimal]:
        """The unrounded shares of lines in what spend rules gave, before multipliers."""
        per_line: dict[str, Decimal] = {}
        for rule, shares in self.shares:
            for line, share in shares:
                given = share * rule.points / rule.amount
                per_line[line.key] = per_line.get(line.key, ZERO) + given
        return per_line


NOTHING = Earning(points=0)


@dataclass(slots=True)
class _Part:
    """A rule that looked at the bill; `shares` are its goods with their money."""

    rule: Rule
    step: Step
    shares: Sequence[tuple[BillLine, Decimal]] = ()

    @property
    def gives(self) -> bool:
        return self.step.points > 0


def earn(bill: Bill, rules: Sequence[Rule], facts: Facts = NO_FACTS) -> Earning:
    """Add up what each rule gives; each rounds once per bill."""
    parts = [_Part(rule, *_look_at(rule, bill, facts)) for rule in rules if _is_for_bills(rule)]
    paid = _Paid(bill, parts)
    if paid.has_multipliers:
        for part in sorted(parts, key=lambda part: (-part.rule.priority, part.rule.rule_id)):
            if part.rule.kind is Kind.MULTIPLIER and not part.step.skipped:
                part.step = paid.multiply(part, facts)
    if not all(part.rule.stackable for part in parts):
        parts = _only_the_strongest(bill, parts, facts)
    return _sum_up(parts)


def earn_event(
    rules: Sequence[Rule], event: str, facts: Facts = NO_FACTS, *, refusal: str = ""
) -> Earning:
    """What the rules for an event give; `facts` are the customer's, `refusal` refuses all."""
    parts: list[_Part] = []
    for rule in rules:
        if rule.kind is not Kind.EVENT or rule.event != event:
            continue
        step = _blank(rule)
        refused = refusal or rule.conditions.refusal_of_customer(facts)
        if refused:
            parts.append(_Part(rule, replace(step, skipped=refused)))
            continue
        parts.append(_Part(rule, _limited(rule, _once(step, rule), facts)))
    return _sum_up(parts)


def _is_for_bills(rule: Rule) -> bool:
    return rule.kind is not Kind.EVENT


def _blank(rule: Rule) -> Step:
    return Step(rule_id=rule.rule_id, version=rule.version, name=rule.name, kind=rule.kind)


# --- one rule -----------------------------------------------------------------------------------


def _look_at(
    rule: Rule, bill: Bill, facts: Facts
) -> tuple[Step, Sequence[tuple[BillLine, Decimal]]]:
    """A rule's step, and the goods that it looked at; multipliers get theirs later."""
    blank = _blank(rule)
    refusal = rule.conditions.refusal(bill, facts) or _not_now(rule, facts)
    if refusal:
        return replace(blank, skipped=refusal), ()
    lines = rule.goods.of(bill)
    if not lines:
        return replace(blank, skipped="no article of this rule on the bill"), ()
    money = rule.basis.of
    shares = [(line, money(line)) for line in lines]
    basis = sum((share for _, share in shares), ZERO)
    if refusal := _too_little(rule, bill, basis, lines):
        return replace(blank, skipped=refusal), ()
    match rule.kind:
        case Kind.PER_PRODUCT:
            step = _per_product(rule, blank, lines)
        case _ if basis <= 0:
            step = replace(blank, skipped="nothing of it was kept")
        case Kind.PER_AMOUNT:
            step = _per_amount(rule, blank, bill, basis, len(lines))
        case Kind.MULTIPLIER:
            return replace(blank, lines=len(lines)), shares
        case _:
            step = _once(blank, rule)
    return _limited(rule, step, facts), shares


def _not_now(rule: Rule, facts: Facts) -> str:
    if rule.kind is Kind.FIRST_PURCHASE and facts.nth != rule.nth:
        number = "first" if rule.nth == 1 else f"{rule.nth}."
        return f"not the customer's {number} purchase"
    if rule.kind is Kind.STREAK and facts.streaks.get(rule.streak_period, 0) < rule.streak:
        return f"not {rule.streak} {rule.streak_period.value}s in a row"
    return ""


def _too_little(rule: Rule, bill: Bill, basis: Decimal, lines: Sequence[BillLine]) -> str:
    conditions = rule.conditions
    if conditions.minimum_bill is not None:
        whole = sum((rule.basis.of(line) for line in bill.lines), ZERO)
        if whole < conditions.minimum_bill:
            return f"the bill is below {conditions.minimum_bill}"
    if conditions.minimum_amount is not None and basis < conditions.minimum_amount:
        return f"its articles come to less than {conditions.minimum_amount}"
    if conditions.minimum_quantity is not None:
        quantity = sum((line.quantity for line in lines), ZERO)
        if quantity < conditions.minimum_quantity:
            return f"fewer than {conditions.minimum_quantity} of its articles"
    return ""


def _per_amount(rule: Rule, blank: Step, bill: Bill, basis: Decimal, lines: int) -> Step:
    points_each, amount = rule.points, rule.amount
    if rule.excluded_tenders and bill.tenders:
        counted, paid = _counted_tenders(rule, bill)
        exact = basis * counted * points_each / (paid * amount)
        basis = (basis * counted / paid).quantize(_CENT)
        if exact <= 0:
            return replace(blank, skipped="all was paid in a way that earns nothing")
    else:
        exact = basis * points_each / amount
    points = int(exact.to_integral_value(_MODES[rule.rounding]))
    return Step(
        rule_id=rule.rule_id,
        version=rule.version,
        name=rule.name,
        basis=basis,
        lines=lines,
        points_each=points_each,
        amount_each=amount,
        exact=exact.quantize(_EXACT),
        rounding=rule.rounding,
        desired=points,
        points=points,
    )


def _counted_tenders(rule: Rule, bill: Bill) -> tuple[Decimal, Decimal]:
    """What was paid in ways that count, and in all; 1 of 1 where the amounts make no sense."""
    paid = sum((amount for _, amount in bill.tenders), ZERO)
    counted = sum(
        (amount for kind, amount in bill.tenders if kind not in rule.excluded_tenders), ZERO
    )
    if paid <= 0 or counted > paid:
        return Decimal(1), Decimal(1)
    return max(counted, ZERO), paid


def _per_product(rule: Rule, blank: Step, lines: Sequence[BillLine]) -> Step:
    quantity = sum((line.quantity for line in lines), ZERO)
    units = int(quantity // rule.unit) if quantity > 0 else 0
    if not units:
        return replace(blank, skipped=f"fewer than {rule.unit} of its articles")
    points = units * rule.points
    return replace(
        blank,
        quantity=quantity,
        lines=len(lines),
        points_each=rule.points,
        amount_each=rule.unit,
        exact=Decimal(points),
        desired=points,
        points=points,
    )


def _once(blank: Step, rule: Rule) -> Step:
    points = rule.points
    return replace(blank, points_each=points, exact=Decimal(points), desired=points, points=points)


def _limited(rule: Rule, step: Step, facts: Facts) -> Step:
    """Trim a step to what the rule's limits leave; the desired figure stays."""
    if step.skipped:
        return step
    for left, name in rule.limits.left(rule.rule_id, facts):
        if step.points > left:
            step = replace(step, points=max(0, left), limit=name)
    return step


# --- rules together -----------------------------------------------------------------------------


class _Paid:
    """What spend rules gave on each line, exactly; multipliers add to it as they go."""

    def __init__(self, bill: Bill, parts: Iterable[_Part]) -> None:
        self.parts = [part for part in parts if part.rule.kind is Kind.PER_AMOUNT and part.gives]
        self.has_multipliers = any(
            part.rule.kind is Kind.MULTIPLIER and not part.step.skipped for part in parts
        )
        self.by_line: dict[int, Fraction] = {}
        if self.has_multipliers:
            for part in self.parts:
                each = _each(part, bill)
                for line, share in part.shares:
                    known = self.by_line.get(id(line), Fraction(0))
                    self.by_line[id(line)] = known + Fraction(share) * each

    def multiply(self, part: _Part, facts: Facts) -> Step:
        """The step of a multiplier, on what its goods have earned so far."""
        lines = [line for line, _ in part.shares if self.by_line.get(id(line))]
        base = sum((self.by_line[id(line)] for line in lines), Fraction(0))
        if base <= 0:
            return replace(part.step, skipped="no points to multiply on the bill")
        more = base * Fraction(part.rule.factor - 1)
        points = _rounded(more, part.rule.rounding)
        step = replace(
            part.step,
            basis=_decimal(base),
            lines=len(lines),
            factor=part.rule.factor,
            exact=_decimal(more),
            rounding=part.rule.rounding,
            desired=points,
            points=points,
        )
        step = _limited(part.rule, step, facts)
        grown = Fraction(part.rule.factor - 1)
        if step.limit:
            grown *= Fraction(step.points, step.desired)
        for line in lines:
            self.by_line[id(line)] *= 1 + grown
        return step


def _each(part: _Part, bill: Bill) -> Fraction:
    """Points for each unit of money; less where a limit trimmed the rule."""
    rule, step = part.rule, part.step
    each = Fraction(rule.points) / Fraction(rule.amount)
    if rule.excluded_tenders and bill.tenders:
        counted, paid = _counted_tenders(rule, bill)
        each *= Fraction(counted) / Fraction(paid)
    if step.limit:
        each *= Fraction(step.points, step.desired)
    return each


def _rounded(exact: Fraction, rounding: Rounding) -> int:
    match rounding:
        case Rounding.FLOOR:
            return exact.__floor__()
        case Rounding.HALF_UP:
            return (exact + _HALF).__floor__()
    return exact.__ceil__()


def _decimal(exact: Fraction) -> Decimal:
    return (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(_EXACT)


def _only_the_strongest(bill: Bill, parts: list[_Part], facts: Facts) -> list[_Part]:
    """A rule that does not combine leaves the others nothing; the highest priority wins.

    A multiplier that does not combine still needs the spend rules whose points it multiplies.
    """
    alone = [part for part in parts if not part.rule.stackable and part.gives]
    if not alone:
        return parts
    winner = max(alone, key=lambda part: (part.rule.priority, part.step.points, -part.rule.rule_id))
    multiplies = winner.rule.kind is Kind.MULTIPLIER
    reason = f"“{winner.rule.name}” does not combine with others"
    kept = [
        part
        if part is winner
        or part.step.skipped
        or (multiplies and part.rule.kind is Kind.PER_AMOUNT and part.rule.stackable)
        else _Part(part.rule, replace(_blank(part.rule), skipped=reason))
        for part in parts
    ]
    if multiplies:
        winner.step = replace(_blank(winner.rule), lines=len(winner.shares))
        winner.step = _Paid(bill, kept).multiply(winner, facts)
    return kept


def _sum_up(parts: Sequence[_Part]) -> Earning:
    steps = tuple(part.step for part in parts)
    return Earning(
        points=sum(step.points for step in steps),
        desired=sum(step.desired for step in steps),
        qualifying=sum(part.step.points for part in parts if part.rule.qualifies),
        steps=steps,
        per_rule={step.rule_id: step.points for step in steps if step.points},
        shares=tuple(
            (part.rule, part.shares)
            for part in parts
            if part.rule.kind is Kind.PER_AMOUNT and not part.step.skipped
        ),
    )
