"""Figures per day, for integrators and spreadsheets."""

from datetime import date, timedelta
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.models import Store
from loyalty_site.common.serializers import LineField, StrictSerializer
from reports.engine import Period
from reports.selectors import daily_figures, today

LONGEST_DAYS = 366
USUAL_DAYS = 30


class DailyQuerySerializer(StrictSerializer):
    """Which days, and of which store."""

    start = serializers.DateField(required=False)
    end = serializers.DateField(required=False)
    store = LineField(max_length=40, required=False)

    def validate_store(self, code: str) -> Store:
        """The store of this code."""
        store = Store.objects.filter(code=code).first()
        if store is None:
            raise serializers.ValidationError("There is no store with this code.")
        return store

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        end: date = attrs.setdefault("end", today())
        start: date = attrs.setdefault("start", end - timedelta(days=USUAL_DAYS - 1))
        if not 1 <= Period(start, end).days <= LONGEST_DAYS:
            raise serializers.ValidationError(
                {"start": f"Choose from 1 to {LONGEST_DAYS} days, ending with “end”."}
            )
        return attrs


class DailyFiguresSerializer(serializers.Serializer[Any]):
    """One day. Points are signed; figures that belong to no store are null with `store`."""

    day = serializers.DateField()
    bills = serializers.IntegerField()
    returns = serializers.IntegerField()
    net_sales = serializers.DecimalField(max_digits=16, decimal_places=2)
    lines = serializers.IntegerField()
    customers = serializers.IntegerField()
    points_awarded = serializers.IntegerField()
    points_redeemed = serializers.IntegerField()
    points_expired = serializers.IntegerField()
    points_clawed_back = serializers.IntegerField()
    points_reversed = serializers.IntegerField()
    points_adjusted = serializers.IntegerField()
    new_customers = serializers.IntegerField(allow_null=True)
    conversions = serializers.IntegerField(allow_null=True)
    commission = serializers.DecimalField(max_digits=16, decimal_places=2, allow_null=True)
    messages_sent = serializers.IntegerField(allow_null=True)
    messages_delivered = serializers.IntegerField(allow_null=True)


class DailyReportSerializer(serializers.Serializer[Any]):
    """A row a day, oldest first, quiet days included."""

    start = serializers.DateField()
    end = serializers.DateField()
    results = DailyFiguresSerializer(many=True)


class DailyReportView(APIView):
    """Sales, points, affiliates and messages per day of the shop or of one store."""

    required_permissions: ClassVar[dict[str, str]] = {"GET": "reports.view_dashboard"}

    @extend_schema(
        parameters=[
            OpenApiParameter("start", date, description="First day; 30 days before `end`."),
            OpenApiParameter("end", date, description="Last day; today."),
            OpenApiParameter("store", str, description="Code of a store; all stores."),
        ],
        responses=DailyReportSerializer,
    )
    def get(self, request: Request) -> Response:
        repeated = [name for name, given in request.query_params.lists() if len(given) > 1]
        if repeated:
            raise serializers.ValidationError(
                {name: ["Give this parameter once."] for name in repeated}
            )
        query = DailyQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        store: Store | None = asked.get("store")
        figures = daily_figures(
            first=asked["start"], last=asked["end"], store_id=store.pk if store else None
        )
        report = {"start": asked["start"], "end": asked["end"], "results": figures}
        return Response(DailyReportSerializer(report).data)
