from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from loyalty_site.outbox.models import Delivery
from loyalty_site.outbox.services import retry_parked


@admin.register(Delivery)
class DeliveryAdmin(ModelAdmin):  # type: ignore[misc]
    """Events on their way: read-only, with "try again" for those that need attention."""

    list_display = ["event_name", "handler", "state", "attempts", "created_at", "done_at"]
    list_filter = ["state", "handler"]
    ordering = ["-id"]
    show_full_result_count = False
    actions = ["try_again"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Who may send a parked event again."""
        return request.user.has_perm("outbox.retry_delivery")

    @admin.action(description="Try again", permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        count = retry_parked(deliveries=list(queryset[:1000]))
        self.message_user(request, f"{count} events will be tried again now.")
