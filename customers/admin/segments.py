from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import display

from customers.errors import InvalidSegmentError
from customers.forms import SegmentForm
from customers.models import Segment
from customers.selectors import preview_segment, segment_sentence
from customers.services import save_segment
from loyalty_site.common.errors import DomainError
from loyalty_site.common.pagination import BoundedPaginator
from loyalty_site.staff.models import User


@admin.register(Segment)
class SegmentAdmin(ModelAdmin):  # type: ignore[misc]
    """Segments, each as a sentence; the editor counts whom it meets before it is saved."""

    list_display = ["name", "sentence", "description", "updated_at"]
    search_fields = ["name", "description"]
    ordering = ["name"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50

    @display(description="Who")
    def sentence(self, segment: Segment) -> str:
        """The condition in words."""
        try:
            return segment_sentence(segment.definition)
        except InvalidSegmentError as error:
            return str(error)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self._edit(request, None)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        segment = get_object_or_404(Segment, pk=object_id)
        if not self.has_view_or_change_permission(request, segment):
            raise PermissionDenied
        if request.method == "POST" and not self.has_change_permission(request, segment):
            raise PermissionDenied
        return self._edit(request, segment)

    def _edit(self, request: HttpRequest, segment: Segment | None) -> HttpResponse:
        """The editor; “Preview” comes back with the count, “Save” writes."""
        form = SegmentForm(request.POST if request.method == "POST" else None, segment=segment)
        definition = segment.definition if segment else None
        if request.method == "POST":
            definition = form.definition if form.is_valid() else None
            if definition is not None and "_preview" not in request.POST:
                try:
                    saved = save_segment(
                        segment_id=segment.pk if segment else None,
                        name=form.cleaned_data["name"],
                        description=form.cleaned_data["description"],
                        definition=definition,
                        acting_user=cast(User, request.user),
                    )
                except DomainError as error:
                    form.add_error("name", str(error))
                else:
                    messages.success(request, f"“{saved.name}” is saved.")
                    page = reverse("admin:customers_segment_change", args=[saved.pk])
                    return HttpResponseRedirect(page)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": segment,
            "title": segment.name if segment else "New segment",
            "form": form,
            "can_save": segment is None or self.has_change_permission(request, segment),
            **self._preview(definition),
        }
        return render(request, "admin/customers/segment/form.html", context)

    def _preview(self, definition: dict[str, Any] | None) -> dict[str, Any]:
        if definition is None:
            return {}
        try:
            preview = preview_segment(definition)
            said = segment_sentence(definition)
        except InvalidSegmentError as error:
            return {"refusal": str(error)}
        return {"preview": preview, "sentence": said}
