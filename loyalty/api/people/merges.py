"""Two records of one person, for integrators."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.errors import (
    MergeNotFoundError,
)
from customers.models import CustomerMerge
from loyalty.api.people.customers import customer_of
from loyalty.api.points import KEY_PARAMETER
from loyalty.services import (
    merge_customers,
    separate_customers,
)
from loyalty_site.common.serializers import (
    LineField,
    StrictIntegerField,
    StrictSerializer,
)
from loyalty_site.staff.idempotency import idempotent


class MergeRequestSerializer(StrictSerializer):
    """Which record stays and which one it takes over."""

    kept_id = StrictIntegerField(min_value=1)
    merged_id = StrictIntegerField(min_value=1)
    reason = LineField(max_length=200)


class MergeSerializer(serializers.ModelSerializer[CustomerMerge]):
    """A merge."""

    class Meta:
        model = CustomerMerge
        fields: ClassVar = ["id", "kept_id", "merged_id", "reason", "merged_at", "undone_at"]


class MergesView(generics.ListAPIView[CustomerMerge]):
    """Merges of customers."""

    required_permissions: ClassVar = {
        "GET": "customers.view_customermerge",
        "POST": "customers.merge_customers",
    }
    serializer_class = MergeSerializer
    queryset = CustomerMerge.objects.all()

    @extend_schema(
        operation_id="loyalty_merges_create",
        summary="Merge two customers",
        request=MergeRequestSerializer,
        responses={201: MergeSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """`kept_id` takes over bills, points with their last day, and the higher tier."""
        body = MergeRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        user: Any = request.user
        merge = merge_customers(
            kept=customer_of(given["kept_id"]),
            merged=customer_of(given["merged_id"]),
            reason=given["reason"],
            acting_user=user,
        )
        return Response(MergeSerializer(merge).data, status=status.HTTP_201_CREATED)


class UndoMergeView(APIView):
    """Taking a merge back."""

    required_permissions: ClassVar = {"POST": "customers.merge_customers"}

    @extend_schema(
        operation_id="loyalty_merges_undo",
        summary="Undo a merge",
        request=None,
        responses={200: MergeSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request, merge_id: int) -> Response:
        """Possible for 30 days; what was spent meanwhile is gone."""
        merge = CustomerMerge.objects.filter(pk=merge_id).first()
        if merge is None:
            raise MergeNotFoundError()
        user: Any = request.user
        return Response(MergeSerializer(separate_customers(merge=merge, acting_user=user)).data)
