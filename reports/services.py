"""Rollups: mark days whose figures changed, and recompute exactly those days."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Count, F, Model, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from affiliates.models import CommissionEntry, ReachDay, Touch
from affiliates.selectors import figures_by_day
from customers.models import Customer, Purchase, PurchaseLine, Store
from loyalty.models import PointsEntry
from messaging.models import Message
from reports.engine import day_start, spans
from reports.models import (
    AffiliateDay,
    DirtyDay,
    Kind,
    MemberDay,
    PointsDay,
    RegistrationDay,
    SalesDay,
    TemplateDay,
)
from reports.selectors import program_zone

DAYS_AT_ONCE = 14
_BATCH = 2000


def mark_dirty(days: Iterable[tuple[Kind, date]]) -> None:
    """Note that days of these kinds must be recomputed; marking again changes nothing."""
    # In one order everywhere, so that two markers never wait for each other.
    DirtyDay.objects.bulk_create(
        [DirtyDay(kind=kind, day=day) for kind, day in sorted(set(days))], ignore_conflicts=True
    )


@transaction.atomic
def recompute_dirty_days(*, limit: int = DAYS_AT_ONCE) -> int:
    """Recompute up to `limit` marked days, newest first; returns how many.

    The marks go first and the figures are read after that: what changes from then on marks its
    day anew, so no change is lost. A day is recomputed whole, so doing it again changes nothing.
    """
    dirty = list(
        DirtyDay.objects.select_for_update(skip_locked=True).order_by("-day", "kind")[:limit]
    )
    DirtyDay.objects.filter(pk__in=[mark.pk for mark in dirty]).delete()
    days: dict[Kind, set[date]] = defaultdict(set)
    for mark in dirty:
        days[Kind(mark.kind)].add(mark.day)
    for kind, of_kind in days.items():
        _RECOMPUTE[kind](of_kind)
    return len(dirty)


def rebuild_rollups() -> Iterator[int]:
    """Recompute every day that has figures or rollups; yields the days done so far.

    Dashboards stay readable meanwhile. Run it after a store or the programme changed its zone.
    """
    with transaction.atomic():
        mark_dirty(_all_days())
    done = 0
    while count := recompute_dirty_days():
        done += count
        yield done


# --- Days -------------------------------------------------------------------------------------


def _within(field: str, days: Collection[date], zone: str) -> Q:
    """Rows whose instant lies on one of these days in a zone."""
    within = Q(pk__in=[])
    for first, after in spans(days):
        within |= Q(
            **{f"{field}__gte": day_start(first, zone), f"{field}__lt": day_start(after, zone)}
        )
    return within


def _local(field: str, zone: str) -> TruncDate:
    return TruncDate(field, tzinfo=ZoneInfo(zone))


def _zones() -> list[str]:
    return list(Store.objects.order_by("zone").values_list("zone", flat=True).distinct())


def _days_of(rows: QuerySet[Any], field: str, zone: str) -> set[date]:
    return set(rows.order_by().values_list(_local(field, zone), flat=True).distinct())


def _all_days() -> set[tuple[Kind, date]]:
    zone = program_zone()
    sales = set[date]()
    for store_zone in _zones():
        purchases = Purchase.objects.filter(store__zone=store_zone)
        sales |= _days_of(purchases, "occurred_at", store_zone)
    facts = {
        Kind.SALES: sales,
        Kind.POINTS: _days_of(PointsEntry.objects.all(), "occurred_at", zone),
        Kind.MEMBERS: _days_of(Customer.objects.all(), "created_at", zone),
        Kind.COMMISSION: _affiliate_days(zone),
        Kind.MESSAGES: _days_of(Message.objects.all(), "created_at", zone),
    }
    tables: dict[Kind, tuple[type[Model], ...]] = {
        Kind.SALES: (SalesDay, MemberDay),
        Kind.POINTS: (PointsDay,),
        Kind.MEMBERS: (RegistrationDay,),
        Kind.COMMISSION: (AffiliateDay,),
        Kind.MESSAGES: (TemplateDay,),
    }
    for kind, models in tables.items():
        for model in models:
            facts[kind] |= set(model._default_manager.values_list("day", flat=True).distinct())
    return {(kind, day) for kind, days in facts.items() for day in days}


def _affiliate_days(zone: str) -> set[date]:
    brought = Q(conversion__isnull=False) | Q(sale__conversion__isnull=False)
    return (
        _days_of(CommissionEntry.objects.all(), "occurred_at", zone)
        | _days_of(Purchase.objects.filter(brought), "occurred_at", zone)
        | _days_of(Touch.objects.all(), "touched_at", zone)
        | set(ReachDay.objects.order_by().values_list("day", flat=True).distinct())
    )


def _replace(model: type[Model], days: Collection[date], rows: Iterable[Model]) -> None:
    model._default_manager.filter(day__in=days).delete()
    model._default_manager.bulk_create(rows, batch_size=_BATCH)


# --- Recomputing, one kind each ---------------------------------------------------------------


def _recompute_sales(days: Collection[date]) -> None:
    sales: list[SalesDay] = []
    members: list[MemberDay] = []
    sold = Q(kind=Purchase.Kind.SALE)
    for zone in _zones():
        purchases = Purchase.objects.filter(
            _within("occurred_at", days, zone), store__zone=zone, status=Purchase.Status.ACTIVE
        ).annotate(day=_local("occurred_at", zone))
        lines = {
            (row["day"], row["store"]): row["lines"]
            for row in PurchaseLine.objects.filter(purchase__in=purchases.filter(sold))
            .annotate(day=_local("purchase__occurred_at", zone), store=F("purchase__store"))
            .values("day", "store")
            .annotate(lines=Count("pk"))
        }
        sales += [
            SalesDay(
                day=row["day"],
                store_id=row["store_id"],
                bills=row["bills"],
                returns=row["documents"] - row["bills"],
                net=row["net"],
                lines=lines.get((row["day"], row["store_id"]), 0),
                customers=row["customers"],
            )
            for row in purchases.values("day", "store_id").annotate(
                documents=Count("pk"),
                bills=Count("pk", filter=sold),
                customers=Count("customer", filter=sold, distinct=True),
                net=Sum("net"),
            )
        ]
        members += [
            MemberDay(**row)
            for row in purchases.filter(customer__isnull=False)
            .values("day", "store_id", "customer_id")
            .annotate(bills=Count("pk", filter=sold), net=Sum("net"))
        ]
    _replace(SalesDay, days, sales)
    _replace(MemberDay, days, members)


def _recompute_points(days: Collection[date]) -> None:
    zone = program_zone()
    kinds = {
        "awarded": PointsEntry.Kind.AWARD,
        "redeemed": PointsEntry.Kind.REDEEM,
        "expired": PointsEntry.Kind.EXPIRE,
        "clawed_back": PointsEntry.Kind.CLAW_BACK,
        "reversed": PointsEntry.Kind.REVERSE,
        "adjusted": PointsEntry.Kind.ADJUST,
    }
    rows = (
        PointsEntry.objects.filter(_within("occurred_at", days, zone))
        .annotate(day=_local("occurred_at", zone), store_id=F("purchase__store"))
        .values("day", "store_id")
        .annotate(
            **{name: Sum("points", filter=Q(kind=kind), default=0) for name, kind in kinds.items()}
        )
    )
    _replace(PointsDay, days, [PointsDay(**row) for row in rows])


def _recompute_members(days: Collection[date]) -> None:
    zone = program_zone()
    rows = (
        Customer.objects.filter(_within("created_at", days, zone))
        .annotate(day=_local("created_at", zone))
        .values("day")
        .annotate(customers=Count("pk"))
    )
    _replace(RegistrationDay, days, [RegistrationDay(**row) for row in rows])


def _recompute_commission(days: Collection[date]) -> None:
    figures = figures_by_day(days=spans(days), zone=program_zone())
    _replace(
        AffiliateDay,
        days,
        [
            AffiliateDay(
                day=day,
                affiliate_id=affiliate_id,
                shares=of_day.shares,
                clicks=of_day.clicks,
                chats=of_day.chats,
                conversions=of_day.bills,
                sales=of_day.sales,
                commission=of_day.commission,
            )
            for (day, affiliate_id), of_day in sorted(figures.items())
        ],
    )


def _recompute_messages(days: Collection[date]) -> None:
    zone = program_zone()
    read = [Message.State.READ]
    delivered = [*read, Message.State.DELIVERED]
    sent = [*delivered, Message.State.SENT, Message.State.ACCEPTED]
    rows = (
        Message.objects.filter(_within("created_at", days, zone))
        .exclude(state=Message.State.SUPPRESSED)
        .annotate(day=_local("created_at", zone), template=F("template_name"))
        .values("day", "template")
        .annotate(
            queued=Count("pk"),
            sent=Count("pk", filter=Q(state__in=sent)),
            delivered=Count("pk", filter=Q(state__in=delivered)),
            read=Count("pk", filter=Q(state__in=read)),
            failed=Count("pk", filter=Q(state=Message.State.FAILED)),
        )
    )
    _replace(TemplateDay, days, [TemplateDay(**row) for row in rows])


_RECOMPUTE: dict[Kind, Callable[[Collection[date]], None]] = {
    Kind.SALES: _recompute_sales,
    Kind.POINTS: _recompute_points,
    Kind.MEMBERS: _recompute_members,
    Kind.COMMISSION: _recompute_commission,
    Kind.MESSAGES: _recompute_messages,
}
