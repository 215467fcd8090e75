"""Redemptions and vouchers: reserve, commit, release, cancel; validate and consume."""

import uuid
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.models import Purchase
from loyalty.api.points import KEY_PARAMETER, account_of
from loyalty.api.rewards import PaymentSerializer, StoreField, payment_of
from loyalty.models import Redemption, Voucher
from loyalty.selectors import (
    get_redemption,
    get_reward,
    get_voucher,
    redemption_rows,
    refusal_of,
)
from loyalty.services import (
    BillNamed,
    RewardWish,
    cancel_redemption,
    cancel_reservation,
    commit_redemption,
    redeem_reward,
    reserve_payment,
    reserve_reward,
    use_voucher,
)
from loyalty_site.common.serializers import LineField, StrictIntegerField, StrictSerializer
from loyalty_site.staff.idempotency import idempotency_key, idempotent

_LONGEST_REFERENCE = 120


def _reference(request: Request) -> str:
    """The caller's key of this call, or a new one."""
    key = idempotency_key(request) or uuid.uuid4().hex
    reference = f"api:{request.user.pk}:{key}"
    if len(reference) > _LONGEST_REFERENCE:
        reference = f"api:{uuid.uuid5(uuid.NAMESPACE_OID, reference)}"
    return reference


class IssuedVoucherSerializer(serializers.ModelSerializer[Voucher]):
    """A voucher that a redemption handed out; who may not redeem sees its last signs only."""

    code = serializers.SerializerMethodField()

    class Meta:
        model = Voucher
        fields = ["code", "state", "amount", "expires_on", "used_at"]

    def get_code(self, voucher: Voucher) -> str:
        """The code, or its last four signs."""
        return voucher.code if self.context.get("shows_codes") else voucher.masked


class RedemptionSerializer(serializers.ModelSerializer[Redemption]):
    """A redemption in its present state; `amount` is money off a bill."""

    id = serializers.UUIDField(source="public_id")
    customer_id = serializers.IntegerField(source="account.customer_id")
    reward = serializers.CharField(source="reward.name")
    store = serializers.CharField(source="store.code", allow_null=True, default=None)
    bill = serializers.CharField(source="bill_key")

    class Meta:
        model = Redemption
        fields = [
            "id",
            "customer_id",
            "reward_id",
            "reward",
            "state",
            "channel",
            "units",
            "points",
            "amount",
            "store",
            "entry_id",
            "purchase_id",
            "bill",
            "expires_at",
            "created_at",
            "committed_at",
            "closed_at",
        ]


class RedemptionDetailSerializer(RedemptionSerializer):
    """A redemption with its vouchers."""

    vouchers = serializers.SerializerMethodField()

    class Meta(RedemptionSerializer.Meta):
        fields = [*RedemptionSerializer.Meta.fields, "vouchers"]

    @extend_schema_field(IssuedVoucherSerializer(many=True))
    def get_vouchers(self, redemption: Redemption) -> Any:
        """What was handed out; a code that is only set aside is nobody's yet."""
        issued = redemption.vouchers.exclude(state=Voucher.State.SET_ASIDE).order_by("pk")
        return IssuedVoucherSerializer(issued, many=True, context=self.context).data


def _answer(redemption: Redemption, code: int = status.HTTP_200_OK) -> Response:
    context = {"shows_codes": True}
    return Response(RedemptionDetailSerializer(redemption, context=context).data, status=code)


class RewardWishSerializer(StrictSerializer):
    """Which reward for whom; the server says what it costs."""

    customer_id = StrictIntegerField(min_value=1)
    reward_id = StrictIntegerField(min_value=1)
    units = StrictIntegerField(min_value=1, max_value=100, default=1)
    store = StoreField()

    def to_wish(self, request: Request) -> RewardWish:
        """What the service takes."""
        data, user = self.validated_data, request.user
        return RewardWish(
            account=account_of(data["customer_id"]),
            reward=get_reward(data["reward_id"]),
            reference=_reference(request),
            channel=Redemption.Channel.API,
            units=data["units"],
            store=data.get("store"),
            acting_user=user,  # type: ignore[arg-type]
        )


class RedemptionFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Redemptions by customer, reward and state."""

    customer_id = django_filters.NumberFilter("account__customer_id")
    reward_id = django_filters.NumberFilter("reward_id")

    class Meta:
        model = Redemption
        fields = ["state", "channel"]


class RedemptionsView(generics.ListAPIView[Redemption]):
    """Redemptions: list them, or reserve a reward for 15 minutes."""

    required_permissions: ClassVar = {
        "GET": "loyalty.view_redemption",
        "POST": "loyalty.redeem_points",
    }
    serializer_class = RedemptionSerializer
    filterset_class = RedemptionFilter
    queryset = Redemption.objects.none()

    def get_queryset(self) -> QuerySet[Redemption]:
        return redemption_rows()

    @extend_schema(
        request=RewardWishSerializer,
        responses={201: RedemptionDetailSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        body = RewardWishSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return _answer(reserve_reward(wish=body.to_wish(request)), status.HTTP_201_CREATED)


class RedeemRewardView(APIView):
    """Reserve a reward and complete it in one call."""

    required_permissions: ClassVar = {"POST": "loyalty.redeem_points"}

    @extend_schema(
        request=RewardWishSerializer,
        responses={201: RedemptionDetailSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        body = RewardWishSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return _answer(redeem_reward(wish=body.to_wish(request)), status.HTTP_201_CREATED)


class PaymentView(APIView):
    """Set points aside that pay a part of a bill; commit them with the bill."""

    required_permissions: ClassVar = {"POST": "loyalty.redeem_points"}

    @extend_schema(
        request=PaymentSerializer,
        responses={201: RedemptionDetailSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        body = PaymentSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        data, user = body.validated_data, request.user
        account, reward = payment_of(data)
        wish = RewardWish(
            account=account,
            reward=reward,
            reference=_reference(request),
            channel=Redemption.Channel.API,
            store=data.get("store"),
            acting_user=user,  # type: ignore[arg-type]
        )
        made = reserve_payment(wish=wish, bill=data["amount"], wanted=data.get("points"))
        return _answer(made, status.HTTP_201_CREATED)


class RedemptionView(APIView):
    """One redemption."""

    required_permissions: ClassVar = {"GET": "loyalty.view_redemption"}

    @extend_schema(responses=RedemptionDetailSerializer)
    def get(self, request: Request, public_id: uuid.UUID) -> Response:
        context = {"shows_codes": request.user.has_perm("loyalty.redeem_points")}
        redemption = get_redemption(public_id)
        return Response(RedemptionDetailSerializer(redemption, context=context).data)


class CommitSerializer(StrictSerializer):
    """The bill that the redemption is used on: ours by id, or by the caller's own key."""

    purchase_id = StrictIntegerField(min_value=1, required=False)
    bill = LineField(max_length=120, required=False)

    def to_bill(self, request: Request) -> BillNamed:
        """The bill, if it arrived, else its name."""
        source = f"api:{request.user.pk}"
        if purchase_id := self.validated_data.get("purchase_id"):
            purchase = Purchase.objects.filter(pk=purchase_id).first()
            if purchase is None:
                raise serializers.ValidationError({"purchase_id": ["There is no such bill."]})
            return BillNamed(purchase=purchase)
        if key := self.validated_data.get("bill"):
            known = Purchase.objects.filter(source=source, external_id=key).first()
            return BillNamed(purchase=known, source=source, key=key)
        return BillNamed()


class CommitRedemptionView(APIView):
    """Complete a reservation: its points are spent, its vouchers handed out."""

    required_permissions: ClassVar = {"POST": "loyalty.redeem_points"}

    @extend_schema(
        request=CommitSerializer,
        responses=RedemptionDetailSerializer,
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request, public_id: uuid.UUID) -> Response:
        body = CommitSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        redemption = commit_redemption(
            redemption=get_redemption(public_id), bill=body.to_bill(request), acting_user=user
        )
        return _answer(redemption)


class ReasonGivenSerializer(StrictSerializer):
    """Why; kept with the redemption."""

    reason = LineField(max_length=200)


class ReleaseSerializer(StrictSerializer):
    """Why, if anybody said."""

    reason = LineField(max_length=200, required=False, default="")


class ReleaseRedemptionView(APIView):
    """Let a reservation go: points and pieces are free again."""

    required_permissions: ClassVar = {"POST": "loyalty.redeem_points"}

    @extend_schema(
        request=ReleaseSerializer,
        responses=RedemptionDetailSerializer,
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request, public_id: uuid.UUID) -> Response:
        body = ReleaseSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        redemption = cancel_reservation(
            redemption=get_redemption(public_id),
            reason=body.validated_data["reason"],
            acting_user=user,
        )
        return _answer(redemption)


class CancelRedemptionView(APIView):
    """Undo a completed redemption: its points return to their lots."""

    required_permissions: ClassVar = {"POST": "loyalty.cancel_redemption"}

    @extend_schema(
        request=ReasonGivenSerializer,
        responses=RedemptionDetailSerializer,
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request, public_id: uuid.UUID) -> Response:
        body = ReasonGivenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        redemption = cancel_redemption(
            redemption=get_redemption(public_id),
            reason=body.validated_data["reason"],
            acting_user=user,
        )
        return _answer(redemption)


# --- vouchers -----------------------------------------------------------------------------------


class VoucherCodeSerializer(StrictSerializer):
    """A code as it was typed or scanned, and where."""

    code = LineField(max_length=80)
    store = StoreField()


class VoucherUseSerializer(VoucherCodeSerializer):
    """A code that is used on a bill."""

    bill = LineField(max_length=120, required=False, default="")


class VoucherSerializer(serializers.ModelSerializer[Voucher]):
    """A voucher as the till sees it; `refusal` says why it cannot be used now."""

    reward = serializers.CharField(source="redemption.reward.name", default=None, allow_null=True)
    reward_id = serializers.IntegerField(
        source="redemption.reward_id", default=None, allow_null=True
    )
    customer_id = serializers.IntegerField(
        source="account.customer_id", default=None, allow_null=True
    )
    is_usable = serializers.SerializerMethodField()
    refusal = serializers.SerializerMethodField()

    class Meta:
        model = Voucher
        fields = [
            "code",
            "state",
            "is_usable",
            "refusal",
            "reward",
            "reward_id",
            "customer_id",
            "amount",
            "expires_on",
            "used_at",
            "used_bill",
        ]

    def get_is_usable(self, voucher: Voucher) -> bool:
        """Whether consuming it would succeed now."""
        return self.context.get("refusal") is None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_refusal(self, voucher: Voucher) -> str | None:
        """Why it cannot be used, in words for the till."""
        refusal = self.context.get("refusal")
        return str(refusal) if refusal else None


class ValidateVoucherView(APIView):
    """Whether a voucher can be used here and now; nothing changes."""

    required_permissions: ClassVar = {"POST": "loyalty.use_voucher"}

    @extend_schema(request=VoucherCodeSerializer, responses=VoucherSerializer)
    def post(self, request: Request) -> Response:
        body = VoucherCodeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        voucher = get_voucher(body.validated_data["code"])
        today = voucher.pool.program.day_of(timezone.now())
        refusal = refusal_of(voucher, store=body.validated_data.get("store"), today=today)
        return Response(VoucherSerializer(voucher, context={"refusal": refusal}).data)


class ConsumeVoucherView(APIView):
    """Check a voucher and use it, in one call and once."""

    required_permissions: ClassVar = {"POST": "loyalty.use_voucher"}

    @extend_schema(
        request=VoucherUseSerializer, responses=VoucherSerializer, parameters=[KEY_PARAMETER]
    )
    @idempotent
    def post(self, request: Request) -> Response:
        body = VoucherUseSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        voucher = use_voucher(
            voucher=get_voucher(body.validated_data["code"]),
            store=body.validated_data.get("store"),
            bill=body.validated_data["bill"],
            acting_user=user,
        )
        return Response(VoucherSerializer(voucher).data)
