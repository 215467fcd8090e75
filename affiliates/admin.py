from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, Model, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from affiliates.engine import Kind
from affiliates.forms import AffiliateForm, PlanForm
from affiliates.models import (
    Affiliate,
    CommissionEntry,
    Conversion,
    Enrolment,
    Plan,
    PlanVersion,
)
from affiliates.selectors import describe_candidates, earnings_of, explain_entry, with_earnings
from affiliates.services import (
    decide_affiliates,
    enrol_affiliate,
    publish_plan,
    register_affiliate,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.common.money import format_money, format_number
from loyalty_site.staff.models import User


def _money(amount: Decimal) -> str:
    return format_money(amount, settings.DEFAULT_CURRENCY)


def _moment(at: datetime) -> str:
    return date_format(localtime(at), "DATETIME_FORMAT")


class _ReadOnly:
    """Rows that people look at and nobody edits."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class _RefusalsShown:
    """A refusal of a service is shown above the page instead of breaking it."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().changeform_view(  # type: ignore[misc]
                request, *args, **kwargs
            )
        except DomainError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())
        return response


class EnrolmentInline(_ReadOnly, TabularInline):  # type: ignore[misc]
    model = Enrolment
    extra = 0
    hide_title = True
    fields = ["plan", "codes", "state", "hold_days", "enrolled_at"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Enrolment]:
        queryset: QuerySet[Enrolment] = super().get_queryset(request)
        return queryset.select_related("plan").prefetch_related("codes")

    @admin.display(description="Codes")
    def codes(self, enrolment: Enrolment) -> str:
        return ", ".join(code.text for code in enrolment.codes.all())


@admin.register(Affiliate)
class AffiliateAdmin(_RefusalsShown, ModelAdmin):  # type: ignore[misc]
    """Affiliates with what they have earned; approval is an action."""

    list_display = ["name", "state_label", "codes", "held_money", "due_money", "applied_at"]
    list_filter = ["state"]
    search_fields = ["name", "enrolments__codes__text"]
    search_help_text = "Name or code"
    list_per_page = 50
    show_full_result_count = False
    autocomplete_fields = ["customer"]
    actions = ["approve", "reject", "suspend"]
    add_fieldsets = [
        (None, {"fields": ["name", "customer", "phone", "email"]}),
        ("Plan", {"fields": ["plan", "code"]}),
    ]
    fieldsets = [
        (None, {"fields": ["name", "state_label", "customer"]}),
        ("Earnings", {"fields": ["held_money", "due_money", "balance", "all_commissions"]}),
        ("Application", {"fields": ["applied_at", "decided_at", "decided_by"]}),
    ]
    inlines = [EnrolmentInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Affiliate]:
        queryset: QuerySet[Affiliate] = super().get_queryset(request)
        return with_earnings(queryset).prefetch_related("enrolments__codes")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        if request.user.has_perm("customers.view_contact"):
            return [*self.fieldsets, ("Contact", {"fields": ["phone", "email"]})]
        return self.fieldsets

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else []

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return super().get_form(
            request, obj, change, **(kwargs if obj else {**kwargs, "form": AffiliateForm})
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Who may approve, reject and suspend."""
        return request.user.has_perm("affiliates.decide_affiliate")

    def save_model(self, request: HttpRequest, obj: Affiliate, form: Any, change: bool) -> None:
        given = form.cleaned_data
        affiliate = register_affiliate(
            name=given["name"],
            customer=given["customer"],
            phone=given["phone"],
            email=given["email"],
            acting_user=cast(User, request.user),
        )
        enrol_affiliate(affiliate=affiliate, plan=given["plan"], code=given["code"])
        obj.pk = affiliate.pk

    @display(
        description="State",
        ordering="state",
        label={
            Affiliate.State.APPLIED.label: "warning",
            Affiliate.State.APPROVED.label: "success",
            Affiliate.State.REJECTED.label: "danger",
            Affiliate.State.SUSPENDED.label: "danger",
        },
    )
    def state_label(self, affiliate: Affiliate) -> str:
        return affiliate.get_state_display()

    @admin.display(description="Codes")
    def codes(self, affiliate: Affiliate) -> str:
        return ", ".join(
            code.text for enrolment in affiliate.enrolments.all() for code in enrolment.codes.all()
        )

    @admin.display(description="Held", ordering="held")
    def held_money(self, affiliate: Any) -> str:
        return _money(affiliate.held)

    @admin.display(description="Due", ordering="due")
    def due_money(self, affiliate: Any) -> str:
        return _money(affiliate.due)

    @admin.display(description="Balance to pay")
    def balance(self, affiliate: Affiliate) -> str:
        return _money(earnings_of(affiliate).balance)

    @admin.display(description="Commissions")
    def all_commissions(self, affiliate: Affiliate) -> SafeString:
        url = reverse("admin:affiliates_commissionentry_changelist")
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}?affiliate__id__exact={}">'
            "Show all, each explained</a>",
            url,
            affiliate.pk,
        )

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[Affiliate], state: Affiliate.State
    ) -> None:
        count = decide_affiliates(
            affiliates=list(queryset[:1000]), state=state, acting_user=cast(User, request.user)
        )
        self.message_user(request, f"{count} affiliates are now {state.label.lower()}.")

    @admin.action(description="Approve", permissions=["decide"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Affiliate]) -> None:
        self._decide(request, queryset, Affiliate.State.APPROVED)

    @admin.action(description="Reject", permissions=["decide"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Affiliate]) -> None:
        self._decide(request, queryset, Affiliate.State.REJECTED)

    @admin.action(description="Suspend: new bills earn nothing", permissions=["decide"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Affiliate]) -> None:
        self._decide(request, queryset, Affiliate.State.SUSPENDED)


class PlanVersionInline(_ReadOnly, TabularInline):  # type: ignore[misc]
    model = PlanVersion
    extra = 0
    hide_title = True
    verbose_name_plural = "What it paid and pays"
    fields = ["number", "kind", "rate", "hold_days", "valid_from", "published_at", "published_by"]
    readonly_fields = fields


@admin.register(Plan)
class PlanAdmin(_RefusalsShown, ModelAdmin):  # type: ignore[misc]
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
            return f"{_money(version.rate)} a bill"
        return f"{format_number(version.rate)} % of net"

    @admin.display(description="Held for")
    def hold(self, plan: Plan) -> str:
        version = next(iter(plan.versions.all()), None)
        return f"{version.hold_days} days" if version else "-"

    @admin.display(description="Affiliates", ordering="enrolled")
    def affiliates(self, plan: Any) -> int:
        return int(plan.enrolled)


class CommissionInline(_ReadOnly, TabularInline):  # type: ignore[misc]
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
class ConversionAdmin(_ReadOnly, ModelAdmin):  # type: ignore[misc]
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
        return _moment(conversion.purchase.occurred_at)

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
        return _moment(conversion.held_until) if conversion.held_until else "-"

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


class HoldFilter(admin.SimpleListFilter):
    title = "payment"
    parameter_name = "payment"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("held", "Held"), ("due", "Due")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        if self.value() == "held":
            return queryset.filter(held_until__gt=timezone.now())
        if self.value() == "due":
            return queryset.filter(held_until__lte=timezone.now())
        return queryset


@admin.register(CommissionEntry)
class CommissionEntryAdmin(_ReadOnly, ModelAdmin):  # type: ignore[misc]
    """The commission ledger: read-only, each line with its arithmetic."""

    list_display = ["occurred_at", "affiliate", "bill", "money", "payment", "why"]
    list_filter = [HoldFilter, "kind"]
    list_select_related = ["affiliate", "conversion__purchase"]
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
    def bill(self, entry: CommissionEntry) -> SafeString:
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
        description="Payment", ordering="held_until", label={"Held": "warning", "Due": "success"}
    )
    def payment(self, entry: CommissionEntry) -> str:
        return "Due" if entry.held_until <= timezone.now() else "Held"

    @admin.display(description="Why")
    def why(self, entry: CommissionEntry) -> str:
        return " ".join(explain_entry(entry))
