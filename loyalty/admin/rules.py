"""Earning rules: read like sentences, drafted, tried, published."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from customers.models import Purchase
from loyalty.admin.common import ReadOnlyMixin
from loyalty.engine import Earning, Kind, Rule
from loyalty.forms import (
    KINDS,
    EarningRuleForm,
    EndRuleForm,
    PublishRuleForm,
    ReplayForm,
    TryRuleForm,
    current_definition,
    groups_of,
)
from loyalty.models import EarningRule, EarningRuleVersion
from loyalty.selectors import Names, describe, explain_step, names_for
from loyalty.services import (
    DraftRule,
    change_draft,
    create_rule,
    default_program,
    discard_draft,
    end_rule,
    get_rule,
    publish_draft,
    start_replay,
    try_on_purchase,
)
from loyalty_site.common.errors import DomainError

_NEWEST_BILLS = 6


def _say(definition: dict[str, Any], name: str, names: Names) -> str:
    rule = Rule.from_definition(definition, rule_id=0, version=0, name=name)
    return describe(rule, names)


class RuleVersionInline(ReadOnlyMixin, TabularInline):  # type: ignore[misc]
    """What the rule said, and when."""

    model = EarningRuleVersion
    extra = 0
    fields = readonly_fields = ["number", "says", "valid_from", "valid_until", "published_by"]
    verbose_name_plural = "What it said, and when"

    def get_queryset(self, request: HttpRequest) -> QuerySet[EarningRuleVersion]:
        versions: QuerySet[EarningRuleVersion] = super().get_queryset(request)
        return versions.select_related("rule__program", "published_by").order_by("-number")

    @display(description="Says")
    def says(self, version: EarningRuleVersion) -> str:
        """The version in words."""
        names = self.__dict__.setdefault("_names", names_for(version.rule.program))
        return _say(version.definition, version.rule.name, names)


@admin.register(EarningRule)
class EarningRuleAdmin(ModelAdmin):  # type: ignore[misc]
    """Rules; saving keeps a draft, publishing makes it the next version."""

    list_display = ["name", "state", "says"]
    list_per_page = 50
    search_fields = ["name"]
    ordering = ["-id"]
    inlines = [RuleVersionInline]
    actions_detail = ["publish", "try_out", "replay", "end", "discard"]
    change_form_template = "admin/loyalty/rule_form.html"

    # --- lists --------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[EarningRule]:
        rules: QuerySet[EarningRule] = super().get_queryset(request)
        newest = EarningRuleVersion.objects.order_by("-number")
        return rules.prefetch_related("program", Prefetch("versions", newest))

    @display(
        description="State",
        label={
            "In force": "success",
            "In force, draft waits": "info",
            "Draft": "warning",
            "Planned": "info",
            "Ended": "danger",
        },
    )
    def state(self, rule: EarningRule) -> str:
        """Whether it gives points now."""
        now = timezone.now()
        versions = list(rule.versions.all())
        if any(
            version.valid_from <= now and (version.valid_until is None or version.valid_until > now)
            for version in versions
        ):
            return "In force, draft waits" if rule.draft else "In force"
        if any(version.valid_from > now for version in versions):
            return "Planned"
        return "Draft" if rule.draft else "Ended"

    @display(description="Says")
    def says(self, rule: EarningRule) -> str:
        """The rule in words: what is in force, else its draft."""
        versions = list(rule.versions.all())
        definition = versions[0].definition if versions else rule.draft
        if not definition:
            return "Nothing yet"
        return _say(definition, rule.name, self._names(rule))

    def _names(self, rule: EarningRule) -> Names:
        # One look-up for a whole list, whose rules share the programme that was prefetched.
        rule_state: dict[str, Any] = rule.program.__dict__
        if "_rule_names" not in rule_state:
            rule_state["_rule_names"] = names_for(rule.program)
        names: Names = rule_state["_rule_names"]
        return names

    # --- the editor ---------------------------------------------------------------------------

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_publish_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may put rules into force."""
        return request.user.has_perm("loyalty.publish_rule")

    def has_replay_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may start replays."""
        return request.user.has_perm("loyalty.add_replayjob")

    def _kind(self, request: HttpRequest, rule: EarningRule | None) -> Kind:
        wanted = current_definition(rule).get("kind") or request.GET.get("kind", "")
        return Kind(wanted) if wanted in set(Kind) else Kind.PER_AMOUNT

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kind = self._kind(request, obj)
        return type("RuleForm", (EarningRuleForm,), {"kind": kind})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": ["name"]}), *groups_of(self._kind(request, obj))]

    def add_view(self, request: Any, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method == "GET" and request.GET.get("kind") not in set(Kind):
            context = self._context(request, "What should the new rule reward?")
            return render(request, "admin/loyalty/rule_kinds.html", {**context, "cards": KINDS})
        response: HttpResponse = super().add_view(request, form_url, extra_context)
        return response

    def change_view(
        self, request: Any, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        rule = EarningRule.objects.filter(pk=object_id).select_related("program").first()
        spoken = self._spoken(rule) if rule else {}
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **spoken}
        )
        return response

    def _spoken(self, rule: EarningRule) -> dict[str, Any]:
        """What the rule says now, and what its draft says."""
        names = names_for(rule.program)
        version = rule.versions.order_by("-number").first()
        return {
            "says_now": version and _say(version.definition, rule.name, names),
            "says_draft": _say(rule.draft, rule.name, names) if rule.draft else "",
            "draft_saved_at": rule.draft_saved_at,
            "version": version,
            "state": self.state(rule),
        }

    def save_model(
        self, request: Any, obj: EarningRule, form: EarningRuleForm, change: bool
    ) -> None:
        name = form.cleaned_data["name"]
        if not change:
            rule = create_rule(
                program=default_program(),
                name=name,
                definition=form.definition(),
                acting_user=request.user,
            )
            obj.__dict__.update(rule.__dict__)
            return
        change_draft(
            rule=obj,
            name=name,
            definition=form.definition() if form.says_something_new() else None,
            acting_user=request.user,
        )

    def response_add(self, request: Any, obj: EarningRule, post_url_continue: Any = None) -> Any:
        self.message_user(request, "The draft is saved. Try it, then publish it.")
        return self._back(obj.pk)

    def response_change(self, request: Any, obj: EarningRule) -> Any:
        self.message_user(request, "Saved. What is in force stays until the draft is published.")
        return self._back(obj.pk)

    # --- publishing ---------------------------------------------------------------------------

    @action(description="Publish", permissions=["publish"], icon="publish")
    def publish(self, request: Any, object_id: int) -> HttpResponse:
        """Put the draft into force."""
        self._check(self.has_publish_permission(request))
        rule = get_rule(object_id)
        form = PublishRuleForm(request.POST if request.method == "POST" else None)
        if rule.draft is None:
            self.message_user(request, "There is no draft to publish.", messages.WARNING)
            return self._back(rule.pk)
        if request.method == "POST" and form.is_valid():
            try:
                version = publish_draft(
                    rule=rule,
                    valid_from=form.cleaned_data["valid_from"],
                    acting_user=request.user,
                )
            except DomainError as error:
                form.add_error("valid_from", str(error))
            else:
                self.message_user(request, f"Version {version.number} is published.")
                return self._back(rule.pk)
        return self._ask(request, rule, form, f"Publish “{rule.name}”", "Publish")

    @action(description="End", permissions=["publish"], icon="stop_circle")
    def end(self, request: Any, object_id: int) -> HttpResponse:
        """Take the rule out of force."""
        self._check(self.has_publish_permission(request))
        rule = get_rule(object_id)
        form = EndRuleForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                end_rule(rule=rule, at=form.cleaned_data["at"])
            except DomainError as error:
                form.add_error("at", str(error))
            else:
                self.message_user(request, "The rule ends; its bills keep their points.")
                return self._back(rule.pk)
        return self._ask(request, rule, form, f"End “{rule.name}”", "End the rule")

    @action(description="Discard draft", permissions=["change"], icon="delete")
    def discard(self, request: Any, object_id: int) -> HttpResponse:
        """Forget the draft."""
        self._check(self.has_change_permission(request))
        rule = get_rule(object_id)
        if request.method == "POST":
            discard_draft(rule=rule)
            self.message_user(request, "The draft is forgotten.")
            return self._back(rule.pk)
        title = f"Discard the draft of “{rule.name}”"
        return self._ask(request, rule, None, title, "Discard the draft")

    def _ask(
        self, request: Any, rule: EarningRule, form: Any, title: str, verb: str
    ) -> HttpResponse:
        context = {
            **self._context(request, title),
            **self._spoken(rule),
            "rule": rule,
            "form": form,
            "verb": verb,
        }
        return render(request, "admin/loyalty/rule_confirm.html", context)

    # --- trying -------------------------------------------------------------------------------

    @action(description="Try on a bill", permissions=["view"], icon="science")
    def try_out(self, request: Any, object_id: int) -> HttpResponse:
        """What a real bill earned, beside what it would earn by the draft."""
        self._check(self.has_view_permission(request))
        rule = get_rule(object_id)
        form = TryRuleForm(request.GET or None)
        number = form.cleaned_data["bill"].strip() if form.is_valid() else ""
        context = {
            **self._context(request, f"Try “{rule.name}” on a bill"),
            **self._spoken(rule),
            "rule": rule,
            "form": form if form.is_bound else TryRuleForm(),
            "bills": Purchase.objects.filter(kind=Purchase.Kind.SALE, customer__isnull=False)
            .select_related("store")
            .order_by("-occurred_at")[:_NEWEST_BILLS],
        }
        if number:
            try:
                context.update(self._tried(rule, number))
            except DomainError as error:
                form.add_error("bill", str(error))
        return render(request, "admin/loyalty/rule_try.html", context)

    def _tried(self, rule: EarningRule, number: str) -> dict[str, Any]:
        tried = try_on_purchase(program=rule.program, number=number, drafts=[_draft_of(rule)])
        draft = tried.simulation.draft or tried.simulation.now
        currency = rule.program.currency
        return {
            "tried": tried,
            "now": tried.simulation.now,
            "draft": draft,
            "difference": draft.points - tried.earned,
            "now_sentences": _sentences(tried.simulation.now, currency),
            "draft_sentences": _sentences(draft, currency),
            "lines": tried.purchase.lines.select_related("product").order_by("id")[:100],
            "currency": currency,
        }

    @action(description="Replay over past bills", permissions=["replay"], icon="replay")
    def replay(self, request: Any, object_id: int) -> HttpResponse:
        """Start a replay of the draft."""
        self._check(self.has_replay_permission(request))
        rule = get_rule(object_id)
        form = ReplayForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                job = start_replay(
                    program=rule.program,
                    drafts=[_draft_of(rule)],
                    days=form.cleaned_data["days"],
                    acting_user=request.user,
                )
            except DomainError as error:
                form.add_error("days", str(error))
            else:
                return HttpResponseRedirect(
                    reverse("admin:loyalty_replayjob_change", args=[job.pk])
                )
        return self._ask(request, rule, form, f"Replay “{rule.name}”", "Start the replay")

    # --- helpers ------------------------------------------------------------------------------

    def _check(self, is_allowed: bool) -> None:
        if not is_allowed:
            raise PermissionDenied

    def _back(self, rule_id: int | None) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:loyalty_earningrule_change", args=[rule_id]))

    def _context(self, request: Any, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.model._meta,
        }


def _draft_of(rule: EarningRule) -> DraftRule:
    """What is tried of a rule: its draft, else what it says."""
    return DraftRule(rule_id=rule.pk, name=rule.name, definition=current_definition(rule))


def _sentences(earning: Earning, currency: str) -> list[str]:
    return [explain_step(step.to_json(), currency) for step in earning.steps]
