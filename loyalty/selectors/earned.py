"""What bills have earned so far, as the ledger tells."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Count, F, Min, Q, Sum, When
from django.db.models.functions import Coalesce

from loyalty.models import PointsEntry

_OF_EARNING = (
    PointsEntry.Kind.AWARD,
    PointsEntry.Kind.PEND,
    PointsEntry.Kind.ACTIVATE,
    PointsEntry.Kind.CANCEL,
    PointsEntry.Kind.CLAW_BACK,
    PointsEntry.Kind.REVERSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earned:
    """Points of one sale on one customer's account, with those that are on their way."""

    purchase_id: int
    customer_id: int
    points: int
    qualifying: int
    is_reversed_by_hand: bool
    paid_at: datetime


def earned_of_sales(sale_ids: Iterable[int]) -> list[Earned]:
    """What sales have earned, by customer; one query.

    What was asked back counts as taken back, though the programme may have let it go.
    """
    rows = (
        PointsEntry.objects.filter(purchase_id__in=sale_ids, kind__in=_OF_EARNING)
        # What was posted to somebody who was merged since is the survivor's.
        .annotate(owner=Coalesce("account__customer__merged_into_id", "account__customer_id"))
        .values_list("purchase_id", "owner")
        .annotate(
            total=Sum(
                Case(
                    When(kind=PointsEntry.Kind.CLAW_BACK, then="requested"),
                    default=F("points") + F("pending"),
                )
            ),
            qualifying_total=Sum("qualifying"),
            reversal_count=Count("pk", filter=Q(kind=PointsEntry.Kind.REVERSE)),
            paid_at=Min("recorded_at"),
        )
        .order_by()
    )
    return [
        Earned(
            purchase_id=purchase_id or 0,
            customer_id=customer_id,
            points=points,
            qualifying=qualifying,
            is_reversed_by_hand=bool(reversals),
            paid_at=paid_at,
        )
        for purchase_id, customer_id, points, qualifying, reversals, paid_at in rows
    ]
