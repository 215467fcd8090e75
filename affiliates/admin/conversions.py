from decimal import Decimal
from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from affiliates.admin import sales_files
from affiliates.admin.base import ReadOnly, moment
from affiliates.admin.granting import GrantsByHand
from affiliates.engine import LADDER
from affiliates.forms import AttributeForm
from affiliates.models import (
    CommissionEntry,
    Conversion,
)
from affiliates.selectors import (
    CommissionState,
    describe_candidates,
    explain_entry,
    explain_shares,
    in_state,
    manual_attributions,
    rung_label,
    state_of,
)
from affiliates.services import attribute_manually
from customers.models import Purchase
from loyalty_site.common.errors import DomainError
from loyalty_site.common.money import format_money
from loyalty_site.common.pagination import BoundedPaginator
from loyalty_site.staff.models import User


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


class RungFilter(admin.SimpleListFilter):
    title = "how"
    parameter_name = "rung"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(rung.value, rung_label(rung)) for rung in LADDER]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        return queryset.filter(rung=self.value()) if self.value() else queryset


@admin.register(Conversion)
class ConversionAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Which affiliate brought a bill, with everybody who might have, and why not."""

    list_display = ["bill", "affiliate", "way", "state_label", "net", "commission", "occurred_at"]
    list_filter = ["state", RungFilter, "review", "enrolment__plan"]
    list_select_related = ["purchase", "enrolment__affiliate"]
    search_fields = ["purchase__number"]
    search_help_text = "Bill number"
    ordering = ["-pk"]
    show_full_result_count = False
    paginator = BoundedPaginator
    fields = [
        "bill",
        "occurred_at",
        "net",
        "affiliate",
        "way",
        "plan_version",
        "state",
        "held",
        "by_hand",
        "ladder",
        "pays",
    ]
    readonly_fields = fields
    inlines = [CommissionInline]
    actions_list = ["attribute", "import_sales"]
    actions_detail = ["attribute_this"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversion]:
        queryset: QuerySet[Conversion] = super().get_queryset(request)
        return queryset.annotate(credited=Sum("entries__amount"))

    def get_urls(self) -> list[URLPattern]:
        return [*sales_files.urls(self.admin_site), *super().get_urls()]

    def has_import_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may record sales."""
        return request.user.has_perm("customers.add_purchase")

    @action(description="Import sales", permissions=["import"], url_path="to-import")
    def import_sales(self, request: HttpRequest) -> HttpResponse:
        """To the page that takes a file."""
        return HttpResponseRedirect(reverse("admin:affiliates_import"))

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

    @admin.display(description="How", ordering="rung")
    def way(self, conversion: Conversion) -> str:
        return rung_label(conversion.rung) if conversion.rung else "-"

    @admin.display(description="Decided by hand")
    def by_hand(self, conversion: Conversion) -> str:
        said = manual_attributions(conversion.purchase)
        return "; ".join(f"{one.decided_by}: {one.reason}" for one in said) or "-"

    @admin.display(description="Candidates, strongest first")
    def ladder(self, conversion: Conversion) -> SafeString:
        candidates = describe_candidates(conversion)
        return render_to_string("admin/affiliates/candidates.html", {"candidates": candidates})

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may say who brought a bill."""
        return request.user.has_perm("affiliates.attribute_conversion")

    @action(description="Say who brought a bill", permissions=["decide"], url_path="attribute")
    def attribute(self, request: HttpRequest) -> HttpResponse:
        """Give any bill to an affiliate, or to nobody."""
        return self._attribute(request, None)

    @action(description="Say who brought it", permissions=["decide"], url_path="attribute-this")
    def attribute_this(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Give this bill to an affiliate, or to nobody."""
        found = Conversion.objects.select_related("purchase").filter(pk=object_id).first()
        if found is None:
            raise Http404
        return self._attribute(request, found.purchase)

    def _attribute(self, request: HttpRequest, bill: Purchase | None) -> HttpResponse:
        if not self.has_decide_permission(request):
            raise PermissionDenied
        form = AttributeForm(request.POST or None)
        if bill is not None:
            del form.fields["bill"]
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                conversion = attribute_manually(
                    purchase=bill or given["bill"],
                    enrolment=given["code"],
                    reason=given["reason"],
                    acting_user=cast(User, request.user),
                )
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                self.message_user(request, "It is decided; the commission followed.")
                url = reverse("admin:affiliates_conversion_change", args=[conversion.pk])
                return HttpResponseRedirect(url)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Who brought bill {bill.number}?" if bill else "Who brought a bill?",
            "intro": "This counts more than anything else. Commission of others is taken back.",
            "form": form,
            "button": "Decide",
            "opts": self.model._meta,
        }
        return render(request, "admin/affiliates/ask.html", context)

    @admin.display(description="What it pays")
    def pays(self, conversion: Conversion) -> SafeString:
        return format_html_join(
            "",
            "<p>{}</p>",
            ((" ".join(sentences),) for _, sentences in explain_shares(conversion)),
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
class CommissionEntryAdmin(GrantsByHand, ReadOnly, ModelAdmin):  # type: ignore[misc]
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
