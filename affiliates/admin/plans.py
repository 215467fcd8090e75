"""Plans: read like sentences, drafted, tried, published."""

from typing import Any, cast

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from affiliates.admin.base import ReadOnly, RefusalsShown
from affiliates.engine import Terms
from affiliates.forms import (
    PlanForm,
    PublishPlanForm,
    ReplayPlanForm,
    TryPlanForm,
    groups_of,
)
from affiliates.models import Conversion, Enrolment, Plan, PlanVersion
from affiliates.selectors import describe_draft, describe_rate, explain_figures
from affiliates.services import (
    create_plan,
    discard_draft,
    draft_of,
    get_plan,
    publish_draft,
    rename_plan,
    save_draft,
    start_plan_replay,
    try_plan,
    written_form,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.staff.models import User

_NEWEST_BILLS = 6


class PlanVersionInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = PlanVersion
    extra = 0
    hide_title = True
    verbose_name_plural = "What it paid and pays"
    fields = ["number", "says", "valid_from", "published_at", "published_by"]
    readonly_fields = fields

    @display(description="Says")
    def says(self, version: PlanVersion) -> SafeString:
        """The version in words."""
        sentences = describe_draft(written_form(version), settings.DEFAULT_CURRENCY)
        return format_html_join("", "<p>{}</p>", ((sentence,) for sentence in sentences))


@admin.register(Plan)
class PlanAdmin(RefusalsShown, ModelAdmin):  # type: ignore[misc]
    """Plans; saving keeps a draft, publishing makes it the next version."""

    form = PlanForm
    list_display = ["name", "state", "pays", "hold", "affiliates"]
    search_fields = ["name"]
    inlines = [PlanVersionInline]
    actions_detail = ["publish", "try_out", "replay", "discard"]
    change_form_template = "admin/affiliates/plan_form.html"

    # --- lists --------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        queryset: QuerySet[Plan] = super().get_queryset(request)
        return (
            queryset.select_related("draft")
            .prefetch_related("versions")
            .annotate(
                enrolled=Count("enrolments", filter=Q(enrolments__state=Enrolment.State.ACTIVE))
            )
        )

    @display(
        description="State",
        label={"Pays": "success", "Pays, draft waits": "info", "Draft": "warning"},
    )
    def state(self, plan: Plan) -> str:
        """Whether it pays now."""
        if self._now(plan) is None:
            return "Draft"
        return "Pays, draft waits" if hasattr(plan, "draft") else "Pays"

    def _now(self, plan: Plan) -> PlanVersion | None:
        now = timezone.now()
        return next((one for one in plan.versions.all() if one.valid_from <= now), None)

    @admin.display(description="Pays now")
    def pays(self, plan: Plan) -> str:
        version = self._now(plan)
        if version is None:
            return "Nothing yet"
        terms = Terms.read(kind=version.kind, rate=version.rate, terms=version.terms)
        usual = describe_rate(terms, settings.DEFAULT_CURRENCY)
        return f"{usual}, and more" if version.terms else usual

    @admin.display(description="Held for")
    def hold(self, plan: Plan) -> str:
        version = next(iter(plan.versions.all()), None)
        return f"{version.hold_days} days" if version else "-"

    @admin.display(description="Affiliates", ordering="enrolled")
    def affiliates(self, plan: Any) -> int:
        return int(plan.enrolled)

    # --- the editor ---------------------------------------------------------------------------

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_publish_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may let a plan pay."""
        return request.user.has_perm("affiliates.publish_plan")

    def has_replay_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may start replays."""
        return request.user.has_perm("affiliates.add_planreplay")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": ["name"]}), *groups_of(draft_of(obj) if obj else None)]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return PlanForm

    def change_view(
        self, request: Any, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        plan = self.get_object(request, object_id)
        spoken = self._spoken(plan) if plan else {}
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **spoken}
        )
        return response

    def _spoken(self, plan: Plan) -> dict[str, Any]:
        """What the plan says now, and what its draft says."""
        currency = settings.DEFAULT_CURRENCY
        version, draft = self._now(plan), getattr(plan, "draft", None)
        return {
            "plan": plan,
            "version": version,
            "says_now": describe_draft(written_form(version), currency) if version else [],
            "says_draft": describe_draft(draft.terms, currency) if draft else [],
            "draft": draft,
        }

    def save_model(self, request: HttpRequest, obj: Plan, form: PlanForm, change: bool) -> None:
        user, name = cast(User, request.user), form.cleaned_data["name"]
        if not change:
            plan = create_plan(name=name, terms=form.definition(), acting_user=user)
            obj.__dict__.update(plan.__dict__)
            return
        if "name" in form.changed_data:
            rename_plan(plan=obj, name=name)
        if form.says_something_new():
            save_draft(plan=obj, terms=form.definition(), acting_user=user)

    def response_add(self, request: Any, obj: Plan, post_url_continue: Any = None) -> Any:
        self.message_user(request, "The draft is saved. Try it, then publish it.")
        return self._back(obj.pk)

    def response_change(self, request: Any, obj: Plan) -> Any:
        self.message_user(request, "Saved. What pays now stays until the draft is published.")
        return self._back(obj.pk)

    # --- publishing ---------------------------------------------------------------------------

    @action(description="Publish", permissions=["publish"], icon="publish")
    def publish(self, request: Any, object_id: int) -> HttpResponse:
        """Let the draft pay."""
        self._check(self.has_publish_permission(request))
        plan = get_plan(object_id)
        form = PublishPlanForm(request.POST if request.method == "POST" else None)
        if not hasattr(plan, "draft"):
            self.message_user(request, "There is no draft to publish.", messages.WARNING)
            return self._back(plan.pk)
        if request.method == "POST" and form.is_valid():
            try:
                version = publish_draft(
                    plan=plan,
                    valid_from=form.cleaned_data["valid_from"],
                    acting_user=request.user,
                )
            except DomainError as error:
                form.add_error("valid_from", str(error))
            else:
                self.message_user(request, f"Version {version.number} is published.")
                return self._back(plan.pk)
        return self._ask(request, plan, form, f"Publish “{plan.name}”", "Publish")

    @action(description="Discard draft", permissions=["change"], icon="delete")
    def discard(self, request: Any, object_id: int) -> HttpResponse:
        """Forget the draft."""
        self._check(self.has_change_permission(request))
        plan = get_plan(object_id)
        if request.method == "POST":
            discard_draft(plan=plan)
            self.message_user(request, "The draft is forgotten.")
            return self._back(plan.pk)
        title = f"Discard the draft of “{plan.name}”"
        return self._ask(request, plan, None, title, "Discard the draft")

    def _ask(self, request: Any, plan: Plan, form: Any, title: str, verb: str) -> HttpResponse:
        context = {
            **self._context(request, title),
            **self._spoken(plan),
            "form": form,
            "verb": verb,
        }
        return render(request, "admin/affiliates/plan_confirm.html", context)

    # --- trying -------------------------------------------------------------------------------

    @action(description="Try on a bill", permissions=["view"], icon="science")
    def try_out(self, request: Any, object_id: int) -> HttpResponse:
        """What a real bill earned, beside what it would earn by the draft."""
        self._check(self.has_view_permission(request))
        plan = get_plan(object_id)
        form = TryPlanForm(request.GET or None)
        number = form.cleaned_data["bill"].strip() if form.is_valid() else ""
        context = {
            **self._context(request, f"Try “{plan.name}” on a bill"),
            **self._spoken(plan),
            "form": form if form.is_bound else TryPlanForm(),
            "bills": Conversion.objects.filter(enrolment__isnull=False)
            .select_related("purchase__store", "enrolment__affiliate")
            .order_by("-pk")[:_NEWEST_BILLS],
        }
        written = draft_of(plan)
        if number and written:
            try:
                tried = try_plan(plan=plan, draft=written, number=number)
            except DomainError as error:
                form.add_error("bill", str(error))
            else:
                context |= {
                    "tried": tried,
                    "difference": tried.amount - tried.earned,
                    "sentences": list(explain_figures(tried.figures, tried.purchase.currency)),
                    "lines": tried.purchase.lines.select_related("product").order_by("id")[:100],
                    "currency": tried.purchase.currency,
                }
        return render(request, "admin/affiliates/plan_try.html", context)

    @action(description="Replay over past bills", permissions=["replay"], icon="replay")
    def replay(self, request: Any, object_id: int) -> HttpResponse:
        """Start a replay of the draft."""
        self._check(self.has_replay_permission(request))
        plan = get_plan(object_id)
        written = draft_of(plan)
        form = ReplayPlanForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid() and written:
            try:
                job = start_plan_replay(
                    plan=plan, draft=written, acting_user=request.user, **form.cleaned_data
                )
            except DomainError as error:
                form.add_error("days", str(error))
            else:
                return HttpResponseRedirect(
                    reverse("admin:affiliates_planreplay_change", args=[job.pk])
                )
        return self._ask(request, plan, form, f"Replay “{plan.name}”", "Start the replay")

    # --- helpers ------------------------------------------------------------------------------

    def _check(self, is_allowed: bool) -> None:
        if not is_allowed:
            raise PermissionDenied

    def _back(self, plan_id: int | None) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:affiliates_plan_change", args=[plan_id]))

    def _context(self, request: Any, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.model._meta,
        }
