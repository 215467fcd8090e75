"""What affiliates' periods hold: sums over the tallies of their bills."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from django.db.models import Max, Sum

from affiliates.engine import CountedBill, Progress
from affiliates.models import CommissionEntry, Tally
from loyalty.engine import Period, bounds

PERIOD_KINDS = (CommissionEntry.Kind.TIER, CommissionEntry.Kind.GOAL)
_ZERO = Decimal(0)
_WRITTEN = [
    "plan_version",
    "day",
    "currency",
    "net",
    "orders",
    "units",
    "base",
    "rate",
    "amount",
    "desired",
    "held_until",
]


@dataclass(frozen=True, slots=True)
class Group:
    """Bills of one day that are alike."""

    day: date
    currency: str
    version_id: int
    base: Decimal
    rate: Decimal


@dataclass(slots=True)
class Sums:
    """What a group comes to."""

    net: Decimal = _ZERO
    orders: int = 0
    units: Decimal = _ZERO
    amount: Decimal = _ZERO
    desired: Decimal = _ZERO


@dataclass(slots=True)
class PeriodEntries:
    """What was posted for a period as a whole, under one key."""

    day: date
    currency: str
    amount: Decimal = _ZERO
    lines: int = 0
    held_until: datetime | None = None


@dataclass(slots=True)
class Periods:
    """The days of a set of enrolments; hold the enrolments locked while it decides anything."""

    days: dict[int, dict[date, dict[Group, Sums]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(lambda: defaultdict(Sums)))
    )
    holds: dict[tuple[int, date, str], datetime] = field(default_factory=dict)
    posted: dict[int, dict[str, PeriodEntries]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def load(
        cls, enrolment_ids: Collection[int], since: date, until: date, *, beside: Collection[int]
    ) -> Self:
        """Read the days of enrolments, without some conversions; two queries."""
        periods = cls()
        rows = (
            Tally.objects.filter(enrolment_id__in=enrolment_ids, day__range=(since, until))
            .exclude(conversion_id__in=beside)
            .values_list("enrolment_id", "day", "currency", "plan_version_id", "base", "rate")
            .annotate(
                Sum("net"), Sum("orders"), Sum("units"), Sum("amount"), Sum("desired"),
                Max("held_until"),
            )
            .order_by()
        )  # fmt: skip
        for enrolment_id, day, currency, version_id, base, rate, *sums, held_until in rows:
            net, orders, units, amount, desired = sums
            group = Group(day, currency, version_id, base, rate)
            periods.days[enrolment_id][day][group] = Sums(net, orders, units, amount, desired)
            periods._hold(enrolment_id, day, currency, held_until)
        for enrolment_id, key, day, currency, amount, held_until in (
            CommissionEntry.objects.filter(
                enrolment_id__in=enrolment_ids, conversion=None, kind__in=PERIOD_KINDS
            )
            .order_by("pk")
            .values_list(
                "enrolment_id", "reference", "explanation__day", "currency", "amount", "held_until"
            )
        ):
            periods.note(
                enrolment_id,
                key.rpartition(":")[0],
                PeriodEntries(
                    day=date.fromisoformat(day),
                    currency=currency,
                    amount=amount,
                    lines=1,
                    held_until=held_until,
                ),
            )
        return periods

    @classmethod
    def from_json(cls, written: Sequence[Sequence[Any]]) -> Self:
        """What `to_json` wrote, without the holds."""
        periods = cls()
        for enrolment_id, day, currency, version_id, base, rate, orders, *sums in written[0]:
            on = date.fromisoformat(day)
            net, units, amount, desired = (Decimal(text) for text in sums)
            group = Group(on, currency, version_id, Decimal(base), Decimal(rate))
            periods.days[enrolment_id][on][group] = Sums(net, orders, units, amount, desired)
        for enrolment_id, key, day, currency, amount, lines in written[1]:
            entries = PeriodEntries(date.fromisoformat(day), currency, Decimal(amount), lines)
            periods.note(enrolment_id, key, entries)
        return periods

    def to_json(self) -> list[list[list[Any]]]:
        """Plain values, for a run that is cut off."""
        days = [
            [
                enrolment_id,
                day.isoformat(),
                group.currency,
                group.version_id,
                str(group.base),
                str(group.rate),
                sums.orders,
                *(str(one) for one in (sums.net, sums.units, sums.amount, sums.desired)),
            ]
            for enrolment_id, by_day in self.days.items()
            for day, groups in by_day.items()
            for group, sums in groups.items()
        ]
        posted = [
            [enrolment_id, key, one.day.isoformat(), one.currency, str(one.amount), one.lines]
            for enrolment_id, by_key in self.posted.items()
            for key, one in by_key.items()
        ]
        return [days, posted]

    def note(self, enrolment_id: int, key: str, entries: PeriodEntries) -> None:
        """Something was posted for a whole period."""
        known = self.posted[enrolment_id].setdefault(
            key, PeriodEntries(entries.day, entries.currency)
        )
        known.amount += entries.amount
        known.lines += entries.lines
        known.held_until = max(filter(None, (known.held_until, entries.held_until)), default=None)

    def add(self, tally: Tally, sign: int = 1) -> None:
        """Count a bill, or with -1 no longer."""
        group = Group(tally.day, tally.currency, tally.plan_version_id, tally.base, tally.rate)
        sums = self.days[tally.enrolment_id][tally.day][group]
        sums.net += sign * tally.net
        sums.orders += sign * tally.orders
        sums.units += sign * tally.units
        sums.amount += sign * tally.amount
        sums.desired += sign * tally.desired
        self._hold(tally.enrolment_id, tally.day, tally.currency, tally.held_until)

    def _hold(self, enrolment_id: int, day: date, currency: str, held_until: datetime) -> None:
        key = (enrolment_id, day, currency)
        self.holds[key] = max(self.holds.get(key, held_until), held_until)

    def progress(self, enrolment_id: int, period: Period, day: date, currency: str) -> Progress:
        """What the period of a day holds, with what was posted for it as a whole."""
        net, orders, earned = _ZERO, 0, _ZERO
        first, last = bounds(period, day)
        for _, sums in self.groups(enrolment_id, period, day, currency):
            net, orders, earned = net + sums.net, orders + sums.orders, earned + sums.amount
        for entries in self.posted[enrolment_id].values():
            if first <= entries.day <= last and entries.currency == currency:
                earned += entries.amount
        return Progress(net=net, orders=orders, earned=earned)

    def groups(
        self, enrolment_id: int, period: Period, day: date, currency: str
    ) -> Iterator[tuple[Group, Sums]]:
        """The groups of a day's period."""
        first, last = bounds(period, day)
        days = self.days[enrolment_id]
        if (last - first).days < len(days):
            within = [first + timedelta(days=after) for after in range((last - first).days + 1)]
        else:
            within = [one for one in days if first <= one <= last]
        for one in within:
            if one in days:
                yield from (pair for pair in days[one].items() if pair[0].currency == currency)

    def counted(
        self, enrolment_id: int, period: Period, day: date, currency: str
    ) -> dict[int, list[CountedBill]]:
        """A day's period by plan version, as far as something counts or was paid."""
        versions: dict[int, list[CountedBill]] = defaultdict(list)
        for group, sums in self.groups(enrolment_id, period, day, currency):
            if sums.units or sums.amount or sums.orders:
                versions[group.version_id].append(
                    CountedBill(
                        base=group.base,
                        rate=group.rate,
                        units=sums.units,
                        amount=sums.amount,
                        desired=sums.desired,
                    )
                )
        return versions

    def held_until(self, enrolment_id: int, period: Period, day: date, currency: str) -> datetime:
        """When the last bill of a day's period is through its hold."""
        first, last = bounds(period, day)
        return max(
            held
            for (one, on, money), held in self.holds.items()
            if one == enrolment_id and first <= on <= last and money == currency
        )


def span(periods: Iterable[Period], days: Collection[date]) -> tuple[date, date]:
    """The first and the last day that any of the periods around these days has."""
    around = [bounds(period, day) for period in {*periods, Period.DAY} for day in days]
    return min(first for first, _ in around), max(last for _, last in around)


def tallies_of(conversion_ids: Collection[int]) -> list[Tally]:
    """The tallies of conversions; one query."""
    return list(Tally.objects.filter(conversion_id__in=conversion_ids))


def is_alike(one: Tally, other: Tally) -> bool:
    """Whether two tallies of a bill count the same."""
    names = (name for name in _WRITTEN if name != "plan_version")
    return one.plan_version_id == other.plan_version_id and all(
        getattr(one, name) == getattr(other, name) for name in names
    )


def emptied(tally: Tally) -> Tally:
    """The tally of a bill that an affiliate lost."""
    for name in ("net", "orders", "units", "amount", "desired"):
        setattr(tally, name, 0)
    return tally


def write_tallies(tallies: Iterable[Tally]) -> None:
    """Put the present state of bills in the place of what they counted before."""
    Tally.objects.bulk_create(
        tallies,
        update_conflicts=True,
        unique_fields=["conversion", "enrolment"],
        update_fields=_WRITTEN,
    )
