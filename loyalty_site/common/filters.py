"""Filtering that refuses what it does not know."""

from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

if TYPE_CHECKING:
    # DRF's views import this module while they are loading.
    from rest_framework.views import APIView

_PAGING = {"cursor", "limit"}


class StrictFilterBackend(DjangoFilterBackend):  # type: ignore[misc]
    """django-filter's backend; an unknown or repeated query parameter is an error."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: "APIView") -> Any:
        filterset = self.get_filterset(request, queryset, view)
        known = _PAGING | (set(filterset.filters) if filterset else set())
        unknown = set(request.query_params) - known
        if unknown:
            raise ValidationError(
                {name: ["This parameter is not known."] for name in sorted(unknown)},
                code="unknown_parameter",
            )
        repeated = [name for name, values in request.query_params.lists() if len(values) > 1]
        if repeated:
            raise ValidationError({name: ["Give this parameter once."] for name in repeated})
        if any("\x00" in value for value in request.query_params.values()):
            raise ValidationError("Parameters may not hold NUL.")
        return super().filter_queryset(request, queryset, view)
