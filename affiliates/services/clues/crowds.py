"""What else an affiliate brought at the time of a bill."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property

from django.db.models import Count, Q
from django.db.models.functions import TruncDate

from affiliates.engine.risk import DAY, USUAL_DAYS, Crowd, Visit
from affiliates.models import RiskPolicy, Screening
from affiliates.services.clues.subjects import Subject
from customers.models import Purchase, Store

Counts = Counter[date]


class Crowds:
    """How many bills of an affiliate came when, where and from whom."""

    def __init__(
        self,
        fresh: Sequence[Subject],
        visits: Mapping[tuple[int, int], Sequence[tuple[Visit, datetime]]],
        policy: RiskPolicy,
    ) -> None:
        self._fresh, self._visits, self._policy = fresh, visits, policy
        self._rows: dict[int, list[Screening]] = defaultdict(list)
        self._usual: dict[tuple[int, bool], Counts] = defaultdict(Counter)
        self._buyers: dict[tuple[int, str], set[int]] = defaultdict(set)
        self._known: set[tuple[int, int]] = set()
        if fresh:
            self._load()

    def around(self, subject: Subject) -> Crowd:
        """The crowd in which a bill stands."""
        seen = self._seen(subject)
        affiliate_id = subject.affiliate.pk
        rows = self._rows[affiliate_id]
        times = [row.occurred_at for row in rows]
        strangers = [row.occurred_at for row in rows if row.is_stranger]
        others_at_domain = self._buyers[affiliate_id, seen.domain_index] - {subject.buyer_id}
        others_on_device = self._buyers[affiliate_id, seen.visitor_hash] - {subject.buyer_id}
        brought = 1 + sum(
            (row.store_id, row.source) == (seen.store_id, seen.source)
            and self._first_day(subject) <= row.occurred_at.astimezone(UTC).date() <= subject.day
            for row in rows
        )
        is_looked_at = brought >= self._policy.counter_bills
        return Crowd(
            times=[*times, subject.at],
            strangers=[*strangers, subject.at] if seen.is_stranger else [],
            usual=self._usual_of(subject, strangers=False),
            usual_strangers=self._usual_of(subject, strangers=True),
            counter=self._stores[seen.store_id] if is_looked_at else "",
            counter_brought=brought,
            counter_bills=self._bills_at_counter(subject) if is_looked_at else 0,
            buyers_at_domain=len(others_at_domain) if seen.domain_index else 0,
            buyers_on_device=len(others_on_device) if seen.visitor_hash else 0,
        )

    def remember(self, subject: Subject) -> Screening:
        """Let a bill count for those that follow."""
        seen = self._seen(subject)
        self._rows[seen.affiliate_id].append(seen)
        self._count(seen.affiliate_id, subject.day, 1, int(seen.is_stranger))
        self._note_buyer(seen.affiliate_id, seen.customer_id, seen.domain_index, seen.visitor_hash)
        return seen

    def _seen(self, subject: Subject) -> Screening:
        sale, found = subject.order.sale, self._visits[subject.key]
        visitors = [visit.visitor for visit, _ in found if visit.visitor]
        is_known = (subject.affiliate.pk, subject.buyer_id) in self._known
        return Screening(
            conversion=subject.conversion,
            enrolment=subject.enrolment,
            affiliate=subject.affiliate,
            customer_id=subject.buyer_id,
            store_id=sale.store_id,
            source=sale.source,
            domain_index=subject.domain_index,
            visitor_hash=visitors[-1] if visitors else "",
            is_stranger=subject.won_by_code and not found and not is_known,
            occurred_at=sale.occurred_at,
        )

    def _load(self) -> None:
        affiliates = {subject.affiliate.pk for subject in self._fresh}
        first = min(subject.at for subject in self._fresh)
        last = max(subject.at for subject in self._fresh)
        own = [subject.conversion.pk for subject in self._fresh]
        others = Screening.objects.filter(affiliate__in=affiliates).exclude(conversion__in=own)
        around = max(DAY, timedelta(days=self._policy.counter_days + 1))
        for row in others.filter(occurred_at__gt=first - around, occurred_at__lt=last + DAY):
            self._rows[row.affiliate_id].append(row)
        counted = (
            others.filter(
                occurred_at__gt=first - timedelta(days=USUAL_DAYS + 1), occurred_at__lt=last
            )
            .annotate(day=TruncDate("occurred_at", tzinfo=UTC))
            .values_list("affiliate_id", "day")
            .annotate(bills=Count("pk"), strangers=Count("pk", filter=Q(is_stranger=True)))
            .order_by()
        )
        for affiliate_id, day, bills, strangers in counted:
            self._count(affiliate_id, day, bills, strangers)
        seen = [self._seen(subject) for subject in self._fresh]
        alike = (
            Q(customer__in={row.customer_id for row in seen} - {None})
            | Q(domain_index__in={row.domain_index for row in seen} - {""})
            | Q(visitor_hash__in={row.visitor_hash for row in seen} - {""})
        )
        for buyer in (
            others.filter(alike)
            .values_list("affiliate_id", "customer_id", "domain_index", "visitor_hash")
            .distinct()
        ):
            self._note_buyer(*buyer)

    def _count(self, affiliate_id: int, day: date, bills: int, strangers: int) -> None:
        self._usual[affiliate_id, False][day] += bills
        self._usual[affiliate_id, True][day] += strangers

    def _note_buyer(
        self, affiliate_id: int, customer_id: int | None, domain_index: str, visitor_hash: str
    ) -> None:
        if customer_id is None:
            return
        self._known.add((affiliate_id, customer_id))
        self._buyers[affiliate_id, domain_index].add(customer_id)
        self._buyers[affiliate_id, visitor_hash].add(customer_id)

    def _usual_of(self, subject: Subject, *, strangers: bool) -> Decimal:
        """Bills a day over the four weeks before the day of the bill."""
        counts = self._usual[subject.affiliate.pk, strangers]
        first = subject.day - timedelta(days=USUAL_DAYS)
        total = sum(count for day, count in counts.items() if first <= day < subject.day)
        return Decimal(total) / USUAL_DAYS

    def _first_day(self, subject: Subject) -> date:
        return subject.day - timedelta(days=self._policy.counter_days - 1)

    def _bills_at_counter(self, subject: Subject) -> int:
        sale, first = subject.order.sale, self._first_day(subject)
        counts = self._counters[sale.store_id, sale.source]
        return sum(count for day, count in counts.items() if first <= day <= subject.day)

    @cached_property
    def _stores(self) -> dict[int, str]:
        stores = Store.objects.filter(pk__in={one.order.sale.store_id for one in self._fresh})
        return {store.pk: str(store) for store in stores}

    @cached_property
    def _counters(self) -> dict[tuple[int, str], Counts]:
        """Bills a day at the counters of the fresh bills; read only when a share is in question."""
        first = min(self._first_day(subject) for subject in self._fresh)
        last = max(subject.day for subject in self._fresh)
        counters: dict[tuple[int, str], Counts] = defaultdict(Counter)
        for store_id, source, day, bills in (
            Purchase.objects.filter(
                store__in={subject.order.sale.store_id for subject in self._fresh},
                kind=Purchase.Kind.SALE,
                status=Purchase.Status.ACTIVE,
                occurred_at__gte=datetime(first.year, first.month, first.day, tzinfo=UTC),
                occurred_at__lt=datetime(last.year, last.month, last.day, tzinfo=UTC) + DAY,
            )
            .annotate(day=TruncDate("occurred_at", tzinfo=UTC))
            .values_list("store_id", "source", "day")
            .annotate(bills=Count("pk"))
            .order_by()
        ):
            counters[store_id, source][day] += bills
        return counters
