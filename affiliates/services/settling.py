"""From bills to commissions: attribute each order once, post only differences."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Self

from django.db import transaction
from django.db.models import Count, Max, Sum

from affiliates.engine import MINOR_UNIT, correction
from affiliates.events import CommissionPosted
from affiliates.models import (
    CommissionEntry,
    Conversion,
    Enrolment,
    PlanVersion,
    Tally,
)
from affiliates.services.attributing import attribute_orders, hold_end
from affiliates.services.orders import NOTHING, Order, load_kept, lock_orders
from affiliates.services.planbook import WINNER, Figures, PlanBook, Share
from affiliates.services.pricing import PeriodChange, Pricer
from affiliates.services.screening import screen_conversions
from affiliates.services.shares import (
    Recruiters,
    attributed_shares,
    load_recruiters,
    pinned_parent,
    recruiters_figures,
    recruiters_part,
    recruiters_share,
)
from affiliates.services.shoppers import Shoppers
from affiliates.services.tallies import (
    Periods,
    emptied,
    is_alike,
    span,
    tallies_of,
    write_tallies,
)
from loyalty.engine import Bill
from loyalty_site.outbox.services import publish


@transaction.atomic
def settle_commissions(*, purchase_ids: Collection[int]) -> list[CommissionEntry]:
    """Bring the commissions of these bills to their present state; returns the new entries.

    A return settles the sale it belongs to. Each sale is recomputed from its current state and
    all its returns, and only the difference to what was credited is posted, so repeated and
    out-of-order calls change nothing. The bills are taken in the order of their dates, whatever
    the call. The number of queries does not depend on the bills.
    """
    orders = lock_orders(purchase_ids)
    conversions = attribute_orders(orders)
    screen_conversions(conversions=conversions.values(), orders=orders)
    entries = CommissionEntry.objects.bulk_create(_Desk.open(conversions, orders).settle())
    announce(entries)
    return entries


def announce(entries: Iterable[CommissionEntry]) -> None:
    """Publish new entries."""
    publish(
        CommissionPosted(
            entry_id=entry.pk,
            affiliate_id=entry.affiliate_id,
            customer_id=entry.affiliate.customer_id,
            amount=entry.amount,
            currency=entry.currency,
            purchase_number=entry.conversion.purchase.number if entry.conversion else "",
            occurred_at=entry.occurred_at,
        )
        for entry in entries
    )


@dataclass(slots=True)
class _Credit:
    """What an enrolment was credited for a conversion so far, and what it earns now."""

    amount: Decimal = NOTHING
    held_until: datetime | None = None
    lines: int = 0
    earned: Decimal = NOTHING
    figures: Figures | None = None


@dataclass(slots=True)
class _Desk:
    """Everything about a set of conversions, with their enrolments locked."""

    conversions: list[Conversion]
    orders: Mapping[int, Order]
    kept: Mapping[int, Bill]
    pricer: Pricer
    tallies: dict[int, dict[int, Tally]]
    credits: dict[int, dict[int, _Credit]]
    granted: frozenset[int]
    recruiters: Recruiters

    @classmethod
    def open(cls, conversions: Mapping[int, Conversion], orders: Mapping[int, Order]) -> Self:
        """Lock the enrolments, then read what the bills need; a constant number of queries."""
        mine = {pk: orders[pk] for pk in conversions}
        in_order = sorted(conversions.values(), key=lambda one: mine[one.purchase_id].place)
        ids = [conversion.pk for conversion in in_order]
        tallies: dict[int, dict[int, Tally]] = defaultdict(dict)
        for tally in tallies_of(ids):
            tallies[tally.conversion_id][tally.enrolment_id] = tally
        credits = _credits(ids)
        book = _lock_plans(in_order, credits)
        terms = book.all_terms(share for one in in_order for share in attributed_shares(one))
        before = [tally for of_one in tallies.values() for tally in of_one.values()]
        days = {order.day for order in mine.values()} | {tally.day for tally in before}
        looked_at = {period for one in terms for period in one.periods}
        periods = Periods()
        if looked_at:
            periods = Periods.load(book.enrolments, *span(looked_at, days), beside=ids)
        for tally in before:
            periods.add(tally)
        return cls(
            conversions=in_order,
            orders=mine,
            kept=load_kept(mine),
            pricer=Pricer(book, periods, Shoppers.load(mine.values(), terms)),
            tallies=tallies,
            credits=credits,
            granted=_granted_by_hand(mine),
            recruiters=load_recruiters(book) if any(one.parent_percent for one in terms) else {},
        )

    def settle(self) -> list[CommissionEntry]:
        """Write down what is pinned and counted now; the new entries are left to the caller."""
        changed: list[Conversion] = []
        counted: list[Tally] = []
        entries: list[CommissionEntry] = []
        for conversion in self.conversions:
            before = conversion.shares
            counted.extend(self._take(conversion))
            if conversion.shares != before:
                changed.append(conversion)
            entries.extend(self._corrections(conversion))
            order = self.orders[conversion.purchase_id]
            entries.extend(
                self._of_period(change, order) for change in self.pricer.settle_periods()
            )
        Conversion.objects.bulk_update(changed, ["shares"])
        write_tallies(counted)
        return entries

    def _take(self, conversion: Conversion) -> list[Tally]:
        """Price the shares of one conversion; answers the tallies that changed."""
        order = self.orders[conversion.purchase_id]
        of_one, before = self.credits[conversion.pk], self.tallies[conversion.pk]
        pays = conversion.review != Conversion.Review.REFUSED and order.sale.pk not in self.granted
        shares = attributed_shares(conversion)
        parent = pinned_parent(conversion, shares)
        changed: list[Tally] = []
        for share in shares:
            enrolment = self.pricer.book.enrolments[share["enrolment_id"]]
            share.setdefault("held_until", hold_end(order.sale, enrolment).isoformat())
            if share["role"] == WINNER and not share.get("pinned"):
                parent = recruiters_share(self.pricer.book, self.recruiters, share, order, shares)
            old = before.pop(enrolment.pk, None)
            priced = self.pricer.price(
                conversion, share, order, self.kept[order.sale.pk], before=old, pays=pays
            )
            share["paid"] = priced.figures
            _earn(of_one, share, priced.amount, priced.figures)
            if old is None or not is_alike(old, priced.tally):
                changed.append(priced.tally)
        for tally in before.values():
            self.pricer.drop(tally)
            changed.append(emptied(tally))
        if parent is not None:
            child = of_one[shares[0]["enrolment_id"]].earned
            amount = recruiters_part(child, parent, order.sale.currency)
            parent["paid"] = recruiters_figures(self.pricer.book, shares[0], parent, child, amount)
            shares.append(parent)
            _earn(of_one, parent, amount, parent["paid"])
        conversion.shares = shares
        return changed

    # --- entries ----------------------------------------------------------------------------------

    def _corrections(self, conversion: Conversion) -> list[CommissionEntry]:
        """The entries that take a conversion from what was credited to what is earned now."""
        of_one = self.credits[conversion.pk]
        lines = sum(credit.lines for credit in of_one.values())
        entries: list[CommissionEntry] = []
        for enrolment_id, credit in of_one.items():
            amount = correction(credited=credit.amount, earned=credit.earned)
            if amount:
                lines += 1
                entries.append(self._entry(conversion, enrolment_id, credit, amount, line=lines))
        return entries

    def _entry(
        self,
        conversion: Conversion,
        enrolment_id: int,
        credit: _Credit,
        amount: Decimal,
        *,
        line: int,
    ) -> CommissionEntry:
        order = self.orders[conversion.purchase_id]
        sale, enrolment = order.sale, self.pricer.book.enrolments[enrolment_id]
        cause = self._cause(conversion, credit, amount)
        return CommissionEntry(
            conversion=conversion,
            enrolment=enrolment,
            affiliate=enrolment.affiliate,
            kind=CommissionEntry.Kind.CORRECT if credit.lines else CommissionEntry.Kind.EARN,
            amount=amount,
            currency=sale.currency,
            reference=f"purchase:{sale.pk}:{line}",
            explanation={
                **(credit.figures or _NO_FIGURES),
                "cause": cause,
                "sale_net": str(sale.net),
                "returned_net": str(order.returned_net),
                "remaining_net": str(order.remaining_net),
                "credited_before": str(credit.amount),
                "review_reason": conversion.review_reason,
            },
            occurred_at={"earned": sale.occurred_at, "returned": order.last_returned_at}.get(cause)
            or sale.updated_at,
            held_until=credit.held_until or hold_end(sale, enrolment),
        )

    def _cause(self, conversion: Conversion, credit: _Credit, amount: Decimal) -> str:
        order = self.orders[conversion.purchase_id]
        if credit.figures is None:
            return "lost"
        if conversion.review == Conversion.Review.REFUSED:
            return "refused"
        if order.sale.pk in self.granted:
            return "by_hand"
        if not credit.lines:
            return "earned"
        if not order.sale.is_active:
            return "cancelled"
        return "returned" if order.returned_net and amount < 0 else "changed"

    def _of_period(self, change: PeriodChange, order: Order) -> CommissionEntry:
        enrolment = self.pricer.book.enrolments[change.enrolment_id]
        fell = order.last_returned_at or order.sale.updated_at
        return CommissionEntry(
            enrolment=enrolment,
            affiliate=enrolment.affiliate,
            kind=change.kind,
            amount=change.amount,
            currency=change.currency,
            reference=change.reference,
            explanation={**change.figures, "bill": order.sale.number},
            occurred_at=order.sale.occurred_at if change.amount > 0 else fell,
            held_until=change.held_until,
        )


_NO_FIGURES: Figures = {"plan": "", "kind": "", "rate": "", "exact": "0", "earned": str(NOTHING)}


def _earn(of_one: dict[int, _Credit], share: Share, amount: Decimal, figures: Figures) -> None:
    credit = of_one.setdefault(share["enrolment_id"], _Credit())
    credit.earned += amount
    credit.figures = figures
    credit.held_until = credit.held_until or datetime.fromisoformat(share["held_until"])


def _credits(conversion_ids: Collection[int]) -> dict[int, dict[int, _Credit]]:
    credits: dict[int, dict[int, _Credit]] = defaultdict(dict)
    for conversion_id, enrolment_id, amount, held_until, lines in (
        CommissionEntry.objects.filter(conversion_id__in=conversion_ids)
        .values_list("conversion_id", "enrolment_id")
        .annotate(amount=Sum("amount"), held_until=Max("held_until"), lines=Count("pk"))
    ):
        credits[conversion_id][enrolment_id] = _Credit(
            amount.quantize(MINOR_UNIT), held_until, lines
        )
    return credits


def _lock_plans(
    conversions: Iterable[Conversion], credits: Mapping[int, Mapping[int, _Credit]]
) -> PlanBook:
    """The enrolments of these bills, locked in pk order, with all that their plans ever said."""
    ids = {enrolment_id for of_one in credits.values() for enrolment_id in of_one}
    ids |= {share["enrolment_id"] for one in conversions for share in one.shares}
    ids |= {one.enrolment_id for one in conversions if one.enrolment_id}
    enrolments = {
        enrolment.pk: enrolment
        for enrolment in Enrolment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("affiliate")
        .filter(pk__in=ids)
        .order_by("pk")
    }
    plan_ids = {enrolment.plan_id for enrolment in enrolments.values()}
    versions = PlanVersion.objects.filter(plan_id__in=plan_ids).select_related("plan")
    return PlanBook({version.pk: version for version in versions}, enrolments)


def _granted_by_hand(purchase_ids: Iterable[int]) -> frozenset[int]:
    """Bills for which staff granted a commission; they earn nothing else."""
    by_reference = {granted_reference(pk): pk for pk in purchase_ids}
    found = CommissionEntry.objects.filter(reference__in=by_reference)
    return frozenset(by_reference[one] for one in found.values_list("reference", flat=True))


def granted_reference(purchase_id: int) -> str:
    """The reference of a commission that staff grant for a bill; there is one a bill."""
    return f"manual:purchase:{purchase_id}"
