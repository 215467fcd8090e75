"""Tiers, lots, points on their way, and how things stood at an instant."""

from datetime import datetime
from typing import Any, ClassVar, cast

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loyalty.engine import NEVER
from loyalty.engine.expiry import describe
from loyalty.models import Account, JobRun, Lot, PendingPoints, Program, Tier, TierChange
from loyalty.selectors import Clock, balance_at, get_account, tier_at, tier_progress
from loyalty.services import default_program, give_tier, take_given_tier
from loyalty_site.common.serializers import LineField, StrictIntegerField, StrictSerializer
from loyalty_site.staff.idempotency import idempotent
from loyalty_site.staff.models import User


class TierSerializer(serializers.ModelSerializer[Tier]):
    """A step of the ladder; `needed` is money, points or days, as the programme counts."""

    needed = serializers.DecimalField(source="threshold", max_digits=14, decimal_places=2)
    benefits = serializers.SerializerMethodField()
    points_live = serializers.SerializerMethodField()

    class Meta:
        model = Tier
        fields = ["id", "name", "needed", "color", "benefits", "birthday_points", "points_live"]

    def get_benefits(self, tier: Tier) -> list[str]:
        """One a line, in the customer's words."""
        return [line.strip() for line in tier.benefits.splitlines() if line.strip()]

    def get_points_live(self, tier: Tier) -> str:
        """How long points of this tier live, as the end of a sentence."""
        program: Program = self.context["program"]
        return describe(program.tier_policy(tier.pk) or program.expiry_policy)


class LadderSerializer(serializers.Serializer[Any]):
    """How tiers are reached, kept and lost, and the tiers from the bottom."""

    measure = serializers.ChoiceField(Program.TierMeasure.choices)
    window = serializers.ChoiceField(Program.TierWindow.choices)
    window_days = serializers.IntegerField(allow_null=True)
    grace_days = serializers.IntegerField()
    demotion = serializers.ChoiceField(Program.TierDemotion.choices)
    tiers = TierSerializer(many=True)


class TiersView(APIView):
    """The ladder."""

    required_permissions: ClassVar = {"GET": "loyalty.view_tier"}

    @extend_schema(
        operation_id="tiers_get", summary="The ladder of tiers", responses=LadderSerializer
    )
    def get(self, request: Request) -> Response:
        """All tiers from the bottom, and the programme's way of counting."""
        program = default_program()
        is_rolling = program.tier_window == Program.TierWindow.ROLLING
        ladder = {
            "measure": program.tier_measure,
            "window": program.tier_window,
            "window_days": program.tier_window_days if is_rolling else None,
            "grace_days": program.tier_grace_days,
            "demotion": program.tier_demotion,
            "tiers": program.tiers.order_by("threshold"),
        }
        return Response(LadderSerializer(ladder, context={"program": program}).data)


class KeepingSerializer(serializers.Serializer[Any]):
    """What it takes to keep the tier; without `missing` more the customer falls."""

    ends_on = serializers.DateField()
    last_chance = serializers.DateField()
    needed = serializers.DecimalField(max_digits=14, decimal_places=2)
    counted = serializers.DecimalField(max_digits=14, decimal_places=2)
    missing = serializers.DecimalField(max_digits=14, decimal_places=2)
    falls_to = serializers.CharField(allow_null=True)
    falls_on = serializers.DateField()


class StandingSerializer(serializers.Serializer[Any]):
    """Where a customer stands; figures are money, points or days, as `measure` says."""

    tier = serializers.CharField(allow_null=True)
    is_given = serializers.BooleanField()
    given_until = serializers.DateField(allow_null=True)
    measure = serializers.ChoiceField(Program.TierMeasure.choices)
    counted_from = serializers.DateField()
    counted = serializers.DecimalField(source="spend", max_digits=14, decimal_places=2)
    next_tier = serializers.CharField(allow_null=True)
    missing = serializers.DecimalField(max_digits=14, decimal_places=2)
    percent = serializers.IntegerField()
    keeping = KeepingSerializer(allow_null=True)


class StandingView(APIView):
    """A customer's place on the ladder."""

    required_permissions: ClassVar = {"GET": "loyalty.view_account"}

    @extend_schema(
        operation_id="accounts_tier_get",
        summary="A customer's tier, and the way to the next",
        responses=StandingSerializer,
    )
    def get(self, request: Request, customer_id: int) -> Response:
        """What counts now, what is missing to rise, and what to stay."""
        return Response(StandingSerializer(tier_progress(get_account(customer_id))).data)


class GivenTierSerializer(StrictSerializer):
    """A tier below which a customer never stands."""

    tier_id = StrictIntegerField(min_value=1)
    ends_on = serializers.DateField(
        required=False, allow_null=True, default=None, help_text="Its last day; null: for good."
    )
    reason = LineField(max_length=200)


class ReasonSerializer(StrictSerializer):
    """Why."""

    reason = LineField(max_length=200)


class GivenTierView(APIView):
    """Tiers given by hand."""

    required_permissions: ClassVar = {"POST": "loyalty.give_tier"}

    @extend_schema(
        operation_id="accounts_given_tier_create",
        summary="Give a customer a tier",
        request=GivenTierSerializer,
        responses={201: StandingSerializer},
    )
    @idempotent
    def post(self, request: Request, customer_id: int) -> Response:
        """It replaces one that was given before; own purchases go on counting beside it."""
        body = GivenTierSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        account = get_account(customer_id)
        tier = Tier.objects.filter(
            pk=body.validated_data["tier_id"], program_id=account.program_id
        ).first()
        if tier is None:
            raise serializers.ValidationError({"tier_id": ["There is no such tier."]})
        give_tier(
            account=account,
            tier=tier,
            ends_on=body.validated_data["ends_on"],
            reason=body.validated_data["reason"],
            acting_user=cast(User, request.user),
        )
        return _standing(customer_id, status.HTTP_201_CREATED)


class EndGivenTierView(APIView):
    """The end of a tier given by hand."""

    required_permissions: ClassVar = {"POST": "loyalty.give_tier"}

    @extend_schema(
        operation_id="accounts_given_tier_end",
        summary="End a given tier",
        request=ReasonSerializer,
        responses={200: StandingSerializer},
    )
    @idempotent
    def post(self, request: Request, customer_id: int) -> Response:
        """The customer stands where own purchases lead."""
        body = ReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        take_given_tier(
            account=get_account(customer_id),
            reason=body.validated_data["reason"],
            acting_user=cast(User, request.user),
        )
        return _standing(customer_id, status.HTTP_200_OK)


def _standing(customer_id: int, code: int) -> Response:
    standing = tier_progress(get_account(customer_id))
    return Response(StandingSerializer(standing).data, status=code)


class TierChangeSerializer(serializers.ModelSerializer[TierChange]):
    """A move between tiers, with the figures that caused it."""

    tier = serializers.CharField(source="tier.name")
    previous_tier = serializers.CharField(source="previous.name", default=None, allow_null=True)
    measured = serializers.DecimalField(source="spend", max_digits=14, decimal_places=2)
    figures = serializers.DictField()

    class Meta:
        model = TierChange
        fields = [
            "id",
            "tier",
            "previous_tier",
            "cause",
            "reason",
            "measured",
            "figures",
            "occurred_at",
            "recorded_at",
        ]


class TierHistoryView(generics.ListAPIView[TierChange]):
    """A customer's moves between tiers, newest first."""

    required_permissions: ClassVar = {"GET": "loyalty.view_tierchange"}
    serializer_class = TierChangeSerializer
    queryset = TierChange.objects.none()

    def get_queryset(self) -> QuerySet[TierChange]:
        account = get_account(self.kwargs["customer_id"])
        return account.tier_changes.select_related("tier", "previous")


class LotSerializer(serializers.ModelSerializer[Lot]):
    """Points that were earned together; `expires_on` is their last usable day, null for ever."""

    expires_on = serializers.SerializerMethodField()

    class Meta:
        model = Lot
        fields = ["id", "entry_id", "points", "remaining", "expires_on", "slides"]

    def get_expires_on(self, lot: Lot) -> str | None:
        """As a date, or null."""
        return None if lot.expires_on == NEVER else lot.expires_on.isoformat()


class LotFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Open ones, or used ones."""

    is_open = django_filters.BooleanFilter(method="by_rest", help_text="Whether any are left.")

    class Meta:
        model = Lot
        fields: ClassVar[list[str]] = []

    def by_rest(self, lots: QuerySet[Lot], name: str, is_open: bool) -> QuerySet[Lot]:
        """Lots with points left, or without."""
        return lots.filter(remaining__gt=0) if is_open else lots.filter(remaining=0)


class LotsView(generics.ListAPIView[Lot]):
    """The lots of an account, newest first."""

    required_permissions: ClassVar = {"GET": "loyalty.view_account"}
    serializer_class = LotSerializer
    filterset_class = LotFilter
    queryset = Lot.objects.none()

    def get_queryset(self) -> QuerySet[Lot]:
        return Lot.objects.filter(account=get_account(self.kwargs["customer_id"]))


class PendingSerializer(serializers.ModelSerializer[PendingPoints]):
    """Points on their way: usable from `activates_on`, or when what they await happens."""

    reason = serializers.CharField(source="entry.reason")

    class Meta:
        model = PendingPoints
        fields = [
            "id",
            "entry_id",
            "reason",
            "points",
            "remaining",
            "activates_on",
            "awaits",
            "cancels_on",
        ]


class PendingView(generics.ListAPIView[PendingPoints]):
    """The points of an account that cannot be used yet, newest first."""

    required_permissions: ClassVar = {"GET": "loyalty.view_account"}
    serializer_class = PendingSerializer
    queryset = PendingPoints.objects.none()

    def get_queryset(self) -> QuerySet[PendingPoints]:
        account = get_account(self.kwargs["customer_id"])
        return account.pending_points.filter(remaining__gt=0).select_related("entry")


class InstantSerializer(StrictSerializer):
    """An instant of the past, and which time is meant."""

    at = serializers.DateTimeField(help_text="With its zone, like 2026-06-30T23:59:59+05:30.")
    clock = serializers.ChoiceField(
        [clock.value for clock in Clock],
        default=Clock.RECORDED.value,
        help_text="`recorded`: what was known then. `occurred`: what was true then, late bills"
        " included.",
    )


class AsOfSerializer(serializers.Serializer[Any]):
    """How an account stood."""

    at = serializers.DateTimeField()
    clock = serializers.CharField()
    balance = serializers.IntegerField()
    tier_id = serializers.IntegerField(allow_null=True)
    tier = serializers.CharField(allow_null=True)


class AsOfView(APIView):
    """Balance and tier at an instant."""

    required_permissions: ClassVar = {"GET": "loyalty.view_account"}

    @extend_schema(
        operation_id="accounts_as_of",
        summary="Balance and tier at an instant",
        parameters=[InstantSerializer],
        responses=AsOfSerializer,
    )
    def get(self, request: Request, customer_id: int) -> Response:
        """By what was recorded up to then, or by what had happened up to then."""
        query = InstantSerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        at: datetime = query.validated_data["at"]
        clock = Clock(query.validated_data["clock"])
        account: Account = get_account(customer_id)
        tier_id = tier_at([account.pk], at, clock=clock)[account.pk]
        tier = Tier.objects.filter(pk=tier_id).first() if tier_id else None
        return Response(
            AsOfSerializer(
                {
                    "at": at,
                    "clock": clock.value,
                    "balance": balance_at([account.pk], at, clock=clock)[account.pk],
                    "tier_id": tier_id,
                    "tier": tier.name if tier else None,
                }
            ).data
        )


class JobRunSerializer(serializers.ModelSerializer[JobRun]):
    """One nightly job on one day, with its progress."""

    percent = serializers.IntegerField()
    figures = serializers.DictField()

    class Meta:
        model = JobRun
        fields = [
            "id",
            "job",
            "on",
            "state",
            "percent",
            "done",
            "total",
            "figures",
            "error",
            "started_at",
            "finished_at",
        ]


class JobRunFilter(django_filters.FilterSet):  # type: ignore[misc]
    """By job, day and state."""

    class Meta:
        model = JobRun
        fields = ["job", "on", "state"]


class JobRunsView(generics.ListAPIView[JobRun]):
    """What ran at night, newest first."""

    required_permissions: ClassVar = {"GET": "loyalty.view_jobrun"}
    serializer_class = JobRunSerializer
    filterset_class = JobRunFilter
    queryset = JobRun.objects.all()
