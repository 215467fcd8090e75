"""An affiliate on a plan: codes, and what differs for them."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action

from affiliates.admin.base import ReadOnly, form_page, posted
from affiliates.forms import CodeForm, OverridesForm
from affiliates.models import Code, Enrolment
from affiliates.services import add_code, change_overrides, end_enrolment
from loyalty_site.common.errors import DomainError


class CodeInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = Code
    extra = 0
    hide_title = True
    fields = ["text", "valid_from"]
    readonly_fields = fields


@admin.register(Enrolment)
class EnrolmentAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Who is on which plan; changed by the buttons above."""

    list_display = ["affiliate", "plan", "state", "hold_days", "enrolled_at"]
    list_select_related = ["affiliate", "plan"]
    list_filter = ["state", "plan"]
    search_fields = ["affiliate__name", "codes__text"]
    search_help_text = "Name or code"
    ordering = ["-pk"]
    show_full_result_count = False
    list_per_page = 50
    fields = ["affiliate", "plan", "state", "hold_days", "overrides", "enrolled_at"]
    readonly_fields = fields
    inlines = [CodeInline]
    actions_detail = ["add_code_here", "change_terms", "end_this"]

    def has_manage_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may change what an affiliate is promised."""
        return request.user.has_perm("affiliates.decide_affiliate")

    @action(description="Add a code", permissions=["manage"])
    def add_code_here(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """A further code."""
        return self._change(request, object_id, CodeForm(posted(request)), "Add a code", _code)

    @action(description="Change what differs", permissions=["manage"])
    def change_terms(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Terms of this affiliate alone."""
        enrolment = get_object_or_404(Enrolment, pk=object_id)
        form = OverridesForm(posted(request), initial={"overrides": enrolment.overrides})
        return self._change(request, object_id, form, "What differs from the plan", _override)

    @action(description="End", permissions=["manage"])
    def end_this(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Take the affiliate off the plan."""
        return self._change(
            request,
            object_id,
            Form(posted(request)),
            "End",
            _end,
            intro="Bills that arrive from now on earn nothing by this plan. What was earned stays.",
        )

    def _change(
        self,
        request: HttpRequest,
        object_id: int,
        form: Form,
        button: str,
        carry_out: Any,
        intro: str = "",
    ) -> HttpResponse:
        if not self.has_manage_permission(request):
            raise PermissionDenied
        enrolment = get_object_or_404(
            Enrolment.objects.select_related("affiliate", "plan"), pk=object_id
        )
        if request.method == "POST" and form.is_valid():
            try:
                text = carry_out(enrolment, **form.cleaned_data)
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                self.message_user(request, text)
                url = reverse("admin:affiliates_enrolment_change", args=[enrolment.pk])
                return HttpResponseRedirect(url)
        title = f"{button}: {enrolment}"
        return form_page(request, self, title=title, form=form, button=button, intro=intro)


def _code(enrolment: Enrolment, *, code: str) -> str:
    return f"{add_code(enrolment=enrolment, text=code)} is a code of {enrolment.affiliate} now."


def _override(enrolment: Enrolment, *, overrides: dict[str, Any]) -> str:
    change_overrides(enrolment=enrolment, overrides=overrides)
    return "New bills follow these terms."


def _end(enrolment: Enrolment) -> str:
    end_enrolment(enrolment=enrolment)
    return f"{enrolment.affiliate} is no longer on the plan “{enrolment.plan}”."
