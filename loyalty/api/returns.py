"""What a return would mean, before the goods are taken back."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loyalty.errors import InvalidReturnError
from loyalty.services import default_program, preview_return
from loyalty_site.common.serializers import (
    AmountField,
    LineField,
    StrictIntegerField,
    StrictSerializer,
)


class ReturnLineSerializer(StrictSerializer):
    """So much of one article, above zero."""

    key = LineField(max_length=60)
    quantity = AmountField(max_digits=12, decimal_places=3)


class ReturnPreviewRequestSerializer(StrictSerializer):
    """A bill, and what would come back of it."""

    purchase_id = StrictIntegerField(min_value=1)
    lines = serializers.ListField(child=ReturnLineSerializer(), min_length=1, max_length=1000)


class ReturnPreviewSerializer(serializers.Serializer[Any]):
    """Points that would go and come; nothing is written."""

    purchase_id = serializers.IntegerField(source="purchase.pk")
    number = serializers.CharField(source="purchase.number")
    earned = serializers.IntegerField()
    earns_after = serializers.IntegerField()
    taken = serializers.IntegerField()
    given = serializers.IntegerField()
    balance = serializers.IntegerField()
    balance_after = serializers.IntegerField()


class ReturnPreviewView(APIView):
    """Preview a return."""

    required_permissions: ClassVar = {"POST": "customers.view_purchase"}

    @extend_schema(request=ReturnPreviewRequestSerializer, responses=ReturnPreviewSerializer)
    def post(self, request: Request) -> Response:
        body = ReturnPreviewRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        lines = body.validated_data["lines"]
        quantities = {line["key"]: line["quantity"] for line in lines}
        if len(quantities) < len(lines):
            raise InvalidReturnError(problem="a line is named twice.")
        preview = preview_return(
            program=default_program(),
            purchase_id=body.validated_data["purchase_id"],
            quantities=quantities,
        )
        return Response(ReturnPreviewSerializer(preview).data)
