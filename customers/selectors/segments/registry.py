"""The fields that segments can ask about; upper apps register theirs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from customers.engine import (
    FieldSpec,
    Test,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """When is asked, and of whom: None means everybody."""

    now: datetime
    customer_ids: tuple[int, ...] | None = None

    def narrow(self, rows: QuerySet[Any], path: str = "customer_id") -> QuerySet[Any]:
        """Only rows of the customers in question; keeps the subqueries of a batch small."""
        return (
            rows if self.customer_ids is None else rows.filter(**{f"{path}__in": self.customer_ids})
        )

    def days_ago(self, days: int) -> datetime:
        """The moment so many days ago."""
        return self.now - timedelta(days=days)

    def start_of_day(self, days_ago: int) -> datetime:
        """The beginning of the shop's day so many days ago."""
        today = timezone.localtime(self.now).replace(hour=0, minute=0, second=0, microsecond=0)
        return today - timedelta(days=days_ago)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentField(FieldSpec):
    """A field with the way it is looked up."""

    condition: Callable[[Test, Scope], Q]


_fields: dict[str, SegmentField] = {}


def register_segment_field(field: SegmentField) -> None:
    """Add a field, or replace the one of that key; called from `apps.ready()`."""
    _fields[field.key] = field


def segment_fields() -> Mapping[str, SegmentField]:
    """Every registered field by its key."""
    return _fields
