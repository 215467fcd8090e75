"""What customers took, and how it ended."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from loyalty.admin import counter
from loyalty.admin.common import ReadOnlyMixin
from loyalty.admin.rewards.parts import acting_user
from loyalty.forms import (
    CancelRedemptionsForm,
)
from loyalty.models import (
    Redemption,
    RedemptionStep,
    Voucher,
)
from loyalty.selectors import redemption_rows
from loyalty.services import (
    cancel_redemption,
    cancel_reservation,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.common.pagination import BoundedPaginator

_MOST_CANCELLED = 100


class VoucherInline(ReadOnlyMixin, TabularInline):  # type: ignore[misc]
    """What was handed out."""

    model = Voucher
    extra = 0
    fields = readonly_fields = ["masked", "state", "expires_on", "used_at"]

    @display(description="Code")
    def masked(self, voucher: Voucher) -> str:
        """Its last four signs."""
        return voucher.masked


class RedemptionStepInline(ReadOnlyMixin, TabularInline):  # type: ignore[misc]
    """What happened, when, and by whom."""

    model = RedemptionStep
    extra = 0
    fields = readonly_fields = ["at", "state", "reason", "actor"]
    verbose_name_plural = "What happened"

    def get_queryset(self, request: HttpRequest) -> QuerySet[RedemptionStep]:
        return RedemptionStep.objects.select_related("actor").order_by("id")


@admin.register(Redemption)
class RedemptionAdmin(ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]
    """Redemptions; completed ones can be undone with a reason. The counter screen lives here."""

    list_display = ["created_at", "customer", "reward", "units", "points", "shown_state", "channel"]
    list_select_related = ["account__customer", "reward"]
    list_filter = ["state", "channel"]
    search_fields = ["account__customer__name", "public_id__iexact", "bill_key__exact"]
    search_help_text = "Name of the customer, the redemption's id, or the bill"
    ordering = ["-id"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
    inlines = [VoucherInline, RedemptionStepInline]
    actions = ["cancel_chosen"]
    actions_detail = ["undo"]
    fields = [
        ("customer", "reward"),
        ("units", "points", "amount"),
        ("state", "channel", "store"),
        ("expires_at", "committed_at", "closed_at"),
        ("purchase", "bill_key"),
        ("entry", "public_id"),
        ("created_by", "created_at"),
    ]
    readonly_fields = ["customer"]

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        own = [
            path("cancel/", guarded(self.cancel_view), name="loyalty_redemption_cancel"),
            *counter.urls(self.admin_site),
        ]
        return [*own, *super().get_urls()]

    @display(description="Customer")
    def customer(self, redemption: Redemption) -> str:
        """Whose points."""
        return redemption.account.customer.name

    @display(
        description="State",
        ordering="state",
        label={"Redeemed": "success", "Reserved": "info", "Cancelled": "danger"},
    )
    def shown_state(self, redemption: Redemption) -> str:
        """The state as a badge."""
        return redemption.get_state_display()

    def has_undo_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may give points back."""
        return request.user.has_perm("loyalty.cancel_redemption")

    @action(description="Cancel and give the points back", permissions=["undo"])
    def undo(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for the reason."""
        return self._ask([int(object_id)])

    @admin.action(description="Cancel and give the points back", permissions=["undo"])
    def cancel_chosen(self, request: HttpRequest, queryset: QuerySet[Redemption]) -> HttpResponse:
        return self._ask(list(queryset.values_list("pk", flat=True)[:_MOST_CANCELLED]))

    def _ask(self, ids: list[int]) -> HttpResponse:
        chosen = ",".join(map(str, ids))
        return HttpResponseRedirect(f"{reverse('admin:loyalty_redemption_cancel')}?ids={chosen}")

    def cancel_view(self, request: HttpRequest) -> HttpResponse:
        """The chosen redemptions, the reason, and then what became of each."""
        if not self.has_undo_permission(request):
            raise PermissionDenied
        given = request.GET.get("ids", "").split(",")[:_MOST_CANCELLED]
        ids = [int(text) for text in given if text.isascii() and text.isdigit() and len(text) < 19]
        chosen = list(redemption_rows().filter(pk__in=ids).order_by("pk"))
        form = CancelRedemptionsForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            done = 0
            for redemption in chosen:
                undo = cancel_reservation if redemption.is_reserved else cancel_redemption
                try:
                    undo(
                        redemption=redemption,
                        reason=form.cleaned_data["reason"],
                        acting_user=acting_user(request),
                    )
                except DomainError as error:
                    text = f"{redemption.account.customer}, {redemption.reward.name}: {error}"
                    self.message_user(request, text, messages.ERROR)
                else:
                    done += 1
            if done:
                self.message_user(request, f"{done} redemptions are cancelled.")
            return HttpResponseRedirect(reverse("admin:loyalty_redemption_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Cancel redemptions",
            "redemptions": chosen,
            "points": sum(redemption.points for redemption in chosen),
            "form": form,
            "opts": self.model._meta,
        }
        return render(request, "admin/loyalty/cancel_redemptions.html", context)
