"""Leads, sales and returns, reported by a web shop's server."""

from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from affiliates.services import (
    Buyer,
    TrackedResult,
    TrackedSale,
    track_lead,
    track_return,
    track_sales,
)
from loyalty_site.common.serializers import (
    AmountField,
    LineField,
    StrictIntegerField,
    StrictSerializer,
)
from loyalty_site.staff.idempotency import HEADER, idempotent
from loyalty_site.staff.models import User

MOST_ITEMS = 1000
KEY_PARAMETER = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Your own key of this call. Sending it again repeats the answer, not the effect.",
)


class BuyerSerializer(StrictSerializer):
    """Who bought: a customer's number, or phone and e-mail address."""

    customer_id = StrictIntegerField(min_value=1, required=False, allow_null=True, default=None)
    phone = LineField(max_length=32, required=False, default="", allow_blank=True)
    email = LineField(max_length=254, required=False, default="", allow_blank=True)
    name = LineField(max_length=120, required=False, default="", allow_blank=True)


class BroughtSerializer(StrictSerializer):
    """Who brought them: a click's id, an affiliate's code, or both."""

    click_id = LineField(
        max_length=40,
        required=False,
        default="",
        allow_blank=True,
        help_text="As the shop got it when the customer came by an affiliate's link, like clk_….",
    )
    code = LineField(
        max_length=40,
        required=False,
        default="",
        allow_blank=True,
        help_text="The affiliate's code, as the customer typed it.",
    )


class OrderSerializer(StrictSerializer):
    """How an order is named."""

    system = LineField(
        max_length=40,
        required=False,
        default="",
        allow_blank=True,
        help_text="The system whose order ids these are, if an ERP sends the same orders too."
        " Empty: your own, as with /purchases/.",
    )
    order_id = LineField(max_length=120)


class SaleSerializer(BroughtSerializer, OrderSerializer):
    """An order; send it again whenever its amount changes."""

    amount = AmountField(help_text="What the shop received: less discount, without tax.")
    number = LineField(max_length=60, required=False, default="", allow_blank=True)
    currency = serializers.RegexField(r"\A[A-Z]{3}\Z", default=settings.DEFAULT_CURRENCY)
    store = LineField(max_length=40, required=False, default="online")
    occurred_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    customer = BuyerSerializer(required=False)


class SalesSerializer(StrictSerializer):
    """Up to 1,000 orders."""

    sales = serializers.ListField(child=SaleSerializer(), min_length=1, max_length=MOST_ITEMS)


class LeadSerializer(BroughtSerializer):
    """Somebody whom an affiliate brought, before the first order."""

    customer = BuyerSerializer()
    occurred_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class ReturnSerializer(OrderSerializer):
    """Goods of an order that came back."""

    return_id = LineField(max_length=120)
    amount = AmountField(
        required=False,
        allow_null=True,
        default=None,
        min_value=Decimal("0.01"),
        help_text="What came back, positive; left out: all that is left of the order.",
    )
    occurred_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class FaultSerializer(serializers.Serializer[Any]):
    """Why one order was not taken."""

    code = serializers.CharField()
    detail = serializers.CharField()


class TrackedSerializer(serializers.Serializer[Any]):
    """What became of an order or return; nulls where nothing was written.

    `commission` is what its sale pays in all by now, `state` that of its conversion.
    """

    order_id = serializers.CharField()
    purchase_id = serializers.IntegerField(allow_null=True)
    customer_id = serializers.IntegerField(allow_null=True)
    affiliate_id = serializers.IntegerField(allow_null=True)
    rung = serializers.CharField(allow_null=True, help_text="How the affiliate came to the bill.")
    state = serializers.CharField(allow_null=True)
    commission = serializers.DecimalField(max_digits=14, decimal_places=2)
    refusal = FaultSerializer(allow_null=True)


class TrackedSalesSerializer(serializers.Serializer[Any]):
    """A result for each order, in their order."""

    results = TrackedSerializer(many=True)


class LeadAnswerSerializer(serializers.Serializer[Any]):
    """The customer who was brought."""

    customer_id = serializers.IntegerField()


def _answer(order_id: str, result: TrackedResult) -> dict[str, Any]:
    purchase, conversion, refusal = result.purchase, result.conversion, result.refusal
    winner = conversion.enrolment if conversion else None
    return {
        "order_id": order_id,
        "purchase_id": purchase.pk if purchase else None,
        "customer_id": purchase.customer_id if purchase else None,
        "affiliate_id": winner.affiliate_id if winner else None,
        "rung": conversion.rung if conversion and winner else None,
        "state": conversion.state if conversion else None,
        "commission": f"{result.commission:.2f}",
        "refusal": {"code": refusal.code, "detail": str(refusal)} if refusal else None,
    }


def _source(given: str, user: User) -> str:
    """Whose order ids these are; without a name the caller's own, as for bills."""
    return given or f"api:{user.pk}"


def _sale(given: dict[str, Any], user: User) -> TrackedSale:
    return TrackedSale(
        source=_source(given["system"], user),
        order_id=given["order_id"],
        amount=given["amount"],
        number=given["number"],
        currency=given["currency"],
        store_code=given["store"],
        occurred_at=given["occurred_at"],
        buyer=Buyer(**given.get("customer", {})),
        click_id=given["click_id"],
        code=given["code"],
    )


class TrackSaleView(APIView):
    """One order."""

    required_permissions: ClassVar = {"POST": "customers.add_purchase"}

    @extend_schema(request=SaleSerializer, responses=TrackedSerializer, parameters=[KEY_PARAMETER])
    @idempotent
    def post(self, request: Request) -> Response:
        """Report an order; it becomes a bill with points and commission, once.

        Nothing is written when nobody known bought and nobody brought them, or the amount is
        not above zero.
        """
        body = SaleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        sale = _sale(body.validated_data, user)
        (result,) = track_sales(sales=[sale], acting_user=user)
        if result.refusal is not None:
            raise result.refusal
        return Response(_answer(sale.order_id, result))


class TrackSalesView(APIView):
    """Many orders."""

    required_permissions: ClassVar = {"POST": "customers.add_purchase"}

    @extend_schema(
        request=SalesSerializer, responses=TrackedSalesSerializer, parameters=[KEY_PARAMETER]
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Report up to 1,000 orders, past ones too; each stands for itself."""
        body = SalesSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        sales = [_sale(given, user) for given in body.validated_data["sales"]]
        results = track_sales(sales=sales, acting_user=user)
        answers = [
            _answer(*pair) for pair in zip((s.order_id for s in sales), results, strict=True)
        ]
        return Response({"results": answers})


class TrackLeadView(APIView):
    """Somebody was brought."""

    required_permissions: ClassVar = {"POST": "affiliates.add_touch"}

    @extend_schema(
        request=LeadSerializer, responses=LeadAnswerSerializer, parameters=[KEY_PARAMETER]
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Note who brought somebody; they are registered if nobody knows them."""
        body = LeadSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        given = body.validated_data
        customer = track_lead(
            buyer=Buyer(**given["customer"]),
            click_id=given["click_id"],
            code=given["code"],
            occurred_at=given["occurred_at"],
            acting_user=user,
        )
        return Response({"customer_id": customer.pk})


class TrackReturnView(APIView):
    """Goods came back."""

    required_permissions: ClassVar = {"POST": "customers.add_purchase"}

    @extend_schema(
        request=ReturnSerializer, responses=TrackedSerializer, parameters=[KEY_PARAMETER]
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Report what came back of an order; points and commission of it are taken back."""
        body = ReturnSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        given = dict(body.validated_data)
        source = _source(given.pop("system"), user)
        result = track_return(source=source, **given, acting_user=user)
        return Response(_answer(given["order_id"], result))
