"""Rewards: what there is, what a customer can have, and paying a bill with points."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.fields import empty
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.models import Store
from loyalty.api.points import account_of
from loyalty.errors import RewardNotFoundError
from loyalty.models import Account, Reward
from loyalty.selectors import (
    find_account,
    find_payment_reward,
    get_account,
    get_reward,
    limit_in_words,
    list_rewards,
    offers_for,
    quote_bill,
)
from loyalty.selectors.rewards import Offer
from loyalty.services import default_program
from loyalty_site.common.serializers import (
    AmountField,
    LineField,
    StrictIntegerField,
    StrictSerializer,
)


class StoreField(LineField):
    """A store by its code."""

    default_error_messages = {"no_store": "There is no store with this code."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 40, "required": False, **kwargs})

    def run_validation(self, data: Any = empty) -> Any:
        store = Store.objects.filter(code=super().run_validation(data)).first()
        if store is None:
            self.fail("no_store")
        return store


class ReasonSerializer(serializers.Serializer[Any]):
    """One obstacle; decide on the code, show the detail."""

    code = serializers.CharField()
    detail = serializers.CharField()


class AvailabilitySerializer(serializers.Serializer[Any]):
    """Whether a customer can have a reward, what it costs them, and why not."""

    is_available = serializers.BooleanField()
    cost = serializers.IntegerField()
    missing_points = serializers.IntegerField()
    reasons = ReasonSerializer(many=True)


class RewardSerializer(serializers.ModelSerializer[Reward]):
    """A reward; `availability` is null unless a customer was named."""

    pool = serializers.CharField(source="pool.name", allow_null=True, default=None)
    tiers = serializers.SerializerMethodField()
    stores = serializers.SerializerMethodField()
    availability = serializers.SerializerMethodField()

    class Meta:
        model = Reward
        fields = [
            "id",
            "name",
            "kind",
            "category",
            "summary",
            "details",
            "points",
            "bundle",
            "most_units",
            "amount",
            "least_points",
            "most_points",
            "share_percent",
            "is_offered",
            "starts_at",
            "ends_at",
            "stock",
            "limit_total",
            "limit_each",
            "pool",
            "tiers",
            "stores",
            "availability",
        ]

    def get_tiers(self, reward: Reward) -> list[str]:
        """The tiers it is for; empty means all."""
        return [tier.name for tier in reward.tiers.all()]

    def get_stores(self, reward: Reward) -> list[str]:
        """The codes of the stores it is for; empty means all."""
        return [store.code for store in reward.stores.all()]

    @extend_schema_field(AvailabilitySerializer(allow_null=True))
    def get_availability(self, reward: Reward) -> dict[str, Any] | None:
        """For the customer who was named."""
        offer: Offer | None = self.context.get("offers", {}).get(reward.pk)
        if offer is None:
            return None
        pairs = zip(offer.availability.findings, offer.reasons, strict=True)
        return {
            "is_available": offer.is_available,
            "cost": offer.availability.cost,
            "missing_points": offer.missing_points,
            "reasons": [{"code": found.obstacle.value, "detail": why} for found, why in pairs],
        }


class RewardFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Rewards by kind and category; a customer and a store are asked about, not filtered by."""

    customer_id = django_filters.NumberFilter(method="unfiltered", min_value=1)
    store = django_filters.CharFilter(method="unfiltered")

    class Meta:
        model = Reward
        fields = ["kind", "category", "is_offered"]

    def unfiltered(self, queryset: QuerySet[Reward], _name: str, _value: Any) -> QuerySet[Reward]:
        """The list is the same for every customer; only the answers differ."""
        return queryset


def _offers(request: Request, rewards: Sequence[Reward]) -> dict[int, Offer]:
    """What the customer of the query can have; empty without one."""
    customer_id = request.query_params.get("customer_id")
    if not customer_id:
        return {}
    if not (customer_id.isascii() and customer_id.isdecimal() and len(customer_id) < 19):
        raise serializers.ValidationError({"customer_id": ["Give a whole number."]})
    account: Account | None = find_account(int(customer_id))
    if account is None:
        account_of(int(customer_id))  # a stranger is an error, a customer without points is not
    store = None
    if code := request.query_params.get("store"):
        store = Store.objects.filter(code=code).first()
        if store is None:
            raise serializers.ValidationError({"store": ["There is no store with this code."]})
    return {offer.reward.pk: offer for offer in offers_for(account, rewards, store=store)}


class RewardsView(generics.ListAPIView[Reward]):
    """Rewards; with `customer_id`, what that customer can have and why not."""

    required_permissions: ClassVar = {"GET": "loyalty.view_reward"}
    serializer_class = RewardSerializer
    filterset_class = RewardFilter
    queryset = Reward.objects.none()

    def get_queryset(self) -> QuerySet[Reward]:
        return list_rewards(default_program())

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset())) or []
        context = {**self.get_serializer_context(), "offers": _offers(request, page)}
        return self.get_paginated_response(RewardSerializer(page, many=True, context=context).data)


class RewardView(APIView):
    """One reward; ask with `customer_id` for what a customer can have in the list."""

    required_permissions: ClassVar = {"GET": "loyalty.view_reward"}

    @extend_schema(responses=RewardSerializer)
    def get(self, request: Request, reward_id: int) -> Response:
        return Response(RewardSerializer(get_reward(reward_id)).data)


class PaymentSerializer(StrictSerializer):
    """A bill to be paid with points: what it comes to, and with how many points at most."""

    customer_id = StrictIntegerField(min_value=1)
    amount = AmountField(min_value=Decimal("0.01"))
    points = StrictIntegerField(min_value=1, max_value=100_000_000, required=False)
    reward_id = StrictIntegerField(min_value=1, required=False)
    store = StoreField()


class QuoteSerializer(serializers.Serializer[Any]):
    """How many points pay how much of a bill; `explanation` says what limits it."""

    reward_id = serializers.IntegerField()
    points = serializers.IntegerField()
    amount = serializers.DecimalField(max_digits=14, decimal_places=2)
    payable = serializers.DecimalField(max_digits=14, decimal_places=2)
    available = serializers.IntegerField()
    limited_by = serializers.CharField()
    explanation = serializers.CharField(allow_blank=True)


def payment_of(body: dict[str, Any]) -> tuple[Account, Reward]:
    """The account and the reward by which a bill is to be paid."""
    account = get_account(body["customer_id"])
    if reward_id := body.get("reward_id"):
        reward = get_reward(reward_id)
        if not reward.pays_bills:
            raise RewardNotFoundError()
        return account, reward
    return account, find_payment_reward(account, store=body.get("store"))


class PaymentQuoteView(APIView):
    """How much of a bill a customer's points can pay; nothing is set aside."""

    required_permissions: ClassVar = {"POST": "loyalty.redeem_points"}

    @extend_schema(request=PaymentSerializer, responses=QuoteSerializer)
    def post(self, request: Request) -> Response:
        body = PaymentSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        account, reward = payment_of(body.validated_data)
        quote = quote_bill(
            account,
            reward,
            bill=body.validated_data["amount"],
            wanted=body.validated_data.get("points"),
        )
        answer = {
            "reward_id": reward.pk,
            "points": quote.points,
            "amount": quote.amount,
            "payable": quote.payable,
            "available": account.available,
            "limited_by": quote.limited_by.value,
            "explanation": limit_in_words(quote, reward),
        }
        return Response(QuoteSerializer(answer).data)
