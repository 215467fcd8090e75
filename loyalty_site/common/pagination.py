"""Pages that stay cheap: cursors for the API, bounded counting for the back office."""

from typing import Any, cast

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property
from rest_framework.pagination import CursorPagination


class IdCursorPagination(CursorPagination):
    """`?limit=` up to 200 and an opaque `?cursor=`; newest first."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages of the back office's long lists: rows beyond the first 10,000 are not counted.

    Whoever looks for older rows filters or searches; counting millions helps nobody.
    """

    _LIMIT = 10_000

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = cast(QuerySet[Any], self.object_list)
        return rows.order_by().values("pk")[: self._LIMIT].count()
