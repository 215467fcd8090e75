"""Who belongs to a segment, and who would."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from customers.engine import (
    AllOf,
    AnyOf,
    Condition,
    Not,
    Test,
    describe,
    parse,
)
from customers.errors import SegmentNotFoundError
from customers.models import Customer, Segment
from customers.selectors.segments.registry import Scope, segment_fields

_SAMPLE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPreview:
    """How many customers meet a condition, out of how many, and some of them."""

    count: int
    total: int
    sample: tuple[Customer, ...]

    @property
    def percent(self) -> Decimal:
        """The share in percent, to one decimal place."""
        return round(Decimal(100 * self.count) / self.total, 1) if self.total else Decimal(0)


def get_segment(segment_id: int) -> Segment:
    """A segment by its number.

    Raises:
        SegmentNotFoundError: there is none.
    """
    segment = Segment.objects.filter(pk=segment_id).first()
    if segment is None:
        raise SegmentNotFoundError()
    return segment


def segment_sentence(definition: Mapping[str, Any]) -> str:
    """A written condition in words.

    Raises:
        InvalidSegmentError: it is not understood, for a field that is no longer registered.
    """
    return describe(parse(definition, segment_fields()), segment_fields())


def segment_members(
    definition: Mapping[str, Any],
    *,
    now: datetime | None = None,
    customer_ids: Collection[int] | None = None,
) -> QuerySet[Customer]:
    """The customers who meet a written condition, as one query.

    Raises:
        InvalidSegmentError: the condition is not understood.
    """
    ids = None if customer_ids is None else tuple(customer_ids)
    scope = Scope(now=now or timezone.now(), customer_ids=ids)
    members = scope.narrow(Customer.objects.live(), path="pk")
    return members.filter(_compile(parse(definition, segment_fields()), scope))


def preview_segment(
    definition: Mapping[str, Any], *, now: datetime | None = None
) -> SegmentPreview:
    """Count and a few members of a written condition; three queries.

    Raises:
        InvalidSegmentError: the condition is not understood.
    """
    members = segment_members(definition, now=now)
    return SegmentPreview(
        count=members.count(),
        total=Customer.objects.live().count(),
        sample=tuple(members.select_related("home_store").order_by("-pk")[:_SAMPLE]),
    )


def members_of(
    segments: Iterable[Segment], customer_ids: Collection[int], *, now: datetime | None = None
) -> dict[int, set[int]]:
    """Which of the customers each segment holds, by segment id; one query for each segment."""
    now = now or timezone.now()
    return {
        segment.pk: set(
            segment_members(segment.definition, now=now, customer_ids=customer_ids).values_list(
                "pk", flat=True
            )
        )
        if customer_ids
        else set()
        for segment in segments
    }


def segments_of_customers(
    customer_ids: Collection[int], segment_ids: Collection[int], *, now: datetime | None = None
) -> dict[int, frozenset[int]]:
    """Which of the segments each customer is in, by customer id.

    One query, and one more for each segment. Segments that are no more hold nobody.
    """
    found: dict[int, set[int]] = defaultdict(set)
    if customer_ids and segment_ids:
        segments = Segment.objects.filter(pk__in=segment_ids)
        for segment_id, members in members_of(segments, customer_ids, now=now).items():
            for customer_id in members:
                found[customer_id].add(segment_id)
    return {customer_id: frozenset(found[customer_id]) for customer_id in customer_ids}


def _compile(condition: Condition, scope: Scope) -> Q:
    match condition:
        case AllOf(parts):
            return reduce(and_, (_compile(part, scope) for part in parts))
        case AnyOf(parts):
            return reduce(or_, (_compile(part, scope) for part in parts))
        case Not(part):
            # A plain negation would lose those for whom the part is unknown (NULL).
            held = scope.narrow(Customer.objects.all(), path="pk").filter(_compile(part, scope))
            return ~Q(pk__in=held.values("pk"))
        case Test():
            return segment_fields()[condition.field].condition(condition, scope)
