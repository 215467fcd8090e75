"""Bills, sent in their present state."""

from decimal import Decimal
from typing import Any, ClassVar

import django_filters
from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from customers.models import Purchase, PurchaseLine
from customers.services import LineState, PurchaseState, TenderState
from loyalty.api.points import KEY_PARAMETER
from loyalty.selectors import (
    points_of_purchases,
)
from loyalty.services import (
    Settlement,
    settle_purchases,
)
from loyalty_site.common.serializers import (
    AmountField,
    LineField,
    StrictIntegerField,
    StrictSerializer,
)
from loyalty_site.staff.idempotency import idempotent


class LineStateSerializer(StrictSerializer):
    """One article on a bill; a return's amounts are negative."""

    key = LineField(max_length=60, required=False)
    sku = LineField(max_length=60)
    name = LineField(max_length=200, required=False, default="")
    category = LineField(max_length=200, required=False, default="", allow_blank=True)
    brand = LineField(max_length=80, required=False, default="", allow_blank=True)
    quantity = AmountField(max_digits=12, decimal_places=3)
    gross = AmountField()
    discount = AmountField(default=Decimal("0.00"))
    tax = AmountField(default=Decimal("0.00"))
    net = AmountField()
    returns_key = LineField(max_length=60, required=False, default="", allow_blank=True)


class TenderSerializer(StrictSerializer):
    """A way in which the bill was paid, like "cash", "card", "gift_card" or "points"."""

    kind = LineField(max_length=40)
    amount = AmountField()


class PurchaseStateSerializer(StrictSerializer):
    """A bill in its present state; send it again whenever it changes."""

    external_id = LineField(max_length=120)
    number = LineField(max_length=60)
    kind = serializers.ChoiceField(choices=Purchase.Kind.choices, default=Purchase.Kind.SALE)
    status = serializers.ChoiceField(
        choices=Purchase.Status.choices, default=Purchase.Status.ACTIVE
    )
    store = LineField(max_length=40)
    customer_id = StrictIntegerField(min_value=1, required=False, allow_null=True, default=None)
    customer_phone = LineField(
        max_length=32,
        required=False,
        default="",
        allow_blank=True,
        help_text="Without customer_id: finds the customer, now or when they register.",
    )
    customer_name = LineField(max_length=120, required=False, default="", allow_blank=True)
    occurred_at = serializers.DateTimeField()
    currency = serializers.RegexField(r"\A[A-Z]{3}\Z", default="INR")
    lines = serializers.ListField(child=LineStateSerializer(), min_length=1, max_length=1000)
    codes = serializers.ListField(child=LineField(max_length=40), max_length=20, default=list)
    tenders = serializers.ListField(child=TenderSerializer(), max_length=20, default=list)
    sale_external_id = LineField(max_length=120, required=False, default="", allow_blank=True)

    def to_state(self, source: str) -> PurchaseState:
        """The state that the service takes."""
        bill = dict(self.validated_data)
        lines = tuple(
            LineState(
                key=line.get("key") or str(place),
                sku=line["sku"],
                product_name=line["name"],
                category=line["category"],
                brand=line["brand"],
                quantity=line["quantity"],
                gross=line["gross"],
                discount=line["discount"],
                tax=line["tax"],
                net=line["net"],
                returns_key=line["returns_key"],
            )
            for place, line in enumerate(bill.pop("lines"), start=1)
        )
        store = bill.pop("store")
        codes = tuple(bill.pop("codes"))
        tenders = tuple(
            TenderState(kind=tender["kind"], amount=tender["amount"])
            for tender in bill.pop("tenders")
        )
        return PurchaseState(
            source=source,
            store_code=store,
            store_name="",
            lines=lines,
            codes=codes,
            tenders=tenders,
            **bill,
        )


class SettlementSerializer(serializers.Serializer[Any]):
    """What a bill came to, and where its customer stands now."""

    id = serializers.IntegerField(source="purchase.pk")
    number = serializers.CharField(source="purchase.number")
    version = serializers.IntegerField(source="purchase.version")
    standing = serializers.CharField(source="purchase.standing")
    net = serializers.DecimalField(source="purchase.net", max_digits=14, decimal_places=2)
    is_changed = serializers.BooleanField()
    points = serializers.IntegerField(source="points_of_bill")
    points_moved = serializers.IntegerField()
    balance = serializers.SerializerMethodField()
    tier = serializers.SerializerMethodField()
    refusal = serializers.SerializerMethodField()

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_balance(self, settlement: Settlement) -> int | None:
        """The customer's balance; null without a customer."""
        return settlement.account.balance if settlement.account else None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_tier(self, settlement: Settlement) -> str | None:
        """The customer's tier; null without one."""
        return settlement.tier.name if settlement.tier else None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_refusal(self, settlement: Settlement) -> str | None:
        """Why the account did not take the points."""
        return str(settlement.refusal) if settlement.refusal else None


class PurchaseLineSerializer(serializers.ModelSerializer[PurchaseLine]):
    """One article on a bill."""

    sku = serializers.CharField(source="product.sku")
    name = serializers.CharField(source="product.name")
    category = serializers.CharField(source="product.category")

    class Meta:
        model = PurchaseLine
        fields = [
            "key",
            "sku",
            "name",
            "category",
            "quantity",
            "gross",
            "discount",
            "tax",
            "net",
            "returns_key",
        ]


class PurchaseSerializer(serializers.ModelSerializer[Purchase]):
    """A bill."""

    store = serializers.CharField(source="store.code")

    class Meta:
        model = Purchase
        fields = [
            "id",
            "source",
            "external_id",
            "number",
            "kind",
            "status",
            "standing",
            "store",
            "customer_id",
            "sale_id",
            "occurred_at",
            "currency",
            "gross",
            "discount",
            "tax",
            "net",
            "codes",
            "version",
        ]


class PurchaseDetailSerializer(PurchaseSerializer):
    """A bill with its lines and what it earned."""

    lines = PurchaseLineSerializer(many=True)
    points = serializers.SerializerMethodField()

    class Meta(PurchaseSerializer.Meta):
        fields = [*PurchaseSerializer.Meta.fields, "points", "lines"]

    def get_points(self, purchase: Purchase) -> int:
        """What the bill earned, less what was taken back."""
        return points_of_purchases([purchase.pk]).get(purchase.pk, 0)


class PurchaseFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Bills by customer, store, number and time."""

    customer_id = django_filters.NumberFilter("customer_id")
    store = django_filters.CharFilter("store__code")
    occurred_from = django_filters.IsoDateTimeFilter("occurred_at", lookup_expr="gte")
    occurred_until = django_filters.IsoDateTimeFilter("occurred_at", lookup_expr="lt")

    class Meta:
        model = Purchase
        fields = ["kind", "status", "number"]


class PurchasesView(generics.ListAPIView[Purchase]):
    """Bills: list them, or send one in its present state and get its points at once."""

    required_permissions: ClassVar = {
        "GET": "customers.view_purchase",
        "POST": "customers.add_purchase",
    }
    serializer_class = PurchaseSerializer
    filterset_class = PurchaseFilter
    queryset = Purchase.objects.select_related("store")

    @extend_schema(
        request=PurchaseStateSerializer,
        responses={200: SettlementSerializer, 201: SettlementSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        body = PurchaseStateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        (settlement,) = settle_purchases(
            states=[body.to_state(source=f"api:{user.pk}")], acting_user=user
        )
        is_new = settlement.is_changed and settlement.purchase.version == 1
        return Response(
            SettlementSerializer(settlement).data,
            status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK,
        )


class PurchaseView(generics.RetrieveAPIView[Purchase]):
    """One bill with its lines."""

    required_permissions: ClassVar = {"GET": "customers.view_purchase"}
    serializer_class = PurchaseDetailSerializer
    filter_backends = ()
    queryset = Purchase.objects.select_related("store").prefetch_related(
        Prefetch("lines", PurchaseLine.objects.select_related("product").order_by("id"))
    )
