from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from affiliates.admin.base import ReadOnly, RefusalsShown, money_text
from affiliates.forms import AffiliateForm
from affiliates.models import (
    Affiliate,
    Enrolment,
)
from affiliates.selectors import earnings_of, with_earnings
from affiliates.services import (
    decide_affiliates,
    enrol_affiliate,
    register_affiliate,
)
from loyalty_site.staff.models import User


class EnrolmentInline(ReadOnly, TabularInline):  # type: ignore[misc]
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
class AffiliateAdmin(RefusalsShown, ModelAdmin):  # type: ignore[misc]
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
        return money_text(affiliate.held)

    @admin.display(description="Due", ordering="due")
    def due_money(self, affiliate: Any) -> str:
        return money_text(affiliate.due)

    @admin.display(description="Balance to pay")
    def balance(self, affiliate: Affiliate) -> str:
        return money_text(earnings_of(affiliate).balance)

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
