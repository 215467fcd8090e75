"""Customers who bring friends."""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loyalty.api.people.customers import customer_of
from loyalty.api.points import KEY_PARAMETER
from loyalty.models import Referral
from loyalty.services import (
    record_referral,
    referral_code_of,
)
from loyalty_site.common.serializers import (
    LineField,
    StrictIntegerField,
    StrictSerializer,
)
from loyalty_site.staff.idempotency import idempotent


class ReferralRequestSerializer(StrictSerializer):
    """A friend, and the code of who brought them."""

    customer_id = StrictIntegerField(min_value=1, help_text="The friend.")
    code = LineField(max_length=12)


class ReferralSerializer(serializers.ModelSerializer[Referral]):
    """Who brought whom, and what became of it."""

    class Meta:
        model = Referral
        fields: ClassVar = [
            "id",
            "referrer_id",
            "friend_id",
            "code",
            "state",
            "reason",
            "source",
            "referrer_points",
            "friend_points",
            "purchase_id",
            "joined_at",
            "buy_until",
            "due_on",
            "settled_at",
        ]


class ReferralFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Referrals by their people and state."""

    referrer_id = django_filters.NumberFilter("referrer_id")
    friend_id = django_filters.NumberFilter("friend_id")

    class Meta:
        model = Referral
        fields: ClassVar[list[str]] = ["state"]


class ReferralsView(generics.ListAPIView[Referral]):
    """Friends whom customers brought."""

    required_permissions: ClassVar = {
        "GET": "loyalty.view_referral",
        "POST": "loyalty.add_referral",
    }
    serializer_class = ReferralSerializer
    filterset_class = ReferralFilter
    queryset = Referral.objects.all()

    @extend_schema(
        operation_id="loyalty_referrals_create",
        summary="Write down who brought a customer",
        request=ReferralRequestSerializer,
        responses={201: ReferralSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Both get points once the friend's first bill is final. A friend who does not count is
        answered with the state `refused` and the reason."""
        body = ReferralRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        referral = record_referral(
            friend=customer_of(body.validated_data["customer_id"]),
            code=body.validated_data["code"],
            source="api",
            acting_user=user,
        )
        return Response(ReferralSerializer(referral).data, status=status.HTTP_201_CREATED)


class ReferralCodeRequestSerializer(StrictSerializer):
    """Whose code."""

    customer_id = StrictIntegerField(min_value=1)


class ReferralCodeSerializer(serializers.Serializer[Any]):
    """A customer's code, and the page that friends open with it."""

    customer_id = serializers.IntegerField()
    code = serializers.CharField()
    path = serializers.CharField()


class ReferralCodesView(APIView):
    """The codes by which customers bring friends."""

    required_permissions: ClassVar = {"POST": "loyalty.add_referral"}

    @extend_schema(
        operation_id="loyalty_referral_codes_create",
        summary="A customer's own code",
        request=ReferralCodeRequestSerializer,
        responses={200: ReferralCodeSerializer},
    )
    def post(self, request: Request) -> Response:
        """The first call draws it; it stays the same for ever."""
        body = ReferralCodeRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        customer = customer_of(body.validated_data["customer_id"])
        code = referral_code_of(customer).code
        shown = {"customer_id": customer.pk, "code": code, "path": f"/join/{code}/"}
        return Response(ReferralCodeSerializer(shown).data)
