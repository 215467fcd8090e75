"""Which affiliate brought which bill, with every candidate."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet, Sum
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from affiliates.api.tracking import KEY_PARAMETER
from affiliates.models import Conversion
from affiliates.selectors import describe_candidates, get_bill, get_code
from affiliates.services import attribute_manually
from loyalty_site.common.serializers import LineField, StrictSerializer
from loyalty_site.staff.idempotency import idempotent


class CandidateSerializer(serializers.Serializer[Any]):
    """Somebody who may have brought a bill; `code` is what was seen."""

    rung = serializers.CharField()
    way = serializers.CharField()
    affiliate = serializers.CharField()
    code = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)
    won = serializers.BooleanField()
    why = serializers.CharField()


class ConversionSerializer(serializers.ModelSerializer[Conversion]):
    """A bill that somebody brought, or might have."""

    purchase_number = serializers.CharField(source="purchase.number")
    occurred_at = serializers.DateTimeField(source="purchase.occurred_at")
    currency = serializers.CharField(source="purchase.currency")
    affiliate_id = serializers.SerializerMethodField()
    commission = serializers.SerializerMethodField()
    candidates = serializers.SerializerMethodField()

    class Meta:
        model = Conversion
        fields: ClassVar[list[str]] = [
            "id",
            "purchase_id",
            "purchase_number",
            "occurred_at",
            "affiliate_id",
            "rung",
            "state",
            "review",
            "held_until",
            "commission",
            "currency",
            "candidates",
        ]

    def get_affiliate_id(self, conversion: Conversion) -> int | None:
        """Who brought it; null if nobody earns."""
        return conversion.enrolment.affiliate_id if conversion.enrolment else None

    @extend_schema_field(serializers.DecimalField(max_digits=14, decimal_places=2))
    def get_commission(self, conversion: Any) -> str:
        """What it pays by now."""
        return f"{conversion.credited or 0:.2f}"

    @extend_schema_field(CandidateSerializer(many=True))
    def get_candidates(self, conversion: Conversion) -> Any:
        """Everybody who might have brought it, strongest first."""
        return CandidateSerializer(describe_candidates(conversion), many=True).data


class ConversionFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Conversions by state, way, affiliate and bill."""

    affiliate_id = django_filters.NumberFilter("enrolment__affiliate_id")
    purchase_id = django_filters.NumberFilter("purchase_id")

    class Meta:
        model = Conversion
        fields: ClassVar[list[str]] = ["state", "review", "rung"]


class ConversionsView(generics.ListAPIView[Conversion]):
    """Bills that affiliates brought, or might have, newest first."""

    required_permissions: ClassVar = {"GET": "affiliates.view_conversion"}
    serializer_class = ConversionSerializer
    filterset_class = ConversionFilter
    queryset = Conversion.objects.select_related("purchase", "enrolment")

    def get_queryset(self) -> QuerySet[Conversion]:
        return super().get_queryset().annotate(credited=Sum("entries__amount"))


class AttributionSerializer(StrictSerializer):
    """Who brought a bill: an affiliate's code, or null for nobody; and why staff know it."""

    code = LineField(max_length=40, allow_null=True)
    reason = LineField(max_length=200)


class AttributionView(APIView):
    """Who brought a bill, by hand."""

    required_permissions: ClassVar = {"POST": "affiliates.attribute_conversion"}

    @extend_schema(
        request=AttributionSerializer, responses=ConversionSerializer, parameters=[KEY_PARAMETER]
    )
    @idempotent
    def post(self, request: Request, purchase_id: int) -> Response:
        """Say who brought a bill; commissions follow at once."""
        body = AttributionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        text = body.validated_data["code"]
        conversion = attribute_manually(
            purchase=get_bill(purchase_id),
            enrolment=get_code(text).enrolment if text is not None else None,
            reason=body.validated_data["reason"],
            acting_user=user,
        )
        rows = Conversion.objects.select_related("purchase", "enrolment")
        shown = rows.annotate(credited=Sum("entries__amount")).get(pk=conversion.pk)
        return Response(ConversionSerializer(shown).data)
