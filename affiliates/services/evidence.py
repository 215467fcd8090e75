"""What speaks for an affiliate on a set of orders: read once, in a constant number of queries."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from affiliates.engine import CLOCK_TOLERANCE, Candidate, Rung
from affiliates.models import (
    Affiliate,
    Binding,
    Click,
    Code,
    Enrolment,
    ManualAttribution,
    PlanVersion,
    Touch,
)
from affiliates.selectors import clicks_by_id, codes_by_text
from affiliates.services.orders import Order
from customers.models import Customer, Purchase

CLICK_PREFIX = "clk_"
_RUNG_OF_WAY = {
    Touch.Way.CLAIM: Rung.CLAIM,
    Touch.Way.CLICK: Rung.CLICK,
    Touch.Way.COOKIE: Rung.COOKIE,
}


def click_ids(purchase: Purchase) -> list[str]:
    """The ids of clicks among the codes of a bill, as they were written."""
    texts = [code.strip() for code in purchase.codes if isinstance(code, str)]
    return [text for text in texts if text.startswith(CLICK_PREFIX)]


@dataclass(frozen=True, slots=True)
class Named:
    """What was said of the orders themselves: by staff, and with the order's key."""

    manual: Mapping[int, ManualAttribution]
    touches: Mapping[tuple[str, str], Sequence[Touch]]

    @classmethod
    def load(cls, orders: Mapping[int, Order]) -> "Named":
        manual: dict[int, ManualAttribution] = {}
        for one in ManualAttribution.objects.filter(purchase__in=orders).order_by("pk"):
            manual[one.purchase_id] = one
        keys: dict[str, list[str]] = defaultdict(list)
        for order in orders.values():
            keys[order.sale.source].append(order.sale.external_id)
        of_orders = Q(pk__in=())
        for source, external_ids in keys.items():
            of_orders |= Q(order_source=source, order_key__in=external_ids) & ~Q(order_key="")
        touches: dict[tuple[str, str], list[Touch]] = defaultdict(list)
        for touch in Touch.objects.filter(of_orders).select_related("click").order_by("pk"):
            touches[touch.order_source, touch.order_key].append(touch)
        return cls(manual, touches)

    def touches_of(self, sale: Purchase) -> Sequence[Touch]:
        return self.touches.get((sale.source, sale.external_id), ())

    def facts(self, order: Order) -> dict[str, Any]:
        """What the decision on an order rests on; it is taken again when one of these changes."""
        sale = order.sale
        facts: dict[str, Any] = {
            "customer_id": sale.customer_id,
            "codes": order.codes,
            "occurred_at": sale.occurred_at.isoformat(),
        }
        if manual := self.manual.get(sale.pk):
            facts["manual"] = manual.pk
        if touches := self.touches_of(sale):
            facts["touches"] = [touch.pk for touch in touches]
        return facts


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that speaks for somebody on orders that are to be decided.

    `people` names for each customer of today all records of that person, merged ones included.
    """

    named: Named
    people: Mapping[int, Sequence[int]]
    codes: Mapping[str, Code]
    clicks: Mapping[str, Click]
    by_customer: Mapping[int, Sequence[Touch]]
    by_phone: Mapping[str, Sequence[Touch]]
    phones: Mapping[int, Sequence[str]]

    @classmethod
    def load(cls, orders: Sequence[Order], named: Named) -> "Evidence":
        sales = [order.sale for order in orders]
        people, phones = _people(sales)
        records = [record for records in people.values() for record in records]
        indexes = {index for of_one in phones.values() for index in of_one}
        indexes |= {sale.phone_index for sale in sales if sale.phone_index}
        by_customer: dict[int, list[Touch]] = defaultdict(list)
        by_phone: dict[str, list[Touch]] = defaultdict(list)
        if records or indexes:
            of_people = Q(customer__in=records)
            of_people |= Q(phone_index__in=indexes) & ~Q(phone_index="")
            for touch in Touch.objects.filter(of_people).select_related("click").order_by("pk"):
                if touch.customer_id is not None:
                    by_customer[touch.customer_id].append(touch)
                else:
                    by_phone[touch.phone_index].append(touch)
        return cls(
            named=named,
            people=people,
            codes=codes_by_text(text for order in orders for text in order.codes),
            clicks=clicks_by_id([text for sale in sales for text in click_ids(sale)]),
            by_customer=by_customer,
            by_phone=by_phone,
            phones=phones,
        )

    def enrolment_ids(self) -> set[int]:
        """Everybody for whom something speaks, bindings apart."""
        touches = [*self.named.touches.values(), *self.by_customer.values()]
        touches += self.by_phone.values()
        manual = {one.enrolment_id for one in self.named.manual.values()} - {None}
        return {
            *{code.enrolment_id for code in self.codes.values()},
            *{click.link.enrolment_id for click in self.clicks.values()},
            *{touch.enrolment_id for group in touches for touch in group},
            *{enrolment_id for enrolment_id in manual if enrolment_id is not None},
        }

    def candidates(
        self, order: Order, bindings: Iterable[Binding], teams: "Teams", pinned: Collection[int]
    ) -> list[Candidate]:
        """All candidates of an order; for `pinned` enrolments approval was decided before."""
        sale = order.sale
        found: list[Candidate] = []

        def add(rung: Rung, code: str, enrolment_id: int, since: datetime, **more: Any) -> None:
            is_pinned = enrolment_id in pinned
            found.append(teams.candidate(sale, rung, code, enrolment_id, since, is_pinned, **more))

        manual = self.named.manual.get(sale.pk)
        if manual is not None and manual.enrolment_id is not None:
            add(Rung.MANUAL, manual.reason, manual.enrolment_id, sale.occurred_at)
        for binding in bindings:
            if binding.purchase_id == sale.pk:
                continue  # this very bill made it
            ends = [at for at in (binding.ends_at, binding.ended_at) if at is not None]
            until = min(ends, default=None)
            if until is None or until > binding.bound_at:
                since = binding.bound_at
                add(Rung.BINDING, binding.reason, binding.enrolment_id, since, valid_until=until)
        for text in dict.fromkeys(order.codes):
            if text in self.codes:
                code = self.codes[text]
                add(Rung.CODE, code.text, code.enrolment_id, code.valid_from)
        for text in dict.fromkeys(click_ids(sale)):
            if text in self.clicks:
                click = self.clicks[text]
                is_person = click.kind == Click.Kind.PERSON
                at, enrolment_id = click.clicked_at, click.link.enrolment_id
                add(Rung.CLICK, click.public_id, enrolment_id, at, is_person=is_person)
        for rung, touch in self._touches(sale):
            seen = touch.click.public_id if touch.click else touch.place
            add(rung, seen, touch.enrolment_id, touch.touched_at)
        return found

    def _touches(self, sale: Purchase) -> Iterable[tuple[Rung, Touch]]:
        """The touch that counts of each rung and enrolment: the last one before the bill."""
        indexes = {sale.phone_index, *self.phones.get(sale.customer_id or 0, ())} - {""}
        groups = [self.by_phone.get(index, ()) for index in sorted(indexes)]
        if sale.customer_id is not None:
            groups += [self.by_customer.get(one, ()) for one in self.people[sale.customer_id]]
        rungs = [(_rung_with_order(touch), touch) for touch in self.named.touches_of(sale)]
        rungs += [
            (_RUNG_OF_WAY[Touch.Way(touch.way)], touch)
            for group in groups
            for touch in group
            if not touch.order_key
        ]
        latest = sale.occurred_at + CLOCK_TOLERANCE

        def nearness(touch: Touch) -> tuple[bool, float]:
            moment, is_before = touch.touched_at.timestamp(), touch.touched_at <= latest
            return is_before, moment if is_before else -moment

        best: dict[tuple[Rung, int], Touch] = {}
        for rung, touch in rungs:
            known = best.get((rung, touch.enrolment_id))
            if known is None or nearness(known) < nearness(touch):
                best[rung, touch.enrolment_id] = touch
        return [(rung, touch) for (rung, _), touch in best.items()]


def _rung_with_order(touch: Touch) -> Rung:
    """A code that was named with the order is as good as one on the bill."""
    way = Touch.Way(touch.way)
    return Rung.CODE if way == Touch.Way.CLAIM else _RUNG_OF_WAY[way]


def _people(sales: Iterable[Purchase]) -> tuple[dict[int, list[int]], dict[int, list[str]]]:
    """The records and the phones' hashes of each buyer, with those merged into them."""
    buyers = {sale.customer.pk: sale.customer for sale in sales if sale.customer}
    records = {pk: [pk] for pk in buyers}
    phones = {pk: [buyer.phone_index] for pk, buyer in buyers.items() if buyer.phone_index}
    if buyers:
        merged = Customer.objects.filter(merged_into__in=buyers).order_by("pk")
        for pk, survivor, index in merged.values_list("pk", "merged_into_id", "phone_index"):
            records[survivor or 0].append(pk)
            if index:
                phones.setdefault(survivor or 0, []).append(index)
    return records, phones


@dataclass(frozen=True, slots=True)
class Teams:
    """The enrolments that are in question, with what their plans said and say."""

    enrolments: Mapping[int, Enrolment]
    versions: Mapping[int, Sequence[PlanVersion]]

    @classmethod
    def load(cls, enrolment_ids: Collection[int]) -> "Teams":
        enrolments = Enrolment.objects.select_related("affiliate__customer", "plan").in_bulk(
            enrolment_ids
        )
        plans = {enrolment.plan_id for enrolment in enrolments.values()}
        versions: dict[int, list[PlanVersion]] = defaultdict(list)
        for version in PlanVersion.objects.filter(plan__in=plans).select_related("plan"):
            versions[version.plan_id].append(version)
        return cls(enrolments, versions)

    def version_at(self, enrolment: Enrolment, at: datetime) -> PlanVersion | None:
        """What the plan said then."""
        versions = self.versions.get(enrolment.plan_id, ())
        return next((one for one in versions if one.valid_from <= at), None)

    def candidate(
        self,
        sale: Purchase,
        rung: Rung,
        code: str,
        enrolment_id: int,
        since: datetime,
        is_pinned: bool,
        **more: Any,
    ) -> Candidate:
        enrolment = self.enrolments[enrolment_id]
        affiliate = enrolment.affiliate
        version = self.version_at(enrolment, sale.occurred_at)
        return Candidate(
            rung=rung,
            code=code,
            enrolment_id=enrolment.pk,
            affiliate_id=affiliate.pk,
            is_approved=is_pinned or affiliate.may_earn,
            is_enrolled=is_pinned or enrolment.state == Enrolment.State.ACTIVE,
            valid_from=since,
            plan_version_id=version.pk if version else None,
            window_days=version.window_days if version else None,
            person_id=person_of(affiliate),
            **more,
        )


def person_of(affiliate: Affiliate) -> int | None:
    """An affiliate as a customer; a merged one is the one who took over."""
    return affiliate.customer.survivor_id if affiliate.customer else None
