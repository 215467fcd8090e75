"""Where money goes, and the shop's rules for payouts."""

from typing import Any

import structlog
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from affiliates.admin.base import RefusalsShown, moment
from affiliates.admin.payouts.common import user_of
from affiliates.engine import Method
from affiliates.forms import StaffPayoutDetailsForm
from affiliates.models import (
    PayoutDetails,
    PayoutPolicy,
    WithholdingRate,
)
from affiliates.services import (
    give_payout_details,
)
from loyalty_site.common.one_row import OneRow
from loyalty_site.common.pagination import BoundedPaginator

logger = structlog.get_logger(__name__)


@admin.register(PayoutDetails)
class PayoutDetailsAdmin(RefusalsShown, ModelAdmin):  # type: ignore[misc]
    """Where money goes; every change is a new row, and nothing is paid to it for some days."""

    form = StaffPayoutDetailsForm
    list_display = ["affiliate", "method", "masked", "given_at", "used_from", "giver"]
    list_filter = ["method"]
    list_select_related = ["affiliate", "given_by"]
    search_fields = ["affiliate__name"]
    search_help_text = "Affiliate"
    autocomplete_fields = ["affiliate"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50

    def get_fields(self, request: HttpRequest, obj: PayoutDetails | None = None) -> list[str]:
        if obj is None:
            return ["affiliate", "method", "holder", "account", "bank_code", "tax_id"]
        whole = user_of(request).has_perm("affiliates.reveal_payoutdetails")
        shown = ["whole_account", "bank_code", "whole_tax_id"] if whole else ["masked", "masked_id"]
        return ["affiliate", "method", "holder", *shown, "given_at", "used_from", "giver"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.get_fields(request, obj) if obj else []

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is not None:
            kwargs["fields"] = []
        return super().get_form(request, obj, change, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: PayoutDetails, form: Any, change: bool) -> None:
        given = form.cleaned_data
        details = give_payout_details(
            affiliate=given["affiliate"],
            method=Method(given["method"]),
            holder=given["holder"],
            account=given["account"],
            bank_code=given["bank_code"],
            tax_id=given["tax_id"],
            acting_user=user_of(request),
        )
        obj.pk = details.pk

    def change_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        if user_of(request).has_perm("affiliates.reveal_payoutdetails"):
            logger.info("payout details shown", details_id=object_id, user_id=user_of(request).pk)
        response: HttpResponse = super().change_view(request, object_id, *args)
        return response

    @admin.display(description="Account")
    def masked(self, details: PayoutDetails) -> str:
        return details.masked_account or "-"

    @admin.display(description="Tax id")
    def masked_id(self, details: PayoutDetails) -> str:
        return details.masked_tax_id or "-"

    @admin.display(description="Account")
    def whole_account(self, details: PayoutDetails) -> str:
        return details.account or "-"

    @admin.display(description="Tax id")
    def whole_tax_id(self, details: PayoutDetails) -> str:
        return details.tax_id or "-"

    @display(
        description="Used from",
        ordering="payable_from",
        label={"now": "success", "held": "warning"},
    )
    def used_from(self, details: PayoutDetails) -> tuple[str, str]:
        if details.payable_from <= timezone.now():
            return "now", "In use"
        return "held", moment(details.payable_from)

    @admin.display(description="Given by")
    def giver(self, details: PayoutDetails) -> str:
        return str(details.given_by or "The affiliate")


@admin.register(PayoutPolicy)
class PayoutPolicyAdmin(OneRow, ModelAdmin):  # type: ignore[misc]
    """The shop's rules for payouts: one page."""

    fieldsets = [
        (None, {"fields": ["minimum", "schedule", "details_hold_hours", "points_per_unit"]}),
        (
            "Tax",
            {
                "fields": ["withholds_tax", "country"],
                "description": "The rates are rows of their own, valid from a day. Let your"
                " adviser confirm them before you switch this on.",
            },
        ),
    ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        policy = PayoutPolicy.objects.order_by("pk").first()
        if policy is not None:
            url = reverse("admin:affiliates_payoutpolicy_change", args=[policy.pk])
        elif self.has_add_permission(request):
            url = reverse("admin:affiliates_payoutpolicy_add")
        else:
            response: HttpResponse = super().changelist_view(request, extra_context)
            return response
        return HttpResponseRedirect(url)


@admin.register(WithholdingRate)
class WithholdingRateAdmin(ModelAdmin):  # type: ignore[misc]
    """Tax rates by the day they begin; a new rate is a new row."""

    list_display = [
        "name",
        "country",
        "valid_from",
        "yearly_threshold",
        "rate",
        "rate_without_tax_id",
        "source",
    ]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
