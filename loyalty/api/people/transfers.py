"""Points passed on between customers."""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.api.people.customers import MOST_POINTS
from loyalty.api.points import KEY_PARAMETER, account_of
from loyalty.models import PointsTransfer
from loyalty.services import (
    transfer_points,
)
from loyalty_site.common.serializers import (
    LineField,
    StrictIntegerField,
    StrictSerializer,
)
from loyalty_site.staff.idempotency import idempotent


class TransferRequestSerializer(StrictSerializer):
    """Points from one customer to another."""

    from_customer_id = StrictIntegerField(min_value=1)
    to_customer_id = StrictIntegerField(min_value=1)
    points = StrictIntegerField(min_value=1, max_value=MOST_POINTS)
    reference = LineField(max_length=80, help_text="Your key of this transfer; it happens once.")
    note = LineField(max_length=120, required=False, default="", allow_blank=True)


class TransferSerializer(serializers.ModelSerializer[PointsTransfer]):
    """A transfer."""

    from_customer_id = serializers.IntegerField(source="sender.customer_id")
    to_customer_id = serializers.IntegerField(source="receiver.customer_id")

    class Meta:
        model = PointsTransfer
        fields: ClassVar = [
            "id",
            "from_customer_id",
            "to_customer_id",
            "points",
            "note",
            "reference",
            "sent_at",
        ]


class TransferFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Transfers by who sent and who got them."""

    from_customer_id = django_filters.NumberFilter("sender__customer_id")
    to_customer_id = django_filters.NumberFilter("receiver__customer_id")

    class Meta:
        model = PointsTransfer
        fields: ClassVar[list[str]] = []


class TransfersView(generics.ListAPIView[PointsTransfer]):
    """Points that customers sent to each other."""

    required_permissions: ClassVar = {
        "GET": "loyalty.view_pointstransfer",
        "POST": "loyalty.transfer_points",
    }
    serializer_class = TransferSerializer
    filterset_class = TransferFilter
    queryset = PointsTransfer.objects.select_related("sender", "receiver")

    @extend_schema(
        operation_id="loyalty_transfers_create",
        summary="Send points to another customer",
        request=TransferRequestSerializer,
        responses={201: TransferSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """They keep their last day. The shop's limits of a day hold here too."""
        body = TransferRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        user: Any = request.user
        transfer = transfer_points(
            sender=account_of(given["from_customer_id"]),
            receiver=account_of(given["to_customer_id"]),
            points=given["points"],
            reference=f"api:{user.pk}:{given['reference']}",
            note=given["note"],
            acting_user=user,
        )
        return Response(TransferSerializer(transfer).data, status=status.HTTP_201_CREATED)
