from typing import Any, cast

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline

from affiliates.admin.base import ReadOnly, RefusalsShown, money_text
from affiliates.engine import Kind
from affiliates.forms import PlanForm
from affiliates.models import (
    Enrolment,
    Plan,
    PlanVersion,
)
from affiliates.services import (
    publish_plan,
)
from loyalty_site.common.money import format_number
from loyalty_site.staff.models import User


class PlanVersionInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = PlanVersion
    extra = 0
    hide_title = True
    verbose_name_plural = "What it paid and pays"
    fields = ["number", "kind", "rate", "hold_days", "valid_from", "published_at", "published_by"]
    readonly_fields = fields


@admin.register(Plan)
class PlanAdmin(RefusalsShown, ModelAdmin):  # type: ignore[misc]
    """Plans; saving other terms publishes a new version, the old ones stay as they were."""

    form = PlanForm
    list_display = ["name", "pays", "hold", "affiliates"]
    search_fields = ["name"]
    fields = ["name", "kind", "rate", "hold_days", "valid_from"]
    inlines = [PlanVersionInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        queryset: QuerySet[Plan] = super().get_queryset(request)
        return queryset.prefetch_related("versions").annotate(
            enrolled=Count("enrolments", filter=Q(enrolments__state=Enrolment.State.ACTIVE))
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("affiliates.publish_plan")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("affiliates.publish_plan")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if {"kind", "rate", "hold_days"} & set(form.changed_data) or not change:
            publish_plan(
                plan=obj,
                kind=Kind(form.cleaned_data["kind"]),
                rate=form.cleaned_data["rate"],
                hold_days=form.cleaned_data["hold_days"],
                valid_from=form.cleaned_data["valid_from"],
                acting_user=cast(User, request.user),
            )

    @admin.display(description="Pays now")
    def pays(self, plan: Plan) -> str:
        now = timezone.now()
        version = next((one for one in plan.versions.all() if one.valid_from <= now), None)
        if version is None:
            return "Nothing yet"
        if version.kind == PlanVersion.Kind.FIXED:
            return f"{money_text(version.rate)} a bill"
        return f"{format_number(version.rate)} % of net"

    @admin.display(description="Held for")
    def hold(self, plan: Plan) -> str:
        version = next(iter(plan.versions.all()), None)
        return f"{version.hold_days} days" if version else "-"

    @admin.display(description="Affiliates", ordering="enrolled")
    def affiliates(self, plan: Any) -> int:
        return int(plan.enrolled)
