"""Affiliates and their commissions, for integrators."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import generics, serializers

from affiliates.models import Affiliate, CommissionEntry
from affiliates.selectors import commissions_of, explain_entry, get_affiliate, with_earnings


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


class CommissionSerializer(serializers.ModelSerializer[CommissionEntry]):
    """One line of the commission ledger; corrections are lines of their own."""

    purchase_number = serializers.CharField(source="conversion.purchase.number")
    purchase_id = serializers.IntegerField(source="conversion.purchase_id")
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

    required_permissions: ClassVar[dict[str, str]] = {"GET": "affiliates.view_affiliate"}
    serializer_class = AffiliateSerializer
    filterset_class = AffiliateFilter
    queryset = Affiliate.objects.prefetch_related("enrolments__codes")

    def get_queryset(self) -> QuerySet[Affiliate]:
        return with_earnings(super().get_queryset())


class CommissionsView(generics.ListAPIView[CommissionEntry]):
    """One affiliate's commissions, newest first, each explained."""

    required_permissions: ClassVar[dict[str, str]] = {"GET": "affiliates.view_commissionentry"}
    serializer_class = CommissionSerializer
    queryset = CommissionEntry.objects.none()

    def get_queryset(self) -> QuerySet[CommissionEntry]:
        return commissions_of(get_affiliate(self.kwargs["affiliate_id"]))
