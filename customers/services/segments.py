"""Segments as they are written, and the scores that are computed for them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from customers.engine import parse, write
from customers.errors import InvalidSegmentError, SegmentNameTakenError, SegmentNotFoundError
from customers.models import Purchase, RfmScore, Segment
from customers.selectors import segment_fields
from loyalty_site.staff.models import User

RFM_DAYS = 365


@transaction.atomic
def save_segment(
    *,
    name: str,
    definition: Mapping[str, Any],
    description: str = "",
    segment_id: int | None = None,
    acting_user: User | None = None,
) -> Segment:
    """Write a segment down, a new one without `segment_id`; its condition is checked whole.

    Raises:
        InvalidSegmentError: no name, or a condition that is not understood.
        SegmentNameTakenError: another segment has the name.
        SegmentNotFoundError: there is no such segment to change.
    """
    name = name.strip()
    if not 1 <= len(name) <= 80:
        raise InvalidSegmentError(field="name", reason="Give the segment a name of up to 80 signs.")
    segment: Segment | None = Segment()
    if segment_id is not None:
        segment = Segment.objects.select_for_update().filter(pk=segment_id).first()
    if segment is None:
        raise SegmentNotFoundError()
    segment.name = name
    segment.description = description.strip()[:200]
    segment.definition = write(parse(definition, segment_fields()))
    segment.changed_by = acting_user
    try:
        with transaction.atomic():
            segment.save()
    except IntegrityError as error:
        raise SegmentNameTakenError(name=name) from error
    return segment


@transaction.atomic
def score_customers(*, now: datetime | None = None) -> int:
    """Give everybody who bought in the last year their RFM scores anew; two statements.

    A score is the fifth into which the figure falls among all: equal figures get equal scores.
    Returns how many customers have scores now.
    """
    now = now or timezone.now()
    today = timezone.localtime(now).date()
    table = RfmScore._meta.db_table
    bills = Purchase._meta.db_table
    day = (
        "(last_at AT TIME ZONE %(zone)s)::date"
        if connection.vendor == "postgresql"
        else "date(last_at, %(offset)s)"
    )
    local = timezone.localtime(now)
    offset = local.utcoffset() or timedelta(0)
    RfmScore.objects.all().delete()
    statement = f"""
        INSERT INTO {table}
            (customer_id, recency, frequency, spend, last_on, bills, net, scored_on)
        SELECT customer_id,
               1 + (RANK() OVER (ORDER BY last_on) - 1) * 5 / COUNT(*) OVER (),
               1 + (RANK() OVER (ORDER BY bills) - 1) * 5 / COUNT(*) OVER (),
               1 + (RANK() OVER (ORDER BY net) - 1) * 5 / COUNT(*) OVER (),
               last_on, bills, net, %(today)s
        FROM (
            SELECT customer_id, {day} AS last_on, net, bills
            FROM (
                SELECT customer_id,
                       MAX(CASE WHEN kind = 'sale' THEN occurred_at END) AS last_at,
                       ROUND(SUM(net), 2) AS net,
                       SUM(CASE WHEN kind = 'sale' THEN 1 ELSE 0 END) AS bills
                FROM {bills}
                WHERE customer_id IS NOT NULL AND status = 'active'
                  AND occurred_at > %(since)s AND occurred_at <= %(now)s
                GROUP BY customer_id
            ) AS sums
            WHERE bills > 0
        ) AS figures
    """  # noqa: S608 - names of our own tables only
    with connection.cursor() as cursor:
        cursor.execute(
            statement,
            {
                "zone": str(timezone.get_current_timezone()),
                "offset": f"{round(offset.total_seconds() / 60):+d} minutes",
                "today": today,
                "since": connection.ops.adapt_datetimefield_value(now - timedelta(days=RFM_DAYS)),
                "now": connection.ops.adapt_datetimefield_value(now),
            },
        )
    return RfmScore.objects.count()
