from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from affiliates.admin.base import (
    ReadOnly,
    RefusalsShown,
    form_page,
    link,
    link_to_rows,
    money_text,
    posted,
)
from affiliates.engine import FOLLOWS
from affiliates.errors import RecruiterUnknownError
from affiliates.forms import AffiliateForm, DecisionForm, EnrolForm, RecruiterForm
from affiliates.models import (
    Affiliate,
    AffiliateStep,
    ApplicationPolicy,
    Binding,
    Enrolment,
    Flag,
    Link,
    Payout,
)
from affiliates.selectors import (
    AffiliateFigures,
    affiliate_counts,
    earnings_of,
    find_recruiter,
    recent_figures,
    with_earnings,
)
from affiliates.services import (
    decide_affiliates,
    enrol_affiliate,
    register_affiliate,
    set_recruiter,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.common.money import format_number
from loyalty_site.common.one_row import OneRow
from loyalty_site.staff.models import User

_MOST_AT_ONCE = 500


class EnrolmentInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = Enrolment
    extra = 0
    hide_title = True
    show_change_link = True
    verbose_name_plural = "Plans and codes"
    fields = ["plan", "codes", "state", "hold_days", "enrolled_at"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Enrolment]:
        queryset: QuerySet[Enrolment] = super().get_queryset(request)
        return queryset.select_related("plan").prefetch_related("codes")

    @admin.display(description="Codes")
    def codes(self, enrolment: Enrolment) -> str:
        return ", ".join(code.text for code in enrolment.codes.all())


class StepInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = AffiliateStep
    extra = 0
    hide_title = True
    verbose_name_plural = "What was decided"
    fields = ["taken_at", "state", "reason", "taken_by"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[AffiliateStep]:
        queryset: QuerySet[AffiliateStep] = super().get_queryset(request)
        return queryset.select_related("taken_by")


@admin.register(ApplicationPolicy)
class ApplicationPolicyAdmin(OneRow, ModelAdmin):  # type: ignore[misc]
    """How one becomes an affiliate; one row for the shop."""

    list_display = ["__str__", "is_open", "plan"]
    list_select_related = ["plan"]


@admin.register(Affiliate)
class AffiliateAdmin(RefusalsShown, ModelAdmin):  # type: ignore[misc]
    """Affiliates with what they have earned; every decision is an action."""

    list_display = ["name", "state_label", "codes", "held_money", "due_money", "applied_at"]
    list_filter = ["state"]
    search_fields = ["name", "enrolments__codes__text"]
    search_help_text = "Name or code"
    list_per_page = 50
    show_full_result_count = False
    autocomplete_fields = ["customer"]
    actions = ["approve", "reject", "suspend"]
    actions_detail = [
        "approve_this",
        "reject_this",
        "suspend_this",
        "enrol_this",
        "set_recruiter_of_this",
    ]
    add_fieldsets: ClassVar = [
        (None, {"fields": ["name", "customer", "phone", "email"]}),
        ("Plan", {"fields": ["plan", "code", "is_invitation"]}),
    ]
    fieldsets = [
        (None, {"fields": ["name", "state_label", "reason", "customer"]}),
        ("Earnings", {"fields": ["held_money", "due_money", "balance", "all_commissions"]}),
        ("Reach", {"fields": ["month", "year", "links", "bindings", "payouts", "flags"]}),
        ("Who they are", {"fields": ["website", "about", "parent", "recruits"]}),
        ("Application", {"fields": ["applied_at", "agreed_at", "agreed_to"]}),
    ]
    inlines = [EnrolmentInline, StepInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Affiliate]:
        queryset: QuerySet[Affiliate] = super().get_queryset(request)
        return with_earnings(queryset).prefetch_related("enrolments__codes")

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        affiliate = super().get_object(request, *args, **kwargs)
        if affiliate is not None:
            affiliate.counts = affiliate_counts(affiliate)
            affiliate.recent = recent_figures(affiliate)
            affiliate.asked_by = request
        return affiliate

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

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may approve, reject and suspend."""
        return request.user.has_perm("affiliates.decide_affiliate")

    def save_model(self, request: HttpRequest, obj: Affiliate, form: Any, change: bool) -> None:
        given = dict(form.cleaned_data)
        is_invitation = given.pop("is_invitation")
        affiliate = register_affiliate(
            **given,
            state=Affiliate.State.INVITED if is_invitation else Affiliate.State.APPROVED,
            acting_user=cast(User, request.user),
        )
        obj.pk = affiliate.pk

    @display(
        description="State",
        ordering="state",
        label={
            Affiliate.State.APPLIED.label: "warning",
            Affiliate.State.INVITED.label: "info",
            Affiliate.State.APPROVED.label: "success",
            Affiliate.State.REJECTED.label: "danger",
            Affiliate.State.SUSPENDED.label: "danger",
        },
    )
    def state_label(self, affiliate: Affiliate) -> str:
        return affiliate.get_state_display()

    @admin.display(description="Why")
    def reason(self, affiliate: Affiliate) -> str:
        return affiliate.decision_reason or "-"

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
        return link(f"{url}?affiliate__id__exact={affiliate.pk}", "Show all, each explained")

    @admin.display(description="Last 30 days")
    def month(self, affiliate: Any) -> str:
        return _in_words(affiliate.recent[0])

    @admin.display(description="Last 12 months")
    def year(self, affiliate: Any) -> str:
        return _in_words(affiliate.recent[1])

    @admin.display(description="Links")
    def links(self, affiliate: Any) -> str:
        return _counted(affiliate, Link, affiliate.counts.links, enrolment__affiliate=affiliate.pk)

    @admin.display(description="Customers bound to them")
    def bindings(self, affiliate: Any) -> str:
        count = affiliate.counts.bindings
        return _counted(affiliate, Binding, count, enrolment__affiliate=affiliate.pk)

    @admin.display(description="Payouts")
    def payouts(self, affiliate: Any) -> str:
        return _counted(affiliate, Payout, affiliate.counts.payouts, affiliate=affiliate.pk)

    @admin.display(description="Bills held for a look")
    def flags(self, affiliate: Any) -> str:
        count = affiliate.counts.in_review
        return _counted(affiliate, Flag, count, conversion__enrolment__affiliate=affiliate.pk)

    @admin.display(description="Recruited")
    def recruits(self, affiliate: Any) -> str:
        return _counted(affiliate, Affiliate, affiliate.counts.recruits, parent=affiliate.pk)

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        return lookup == "parent" or super().lookup_allowed(lookup, value, request)

    # --- decisions ------------------------------------------------------------------------------

    @admin.action(description="Approve", permissions=["decide"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Affiliate]) -> HttpResponse | None:
        return self._decide(request, queryset, Affiliate.State.APPROVED, "Approve")

    @admin.action(description="Reject", permissions=["decide"])
    def reject(self, request: HttpRequest, queryset: QuerySet[Affiliate]) -> HttpResponse | None:
        return self._decide(request, queryset, Affiliate.State.REJECTED, "Reject")

    @admin.action(description="Suspend: new bills earn nothing", permissions=["decide"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Affiliate]) -> HttpResponse | None:
        return self._decide(request, queryset, Affiliate.State.SUSPENDED, "Suspend")

    def _decide(
        self,
        request: HttpRequest,
        queryset: QuerySet[Affiliate],
        state: Affiliate.State,
        button: str,
    ) -> HttpResponse | None:
        """A look at whom it concerns and a reason; then a result for each."""
        rows = list(queryset.order_by("pk")[:_MOST_AT_ONCE])
        is_confirmed = "confirmed" in request.POST
        form = DecisionForm(
            request.POST if is_confirmed else None, is_approval=state == Affiliate.State.APPROVED
        )
        if not is_confirmed or not form.is_valid():
            return form_page(
                request,
                self,
                title=f"{button} {len(rows)} affiliates"
                if len(rows) != 1
                else f"{button} {rows[0]}",
                form=form,
                button=button,
                rows=rows,
                action=request.POST.get("action", ""),
            )
        try:
            decisions = decide_affiliates(
                affiliates=rows,
                state=state,
                acting_user=cast(User, request.user),
                **form.cleaned_data,
            )
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return None
        done = 0
        for decision in decisions:
            if decision.refusal is None:
                done += 1
            else:
                text = f"{decision.affiliate}: {decision.refusal}"
                self.message_user(request, text, messages.ERROR)
        if done:
            whom = str(rows[0]) if len(rows) == 1 else f"{done} of {len(rows)}"
            self.message_user(request, f"{state.label}: {whom}.")
        return None

    @action(description="Approve", permissions=["approve"])
    def approve_this(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Let them earn."""
        return self._decide_one(request, object_id, Affiliate.State.APPROVED, "Approve")

    @action(description="Reject", permissions=["reject"])
    def reject_this(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Turn an application down."""
        return self._decide_one(request, object_id, Affiliate.State.REJECTED, "Reject")

    @action(description="Suspend", permissions=["suspend"])
    def suspend_this(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """New bills earn nothing."""
        return self._decide_one(request, object_id, Affiliate.State.SUSPENDED, "Suspend")

    def _decide_one(
        self, request: HttpRequest, object_id: int, state: Affiliate.State, button: str
    ) -> HttpResponse:
        if not self.has_decide_permission(request):
            raise PermissionDenied
        shown = self._decide(request, Affiliate.objects.filter(pk=object_id), state, button)
        url = reverse("admin:affiliates_affiliate_change", args=[object_id])
        return shown or HttpResponseRedirect(url)

    def has_approve_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the button is of use here."""
        return self._may_become(request, object_id, Affiliate.State.APPROVED)

    def has_reject_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the button is of use here."""
        return self._may_become(request, object_id, Affiliate.State.REJECTED)

    def has_suspend_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the button is of use here."""
        return self._may_become(request, object_id, Affiliate.State.SUSPENDED)

    def _may_become(self, request: HttpRequest, object_id: Any, state: Affiliate.State) -> bool:
        return (
            self.has_decide_permission(request)
            and Affiliate.objects.filter(pk=object_id, state__in=FOLLOWS[state]).exists()
        )

    # --- one affiliate --------------------------------------------------------------------------

    @action(description="Put on a plan", permissions=["decide"])
    def enrol_this(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """A further plan."""
        return self._change(
            request, object_id, EnrolForm(posted(request)), "Put {} on a plan", _enrol
        )

    @action(description="Recruited by …", permissions=["decide"])
    def set_recruiter_of_this(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Who brought this affiliate."""
        return self._change(
            request, object_id, RecruiterForm(posted(request)), "Who recruited {}?", _recruit
        )

    def _change(
        self, request: HttpRequest, object_id: int, form: Form, title: str, carry_out: Any
    ) -> HttpResponse:
        if not self.has_decide_permission(request):
            raise PermissionDenied
        affiliate = get_object_or_404(Affiliate, pk=object_id)
        if request.method == "POST" and form.is_valid():
            try:
                text = carry_out(affiliate, **form.cleaned_data)
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                self.message_user(request, text)
                url = reverse("admin:affiliates_affiliate_change", args=[affiliate.pk])
                return HttpResponseRedirect(url)
        return form_page(request, self, title=title.format(affiliate), form=form, button="Save")


def _enrol(affiliate: Affiliate, *, plan: Any, code: str) -> str:
    enrol_affiliate(affiliate=affiliate, plan=plan, code=code)
    return f"{affiliate} is on the plan “{plan}” now."


def _recruit(affiliate: Affiliate, *, code: str) -> str:
    recruiter = find_recruiter(code)
    if recruiter is None:
        raise RecruiterUnknownError()
    set_recruiter(affiliate=affiliate, recruiter=recruiter)
    return f"{affiliate} was recruited by {recruiter}."


def _in_words(figures: AffiliateFigures) -> str:
    rate = figures.conversion_rate
    parts = [
        f"{format_number(figures.shares)} shares",
        f"{format_number(figures.clicks)} clicks",
        f"{format_number(figures.chats)} chats",
        f"{format_number(figures.bills)} bills" + (f" ({rate} %)" if rate is not None else ""),
        f"{money_text(figures.sales)} sold",
        f"{money_text(figures.commission)} commission",
    ]
    return " → ".join(parts)


def _counted(affiliate: Any, model: Any, count: int, /, **filters: Any) -> str:
    return link_to_rows(affiliate.asked_by, model, format_number(count), **filters)
