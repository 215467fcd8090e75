from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from affiliates.admin.base import ReadOnly, moment
from affiliates.models import (
    CommissionEntry,
    Conversion,
)
from affiliates.selectors import (
    CommissionState,
    describe_candidates,
    explain_entry,
    in_state,
    state_of,
)
from loyalty_site.common.money import format_money


class CommissionInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = CommissionEntry
    extra = 0
    hide_title = True
    fields = ["occurred_at", "affiliate", "kind", "money", "why"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[CommissionEntry]:
        queryset: QuerySet[CommissionEntry] = super().get_queryset(request)
        return queryset.select_related("affiliate", "conversion__purchase").order_by("pk")

    @admin.display(description="Amount")
    def money(self, entry: CommissionEntry) -> str:
        return format_money(entry.amount, entry.currency)

    @admin.display(description="Why")
    def why(self, entry: CommissionEntry) -> str:
        return " ".join(explain_entry(entry))


@admin.register(Conversion)
class ConversionAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Which affiliate brought a bill, with everybody who might have, and why not."""

    list_display = ["bill", "affiliate", "state_label", "net", "commission", "occurred_at"]
    list_filter = ["state"]
    list_select_related = ["purchase", "enrolment__affiliate"]
    search_fields = ["purchase__number"]
    search_help_text = "Bill number"
    ordering = ["-pk"]
    show_full_result_count = False
    fields = ["bill", "occurred_at", "net", "affiliate", "plan_version", "state", "held", "ladder"]
    readonly_fields = fields
    inlines = [CommissionInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversion]:
        queryset: QuerySet[Conversion] = super().get_queryset(request)
        return queryset.annotate(credited=Sum("entries__amount"))

    @admin.display(description="Bill", ordering="purchase__number")
    def bill(self, conversion: Conversion) -> str:
        return conversion.purchase.number

    @admin.display(description="Made at", ordering="purchase__occurred_at")
    def occurred_at(self, conversion: Conversion) -> str:
        return moment(conversion.purchase.occurred_at)

    @admin.display(description="Affiliate")
    def affiliate(self, conversion: Conversion) -> str:
        return conversion.enrolment.affiliate.name if conversion.enrolment else "-"

    @admin.display(description="Net of the bill")
    def net(self, conversion: Conversion) -> str:
        return format_money(conversion.purchase.net, conversion.purchase.currency)

    @admin.display(description="Commission")
    def commission(self, conversion: Any) -> str:
        return format_money(conversion.credited or Decimal(0), conversion.purchase.currency)

    @admin.display(description="Held until")
    def held(self, conversion: Conversion) -> str:
        return moment(conversion.held_until) if conversion.held_until else "-"

    @display(
        description="State",
        ordering="state",
        label={
            Conversion.State.QUALIFIED.label: "success",
            Conversion.State.REJECTED.label: "warning",
            Conversion.State.CANCELLED.label: "danger",
            Conversion.State.TRACKED.label: "info",
        },
    )
    def state_label(self, conversion: Conversion) -> str:
        return conversion.get_state_display()

    @admin.display(description="Candidates")
    def ladder(self, conversion: Conversion) -> SafeString:
        return format_html_join(
            "",
            "<p>{} {} ({}): {}</p>",
            (
                ("✓" if one.won else "✗", one.affiliate, one.code, one.why)
                for one in describe_candidates(conversion)
            ),
        ) or SafeString("-")


_STATES = {
    CommissionState.HELD: "Held",
    CommissionState.IN_REVIEW: "In review",
    CommissionState.DUE: "Due",
    CommissionState.IN_BATCH: "In a batch",
    CommissionState.PAID: "Paid",
}


class HoldFilter(admin.SimpleListFilter):
    title = "payment"
    parameter_name = "payment"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, label) for state, label in _STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        value = self.value() or ""
        if value in list(CommissionState):
            return queryset.filter(in_state(CommissionState(value), now=timezone.now()))
        return queryset


@admin.register(CommissionEntry)
class CommissionEntryAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """The commission ledger: read-only, each line with its arithmetic."""

    list_display = ["occurred_at", "affiliate", "bill", "money", "payment", "why"]
    list_filter = [HoldFilter, "kind"]
    list_select_related = ["affiliate", "conversion__purchase", "line__payout"]
    search_fields = ["affiliate__name", "conversion__purchase__number"]
    search_help_text = "Affiliate or bill number"
    ordering = ["-pk"]
    show_full_result_count = False
    list_per_page = 50
    fields = [
        "affiliate",
        "bill",
        "money",
        "kind",
        "why",
        "payment",
        "held_until",
        "occurred_at",
        "recorded_at",
        "reference",
        "explanation",
    ]
    readonly_fields = fields

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        allowed = {"affiliate__id__exact", "occurred_at__gte", "occurred_at__lt"}
        return lookup in allowed or super().lookup_allowed(lookup, value, request)

    @admin.display(description="Bill")
    def bill(self, entry: CommissionEntry) -> SafeString | str:
        if entry.conversion is None:
            return "-"
        url = reverse("admin:affiliates_conversion_change", args=[entry.conversion_id])
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>',
            url,
            entry.conversion.purchase.number,
        )

    @admin.display(description="Amount", ordering="amount")
    def money(self, entry: CommissionEntry) -> str:
        return format_money(entry.amount, entry.currency)

    @display(
        description="Payment",
        ordering="held_until",
        label={"Held": "warning", "In review": "danger", "Due": "info", "Paid": "success"},
    )
    def payment(self, entry: CommissionEntry) -> str:
        return _STATES[state_of(entry)]

    @admin.display(description="Why")
    def why(self, entry: CommissionEntry) -> str:
        return " ".join(explain_entry(entry))
