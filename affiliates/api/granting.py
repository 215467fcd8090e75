"""Commissions by hand: granted, taken back, amended."""

from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from affiliates.api.people import CommissionSerializer
from affiliates.api.plans import KEY_PARAMETER
from affiliates.errors import BillNotFoundError, EnrolmentNotFoundError
from affiliates.models import Enrolment
from affiliates.services import Amendment, amend_commissions, claw_back, grant_commission
from customers.models import Purchase
from loyalty_site.common.serializers import (
    AmountField,
    LineField,
    StrictIntegerField,
    StrictSerializer,
)
from loyalty_site.staff.idempotency import idempotent


class ClawBackSerializer(StrictSerializer):
    """Money taken back from an affiliate on a plan; the amount with or without minus."""

    affiliate_id = StrictIntegerField(min_value=1)
    plan_id = StrictIntegerField(min_value=1, required=False, allow_null=True, default=None)
    amount = AmountField()
    reason = LineField(max_length=200, allow_blank=True)


class GrantSerializer(ClawBackSerializer):
    """A commission for an affiliate on a plan, perhaps for a bill."""

    purchase_id = StrictIntegerField(min_value=1, required=False, allow_null=True, default=None)


class AmendmentSerializer(StrictSerializer):
    """What a commission should have been."""

    id = StrictIntegerField(min_value=1)
    amount = AmountField()


class AmendSerializer(StrictSerializer):
    """Commissions to amend, all or none."""

    items = serializers.ListField(child=AmendmentSerializer(), min_length=1, max_length=1000)
    reason = LineField(max_length=200, allow_blank=True)


class _ByHand(APIView):
    required_permissions: ClassVar[dict[str, str]] = {"POST": "affiliates.adjust_commission"}


class GrantCommissionView(_ByHand):
    """Granting a commission."""

    @extend_schema(
        request=GrantSerializer, responses={201: CommissionSerializer}, parameters=[KEY_PARAMETER]
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Grant a commission, due at once; a bill earns nothing else then."""
        given = _valid(GrantSerializer, request)
        user: Any = request.user
        purchase = None
        if given["purchase_id"]:
            purchase = Purchase.objects.filter(pk=given["purchase_id"], kind="sale").first()
            if purchase is None:
                raise BillNotFoundError(number=given["purchase_id"])
        entry = grant_commission(
            enrolment=_enrolment(given),
            amount=given["amount"],
            reason=given["reason"],
            currency=purchase.currency if purchase else settings.DEFAULT_CURRENCY,
            purchase=purchase,
            acting_user=user,
        )
        return Response(CommissionSerializer(entry).data, status=status.HTTP_201_CREATED)


class ClawBackView(_ByHand):
    """Taking money back."""

    @extend_schema(
        request=ClawBackSerializer,
        responses={201: CommissionSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Take money back from an affiliate, with a reason."""
        given = _valid(ClawBackSerializer, request)
        user: Any = request.user
        entry = claw_back(
            enrolment=_enrolment(given),
            amount=given["amount"],
            reason=given["reason"],
            currency=settings.DEFAULT_CURRENCY,
            acting_user=user,
        )
        return Response(CommissionSerializer(entry).data, status=status.HTTP_201_CREATED)


class AmendCommissionsView(_ByHand):
    """Amending commissions."""

    @extend_schema(
        request=AmendSerializer,
        responses={201: CommissionSerializer(many=True)},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Bring commissions to other amounts: each difference becomes a line of its own."""
        given = _valid(AmendSerializer, request)
        user: Any = request.user
        entries = amend_commissions(
            amendments=[
                Amendment(entry_id=item["id"], amount=item["amount"]) for item in given["items"]
            ],
            reason=given["reason"],
            acting_user=user,
        )
        return Response(
            CommissionSerializer(entries, many=True).data, status=status.HTTP_201_CREATED
        )


def _valid(kind: type[StrictSerializer], request: Request) -> dict[str, Any]:
    body = kind(data=request.data)
    body.is_valid(raise_exception=True)
    given: dict[str, Any] = body.validated_data
    return given


def _enrolment(given: dict[str, Any]) -> Enrolment:
    """The affiliate on that plan; without one, their oldest plan that is in force."""
    enrolments = Enrolment.objects.filter(affiliate_id=given["affiliate_id"])
    if given["plan_id"]:
        enrolments = enrolments.filter(plan_id=given["plan_id"])
    found = enrolments.order_by("state", "pk").first()
    if found is None:
        raise EnrolmentNotFoundError()
    return found
