"""Corrections by hand: the inbox of those that wait, and the limits."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from loyalty.admin.common import ReadOnlyMixin
from loyalty.forms import RefuseAdjustmentForm
from loyalty.models import Adjustment, AdjustmentLimit
from loyalty.services import approve_adjustment, refuse_adjustment
from loyalty_site.common.errors import DomainError
from loyalty_site.common.pagination import BoundedPaginator


@admin.register(AdjustmentLimit)
class AdjustmentLimitAdmin(ModelAdmin):  # type: ignore[misc]
    """How much each role may correct alone."""

    list_display = ["role", "points_a_day"]


@admin.register(Adjustment)
class AdjustmentAdmin(ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]
    """Corrections, those that wait for a second person first."""

    list_display = [
        "customer",
        "signed_points",
        "cause",
        "note",
        "document",
        "requested_by",
        "requested_at",
        "state_badge",
    ]
    list_select_related = ["account__customer", "requested_by"]
    list_filter = ["state", "cause"]
    ordering = ["-state", "-id"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
    actions = ["approve"]
    actions_detail = ["approve_this", "refuse_this"]

    @display(description="Customer")
    def customer(self, adjustment: Adjustment) -> str:
        """Whose points."""
        return adjustment.account.customer.name

    @display(description="Points", ordering="points")
    def signed_points(self, adjustment: Adjustment) -> str:
        """With plus or minus."""
        return f"{adjustment.points:+,d}"

    @display(
        description="State",
        label={
            "Waits for a second person": "warning",
            "Posted": "success",
            "Refused": "danger",
        },
    )
    def state_badge(self, adjustment: Adjustment) -> str:
        """The state as a badge."""
        return adjustment.get_state_display()

    def has_approve_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may be the second person."""
        return request.user.has_perm("loyalty.approve_adjustment")

    @admin.action(description="Approve the chosen corrections", permissions=["approve"])
    def approve(self, request: Any, queryset: QuerySet[Adjustment]) -> None:
        done = sum(self._approve(request, one) for one in queryset.order_by("pk")[:100])
        if done:
            self.message_user(request, f"{done} corrections are posted.")

    @action(description="Approve", permissions=["approve"])
    def approve_this(self, request: Any, object_id: int) -> HttpResponse:
        """Post this correction."""
        self._refuse_strangers(request)
        if self._approve(request, get_object_or_404(Adjustment, pk=object_id)):
            self.message_user(request, "The correction is posted.")
        return self._back(object_id)

    @action(description="Refuse", permissions=["approve"])
    def refuse_this(self, request: Any, object_id: int) -> HttpResponse:
        """Turn this correction down, with a reason."""
        self._refuse_strangers(request)
        adjustment = get_object_or_404(
            Adjustment.objects.select_related("account__customer"), pk=object_id
        )
        form = RefuseAdjustmentForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                refuse_adjustment(
                    adjustment=adjustment,
                    acting_user=request.user,
                    note=form.cleaned_data["note"],
                )
            except DomainError as error:
                form.add_error("note", str(error))
            else:
                self.message_user(request, "The correction is refused.")
                return self._back(object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Refuse {adjustment.points:+d} for {adjustment.account.customer}",
            "form": form,
            "opts": self.model._meta,
        }
        return render(request, "admin/loyalty/refuse_adjustment.html", context)

    def _approve(self, request: Any, adjustment: Adjustment) -> bool:
        try:
            approve_adjustment(adjustment=adjustment, acting_user=request.user)
        except DomainError as error:
            self.message_user(request, f"{adjustment.points:+d}: {error}", messages.ERROR)
            return False
        return True

    def _refuse_strangers(self, request: HttpRequest) -> None:
        if not self.has_approve_permission(request):
            raise PermissionDenied

    def _back(self, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:loyalty_adjustment_change", args=[object_id]))
