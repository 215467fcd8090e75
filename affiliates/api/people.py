"""Affiliates and their commissions, for integrators."""

from typing import Any, ClassVar, cast

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from affiliates.models import Affiliate, CommissionEntry, Plan
from affiliates.selectors import (
    AffiliateFigures,
    application_policy,
    commissions_of,
    explain_entry,
    find_recruiter,
    get_affiliate,
    recent_figures,
    with_earnings,
)
from affiliates.services import apply_as_affiliate, decide_affiliates
from customers.errors import CustomerNotFoundError
from customers.models import Customer
from loyalty_site.common.serializers import LineField, StrictIntegerField, StrictSerializer
from loyalty_site.staff.idempotency import HEADER, idempotent
from loyalty_site.staff.models import User

KEY_PARAMETER = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Your own key of this call. Sending it again repeats the answer, not the effect.",
)


class AffiliateSerializer(serializers.ModelSerializer[Affiliate]):
    """An affiliate with what was earned; `balance` is what is due and not paid yet."""

    codes = serializers.SerializerMethodField()
    held = serializers.DecimalField(max_digits=14, decimal_places=2)
    in_review = serializers.DecimalField(max_digits=14, decimal_places=2)
    due = serializers.DecimalField(max_digits=14, decimal_places=2)
    in_batch = serializers.DecimalField(max_digits=14, decimal_places=2)
    paid = serializers.DecimalField(max_digits=14, decimal_places=2)
    balance = serializers.DecimalField(max_digits=14, decimal_places=2)

    class Meta:
        model = Affiliate
        fields: ClassVar[list[str]] = [
            "id",
            "name",
            "state",
            "customer_id",
            "codes",
            "held",
            "in_review",
            "due",
            "in_batch",
            "paid",
            "balance",
            "applied_at",
        ]

    def get_codes(self, affiliate: Affiliate) -> list[str]:
        """Codes that earn for this affiliate."""
        return [code.text for plan in affiliate.enrolments.all() for code in plan.codes.all()]


class FiguresSerializer(serializers.Serializer[AffiliateFigures]):
    """How shares became commission. `conversion_rate` is bills for a hundred clicks and chats."""

    shares = serializers.IntegerField()
    clicks = serializers.IntegerField()
    chats = serializers.IntegerField()
    bills = serializers.IntegerField()
    sales = serializers.DecimalField(max_digits=16, decimal_places=2)
    commission = serializers.DecimalField(max_digits=16, decimal_places=2)
    conversion_rate = serializers.DecimalField(max_digits=12, decimal_places=1, allow_null=True)


class AffiliateDetailSerializer(AffiliateSerializer):
    """An affiliate with what was earned and how, in the last 30 and the last 365 days."""

    last_30_days = serializers.SerializerMethodField()
    last_365_days = serializers.SerializerMethodField()

    class Meta(AffiliateSerializer.Meta):
        fields: ClassVar[list[str]] = [
            *AffiliateSerializer.Meta.fields,
            "website",
            "about",
            "parent_id",
            "decided_at",
            "decision_reason",
            "last_30_days",
            "last_365_days",
        ]

    @extend_schema_field(FiguresSerializer)
    def get_last_30_days(self, affiliate: Affiliate) -> Any:
        """Figures of the last 30 days."""
        return FiguresSerializer(self.context["recent"][0]).data

    @extend_schema_field(FiguresSerializer)
    def get_last_365_days(self, affiliate: Affiliate) -> Any:
        """Figures of the last 365 days."""
        return FiguresSerializer(self.context["recent"][1]).data


class ApplicationSerializer(StrictSerializer):
    """An application; `agrees` says that the customer was shown the terms and agreed to them."""

    customer_id = StrictIntegerField(min_value=1)
    name = LineField(max_length=120, required=False, help_text="Empty: the customer's name.")
    about = serializers.CharField(max_length=1000, help_text="How they want to bring customers.")
    website = LineField(max_length=200, required=False, allow_blank=True)
    recruiter_code = LineField(max_length=40, required=False)
    agrees = serializers.BooleanField()

    def validate_agrees(self, agrees: bool) -> bool:
        """It cannot go on without."""
        if not agrees:
            raise serializers.ValidationError("The customer must agree to the terms.")
        return agrees


class DecisionSerializer(StrictSerializer):
    """What is decided about an affiliate."""

    decision = serializers.ChoiceField(
        source="state",
        choices=[
            (state.value, state.label)
            for state in (
                Affiliate.State.APPROVED,
                Affiliate.State.REJECTED,
                Affiliate.State.SUSPENDED,
            )
        ],
    )
    reason = LineField(max_length=200, required=False, help_text="The affiliate reads it.")
    plan_id = serializers.PrimaryKeyRelatedField(
        queryset=Plan.objects.all(),
        required=False,
        source="plan",
        help_text="For an affiliate who is on no plan yet.",
    )


class CommissionSerializer(serializers.ModelSerializer[CommissionEntry]):
    """One line of the commission ledger; corrections are lines of their own."""

    purchase_number = serializers.CharField(
        source="conversion.purchase.number", default=None, allow_null=True
    )
    purchase_id = serializers.IntegerField(
        source="conversion.purchase_id", default=None, allow_null=True
    )
    amount = serializers.DecimalField(max_digits=14, decimal_places=2)
    explanation = serializers.SerializerMethodField()
    figures = serializers.JSONField(source="explanation")

    class Meta:
        model = CommissionEntry
        fields: ClassVar[list[str]] = [
            "id",
            "kind",
            "amount",
            "currency",
            "purchase_id",
            "purchase_number",
            "occurred_at",
            "held_until",
            "explanation",
            "figures",
        ]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_explanation(self, entry: CommissionEntry) -> Any:
        """Why this amount, in sentences."""
        return explain_entry(entry)


class AffiliateFilter(django_filters.FilterSet):  # type: ignore[misc]
    state = django_filters.ChoiceFilter(choices=Affiliate.State.choices)

    class Meta:
        model = Affiliate
        fields: ClassVar[list[str]] = ["state"]


class AffiliatesView(generics.ListAPIView[Affiliate]):
    """All affiliates with their earnings."""

    required_permissions: ClassVar[dict[str, str]] = {
        "GET": "affiliates.view_affiliate",
        "POST": "affiliates.add_affiliate",
    }
    serializer_class = AffiliateSerializer
    filterset_class = AffiliateFilter
    queryset = Affiliate.objects.prefetch_related("enrolments__codes")

    def get_queryset(self) -> QuerySet[Affiliate]:
        return with_earnings(super().get_queryset())

    @extend_schema(
        operation_id="affiliates_apply",
        summary="Apply as an affiliate",
        request=ApplicationSerializer,
        responses={201: AffiliateDetailSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Take up a customer's application; staff decide. While it waits, a further one only
        brings it up to date."""
        body = ApplicationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        del given["agrees"]
        customer = Customer.objects.filter(
            pk=given.pop("customer_id"), status=Customer.Status.ACTIVE
        ).first()
        if customer is None:
            raise CustomerNotFoundError()
        code = given.pop("recruiter_code", "")
        affiliate = apply_as_affiliate(
            customer=customer,
            agreed_to=application_policy().terms,
            recruiter=find_recruiter(code) if code else None,
            **given,
        )
        return Response(_detail(affiliate.pk), status=status.HTTP_201_CREATED)


class AffiliateView(APIView):
    """One affiliate."""

    required_permissions: ClassVar[dict[str, str]] = {"GET": "affiliates.view_affiliate"}

    @extend_schema(operation_id="affiliates_detail", responses=AffiliateDetailSerializer)
    def get(self, request: Request, affiliate_id: int) -> Response:
        """Earnings, and how shares became commission."""
        return Response(_detail(affiliate_id))


class DecideView(APIView):
    """What staff decide about an affiliate."""

    required_permissions: ClassVar[dict[str, str]] = {"POST": "affiliates.decide_affiliate"}

    @extend_schema(
        operation_id="affiliates_decide",
        summary="Approve, reject or suspend",
        request=DecisionSerializer,
        responses={200: AffiliateDetailSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request, affiliate_id: int) -> Response:
        """Whoever is approved and on no plan joins one, with a code of their name."""
        body = DecisionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        [decision] = decide_affiliates(
            affiliates=[get_affiliate(affiliate_id)],
            state=Affiliate.State(given.pop("state")),
            acting_user=cast(User, request.user),
            **given,
        )
        if decision.refusal is not None:
            raise decision.refusal
        return Response(_detail(affiliate_id))


def _detail(affiliate_id: int) -> Any:
    affiliate = get_affiliate(affiliate_id)
    row = with_earnings(
        Affiliate.objects.filter(pk=affiliate.pk).prefetch_related("enrolments__codes")
    ).get()
    context = {"recent": recent_figures(affiliate)}
    return AffiliateDetailSerializer(row, context=context).data


class CommissionsView(generics.ListAPIView[CommissionEntry]):
    """One affiliate's commissions, newest first, each explained."""

    required_permissions: ClassVar[dict[str, str]] = {"GET": "affiliates.view_commissionentry"}
    serializer_class = CommissionSerializer
    queryset = CommissionEntry.objects.none()

    def get_queryset(self) -> QuerySet[CommissionEntry]:
        return commissions_of(get_affiliate(self.kwargs["affiliate_id"]))
