"""The ladder, the moves on it, and tiers given by hand."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from loyalty.admin.common import ReadOnlyMixin
from loyalty.engine.expiry import describe
from loyalty.forms import EndGivenTierForm, GiveTierForm, TierForm
from loyalty.models import Account, Program, Tier, TierChange
from loyalty.selectors import figure_words, ladder_of, rules_of_tiers, tier_progress, tier_words
from loyalty.services import give_tier, set_tier_expiry, take_given_tier
from loyalty_site.common.errors import DomainError
from loyalty_site.common.pagination import BoundedPaginator


@admin.register(Tier)
class TierAdmin(ModelAdmin):  # type: ignore[misc]
    """The ladder."""

    form = TierForm
    list_display = ["name", "threshold", "birthday_points", "program"]
    list_select_related = ["program"]
    list_before_template = "admin/loyalty/ladder.html"
    fieldsets = [
        (None, {"fields": ["program", ("name", "color"), "threshold"]}),
        ("What it brings", {"fields": ["benefits", "birthday_points"]}),
        (
            "How long its points live",
            {
                "fields": [
                    "expiry_kind",
                    ("expiry_length", "expiry_round_up"),
                    "expiry_dates",
                ]
            },
        ),
    ]

    class Media:
        css = {"all": ["admin_theme/dashboard.css", "admin_theme/tiers.css"]}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Tier, form: TierForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        set_tier_expiry(tier=obj, policy=form.own_policy)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The picture of the ladder above the list."""
        program = Program.objects.order_by("pk").first()
        ladder = _ladder(program) if program else []
        extra = {**(extra_context or {}), "ladder": ladder, "program": program}
        response: HttpResponse = super().changelist_view(request, extra)
        return response


def _ladder(program: Program) -> list[dict[str, Any]]:
    """The steps from the top, with all that the picture says; 3 queries."""
    rules = rules_of_tiers(program, program.day_of(timezone.now()))
    accounts = reverse("admin:loyalty_account_changelist")
    return [
        {
            "tier": step.tier,
            "members": step.members,
            "percent": step.percent,
            "needed": figure_words(program, step.tier.threshold) if step.tier.threshold else "",
            "benefits": [line for line in step.tier.benefits.splitlines() if line.strip()],
            "points_live": describe(policy)
            if (policy := program.tier_policy(step.tier.pk))
            else "",
            "rules": rules.get(step.tier.pk, []),
            "link": reverse("admin:loyalty_tier_change", args=[step.tier.pk]),
            "members_link": f"{accounts}?tier__id__exact={step.tier.pk}",
        }
        for step in reversed(ladder_of(program))
    ]


@admin.register(TierChange)
class TierChangeAdmin(ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]
    """Moves between tiers, with their reason."""

    list_display = ["occurred_at", "customer", "previous", "tier", "shown_cause", "reason"]
    list_select_related = ["account__customer", "tier", "previous"]
    list_filter = ["tier", "cause"]
    ordering = ["-id"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50

    @display(description="Customer")
    def customer(self, change: TierChange) -> str:
        """Who moved."""
        return change.account.customer.name

    @display(
        description="How",
        ordering="cause",
        label={
            TierChange.Cause.BILL.label: "success",
            TierChange.Cause.REVIEW.label: "success",
            TierChange.Cause.GIVEN.label: "info",
            TierChange.Cause.GIVEN_ENDED.label: "warning",
            TierChange.Cause.PERIOD_END.label: "danger",
        },
    )
    def shown_cause(self, change: TierChange) -> str:
        """The cause as a badge."""
        return change.get_cause_display()


class GivenTierMixin:
    """Tiers given by hand, on the page of an account."""

    def has_give_tier_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may give tiers."""
        return request.user.has_perm("loyalty.give_tier")

    @action(description="Give a tier", permissions=["give_tier"], url_path="give-tier")
    def give_tier(self, request: Any, object_id: int) -> HttpResponse:
        """A form for a tier below which the customer never stands."""
        account = self._account(request, object_id)
        form = GiveTierForm(request.POST or None, program=account.program)
        if request.method == "POST" and form.is_valid():
            try:
                give_tier(account=account, acting_user=request.user, **form.cleaned_data)
            except DomainError as error:
                form.add_error(getattr(error, "field", None), str(error))
            else:
                return self._back(request, account, f"{account.customer} has the tier now.")
        return self._form(request, account, form, "Give a tier", "Give this tier")

    @action(description="End the given tier", permissions=["give_tier"], url_path="end-given-tier")
    def end_given_tier(self, request: Any, object_id: int) -> HttpResponse:
        """A form for the end of a given tier."""
        account = self._account(request, object_id)
        form = EndGivenTierForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                take_given_tier(account=account, acting_user=request.user, **form.cleaned_data)
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                return self._back(request, account, "The given tier has ended.")
        return self._form(request, account, form, "End the given tier", "End it now")

    def _account(self, request: HttpRequest, object_id: int) -> Account:
        if not self.has_give_tier_permission(request):
            raise PermissionDenied
        accounts = Account.objects.select_related("customer", "program", "tier", "floor_tier")
        return get_object_or_404(accounts, pk=object_id)

    def _back(self, request: Any, account: Account, message: str) -> HttpResponse:
        self.message_user(request, message)  # type: ignore[attr-defined]
        return HttpResponseRedirect(reverse("admin:loyalty_account_change", args=[account.pk]))

    def _form(
        self, request: Any, account: Account, form: Any, title: str, button: str
    ) -> HttpResponse:
        progress = tier_progress(account)
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "title": f"{title}: {account.customer}",
            "account": account,
            "progress": progress,
            "words": tier_words(account.program, progress),
            "form": form,
            "button": button,
            "opts": Account._meta,
        }
        return render(request, "admin/loyalty/given_tier.html", context)
