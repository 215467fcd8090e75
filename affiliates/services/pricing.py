"""What bills pay: the shares of a conversion, priced by what was pinned or is decided now."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from affiliates.engine import (
    ALL,
    Commission,
    CountedBill,
    Goal,
    Pinned,
    Progress,
    Terms,
    TierMode,
    counted_lines,
    decide,
    goal_bonus,
    minor_unit,
    price,
    rate_difference,
)
from affiliates.models import CommissionEntry, Conversion, PlanVersion, Tally
from affiliates.services.orders import NOTHING, Order
from affiliates.services.planbook import WINNER, Figures, PlanBook, Share, plain
from affiliates.services.shoppers import Shoppers
from affiliates.services.tallies import PeriodEntries, Periods
from loyalty.engine import Bill, Period, bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What one share of a bill pays now, and what it counts in the affiliate's period."""

    amount: Decimal
    figures: Figures
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodChange:
    """What has to be posted for a period as a whole."""

    enrolment_id: int
    kind: CommissionEntry.Kind
    reference: str
    amount: Decimal
    currency: str
    held_until: datetime
    figures: Figures


class Spot(NamedTuple):
    """A period of an enrolment; `day` is its first."""

    enrolment_id: int
    period: Period
    day: date
    currency: str


@dataclass(slots=True)
class Pricer:
    """Prices bills one after the other, each knowing what the ones before it counted."""

    book: PlanBook
    periods: Periods
    shoppers: Shoppers
    touched: dict[Spot, set[int]] = field(default_factory=lambda: defaultdict(set))

    def price(
        self,
        conversion: Conversion,
        share: Share,
        order: Order,
        kept: Bill,
        *,
        before: Tally | None,
        pays: bool = True,
    ) -> Priced:
        """A share's commission, with what was decided for it pinned to the share.

        `before` is what the bill counted in its period until now; one that does not pay, whatever
        the plan says, counts nothing.
        """
        enrolment_id, version_id = share["enrolment_id"], share["plan_version_id"]
        pinned = self._pinned(share, order)
        overrides = share["pinned"]["overrides"] if pinned else None
        terms = self.book.terms(version_id, enrolment_id, overrides)
        percent = Decimal(share["percent"])
        if before is not None:
            self.drop(before)
        if pinned is None:
            pinned = self._decide(terms, enrolment_id, order, kept, percent)
            allowance = pinned.allowance
        else:
            allowance = self._allowance(terms, pinned, enrolment_id, order, before)
        paid = price(
            terms,
            pinned,
            kept,
            order.remaining_net if pays else NOTHING,
            share=percent,
            allowance=allowance,
            unit=minor_unit(order.sale.currency),
        )
        self.shoppers.note(order, pinned.known.customer)
        tally = self._tally(conversion, share, order, pinned, paid)
        self.periods.add(tally)
        self._touch(tally)
        if overrides is None:
            overrides = self.book.enrolments[enrolment_id].overrides
        share["pinned"] = {**pinned.to_json(), "overrides": overrides}
        figures = self._figures(terms, version_id, share, paid, pinned, allowance)
        return Priced(amount=paid.amount, figures=figures, tally=tally)

    def _pinned(self, share: Share, order: Order) -> Pinned | None:
        """What was decided before, unless the bill turned out to be somebody else's."""
        written = share.get("pinned")
        if not written or written["customer_id"] != order.sale.customer_id:
            return None
        return Pinned.from_json(written)

    def _decide(
        self, terms: Terms, enrolment_id: int, order: Order, kept: Bill, percent: Decimal
    ) -> Pinned:
        known = self.shoppers.known(order, enrolment_id, terms)
        lines = counted_lines(terms, kept, order.remaining_net)
        counted = max(NOTHING, sum((line.net for line in lines), NOTHING)) * percent / ALL
        return decide(
            terms,
            known=known,
            day=order.day,
            tier=self._progress(terms.tiers, enrolment_id, order),
            cap=self._progress(terms.cap, enrolment_id, order),
            counted_net=counted,
        )

    def _progress(self, about: Any, enrolment_id: int, order: Order) -> Progress | None:
        if about is None:
            return None
        return self.periods.progress(enrolment_id, about.period, order.day, order.sale.currency)

    def _allowance(
        self,
        terms: Terms,
        pinned: Pinned,
        enrolment_id: int,
        order: Order,
        before: Tally | None,
    ) -> Decimal | None:
        """A bill may fall as it likes, but not rise above what the limit leaves by now."""
        cap = self._progress(terms.cap, enrolment_id, order)
        if terms.cap is None or cap is None or pinned.allowance is None:
            return pinned.allowance
        credited = before.amount if before else NOTHING
        return max(credited, min(pinned.allowance, terms.cap.amount - cap.earned))

    def _tally(
        self,
        conversion: Conversion,
        share: Share,
        order: Order,
        pinned: Pinned,
        paid: Commission,
    ) -> Tally:
        doubted = conversion.review == Conversion.Review.OPEN
        counts = paid.counted_net > 0 and not doubted
        return Tally(
            conversion=conversion,
            enrolment_id=share["enrolment_id"],
            plan_version_id=share["plan_version_id"],
            day=order.day,
            currency=order.sale.currency,
            net=paid.counted_net if counts else NOTHING,
            orders=1 if counts and share["role"] == WINNER else 0,
            units=paid.units if counts else NOTHING,
            base=pinned.base,
            rate=pinned.rate,
            amount=paid.amount,
            desired=paid.desired,
            held_until=datetime.fromisoformat(share["held_until"]),
        )

    def drop(self, before: Tally) -> None:
        """A bill counts for an affiliate no longer."""
        self.periods.add(before, -1)
        self._touch(before)

    def _touch(self, tally: Tally) -> None:
        """The bill's periods have to be looked at as a whole."""
        terms = self.book.terms(tally.plan_version_id, tally.enrolment_id)
        periods = {goal.period for goal in terms.goals}
        if terms.tiers is not None and terms.tiers.mode is TierMode.RETROACTIVE:
            periods.add(terms.tiers.period)
        for period in periods:
            first, _ = bounds(period, tally.day)
            spot = Spot(tally.enrolment_id, period, first, tally.currency)
            self.touched[spot].add(tally.plan_version_id)

    def _figures(
        self,
        terms: Terms,
        version_id: int,
        share: Share,
        paid: Commission,
        pinned: Pinned,
        allowance: Decimal | None,
    ) -> Figures:
        figures: Figures = {
            "plan": self.book.name(version_id),
            "kind": terms.kind.value,
            "rate": plain(pinned.rate),
            "base": plain(pinned.base),
            "per": terms.per.value,
            "role": share["role"],
            "percent": share["percent"],
            "exact": plain(paid.exact),
            "desired": str(paid.desired),
            "earned": str(paid.amount),
            "customer": pinned.known.customer.value,
            "since": pinned.known.since.isoformat() if pinned.known.since else "",
            "refusal": paid.refusal,
            "steps": [step.to_json() for step in paid.steps],
        }
        if terms.tiers is not None:
            figures["tier"] = {
                "mode": terms.tiers.mode.value,
                "by": terms.tiers.by.value,
                "period": terms.tiers.period.value,
            }
        if terms.cap is not None and allowance is not None and paid.amount < paid.desired:
            figures["cap"] = {
                "amount": str(terms.cap.amount),
                "period": terms.cap.period.value,
                "left": str(max(NOTHING, allowance)),
            }
        return figures

    # --- periods as a whole -----------------------------------------------------------------------

    def settle_periods(self) -> list[PeriodChange]:
        """What the periods that a bill touched have to be corrected by, once it is counted."""
        made: list[PeriodChange] = []
        for spot, version_ids in sorted(self.touched.items()):
            counted = self.periods.counted(*spot)
            versions = [self.book.versions[pk] for pk in sorted(counted.keys() | version_ids)]
            newest = max(versions, key=lambda version: version.number)
            changes = [
                *(self._rate_change(one, spot, counted.get(one.pk, ())) for one in versions),
                *(
                    self._goal_change(newest, goal, spot)
                    for goal in self.book.terms(newest.pk, spot.enrolment_id).goals
                ),
            ]
            made.extend(change for change in changes if change is not None)
        self.touched.clear()
        return made

    def _rate_change(
        self, version: PlanVersion, spot: Spot, counted: Iterable[CountedBill]
    ) -> PeriodChange | None:
        terms = self.book.terms(version.pk, spot.enrolment_id)
        tiers = terms.tiers
        if tiers is None or tiers.mode is not TierMode.RETROACTIVE or tiers.period != spot.period:
            return None
        total = self.periods.progress(*spot).total(tiers.by)
        key = f"tier:{spot.enrolment_id}:{version.pk}:{spot.day}:{spot.currency}"
        target = rate_difference(
            tiers,
            counted,
            total,
            left=self._left(terms, spot, key),
            unit=minor_unit(spot.currency),
        )
        step = tiers.step(total)
        return self._change(
            CommissionEntry.Kind.TIER,
            key,
            spot,
            target,
            {
                "plan": str(version),
                "kind": terms.kind.value,
                "by": tiers.by.value,
                "total": plain(total),
                "rate": plain(step.rate if step else terms.rate),
                "threshold": plain(step.threshold) if step else "",
            },
        )

    def _goal_change(self, version: PlanVersion, goal: Goal, spot: Spot) -> PeriodChange | None:
        if goal.period != spot.period:
            return None
        key = (
            f"goal:{spot.enrolment_id}:{goal.by}:{plain(goal.threshold)}"
            f":{goal.period}:{spot.day}:{spot.currency}"
        )
        terms = self.book.terms(version.pk, spot.enrolment_id)
        progress = self.periods.progress(*spot)
        target = goal_bonus(
            goal,
            progress,
            credited=self._posted(spot, key).amount,
            left=self._left(terms, spot, key),
        )
        return self._change(
            CommissionEntry.Kind.GOAL,
            key,
            spot,
            target,
            {
                "plan": str(version),
                "by": goal.by.value,
                "total": plain(progress.total(goal.by)),
                "threshold": plain(goal.threshold),
                "bonus": str(goal.bonus),
            },
        )

    def _posted(self, spot: Spot, key: str) -> PeriodEntries:
        known = self.periods.posted[spot.enrolment_id].get(key)
        return known or PeriodEntries(day=spot.day, currency=spot.currency)

    def _left(self, terms: Terms, spot: Spot, key: str) -> Decimal | None:
        """What the plan's limit leaves for something that was posted under a key."""
        if terms.cap is None:
            return None
        used = self.periods.progress(
            spot.enrolment_id, terms.cap.period, spot.day, spot.currency
        ).earned
        return terms.cap.amount - used + self._posted(spot, key).amount

    def _change(
        self,
        kind: CommissionEntry.Kind,
        key: str,
        spot: Spot,
        target: Decimal,
        figures: Figures,
    ) -> PeriodChange | None:
        """The step from what was posted under a key to what it has to be."""
        posted = self._posted(spot, key)
        amount = target - posted.amount
        if not amount:
            return None
        line = posted.lines + 1
        held_until = posted.held_until if amount < 0 else self.periods.held_until(*spot)
        entries = PeriodEntries(
            day=spot.day, currency=spot.currency, amount=amount, lines=1, held_until=held_until
        )
        self.periods.note(spot.enrolment_id, key, entries)
        return PeriodChange(
            enrolment_id=spot.enrolment_id,
            kind=kind,
            reference=f"{key}:{line}",
            amount=amount,
            currency=spot.currency,
            held_until=held_until or self.periods.held_until(*spot),
            figures={
                **figures,
                "day": spot.day.isoformat(),
                "period": spot.period.value,
                "earned": str(target),
                "credited_before": str(target - amount),
            },
        )
