"""Accounts and entries."""

import uuid
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from loyalty.admin.common import ReadOnlyMixin
from loyalty.admin.tiers import GivenTierMixin
from loyalty.errors import EntryAlreadyReversedError
from loyalty.forms import AdjustPointsForm
from loyalty.models import (
    Account,
    Adjustment,
    Lot,
    PointsEntry,
)
from loyalty.selectors import explain_entry
from loyalty.services import adjustment_limit, request_adjustment, reverse_entry
from loyalty_site.common.errors import DomainError
from loyalty_site.common.pagination import BoundedPaginator


class LotInline(ReadOnlyMixin, TabularInline):  # type: ignore[misc]
    """Open points by expiry."""

    model = Lot
    extra = 0
    fields = readonly_fields = ["points", "remaining", "expires_on"]
    verbose_name_plural = "Open points"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lot]:
        return Lot.objects.filter(remaining__gt=0).order_by("expires_on", "id")


@admin.register(Account)
class AccountAdmin(GivenTierMixin, ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]
    """Accounts as the ledger keeps them, with correction by hand."""

    list_display = ["customer", "balance", "debt", "tier", "opened_at"]
    list_select_related = ["customer", "tier"]
    list_filter = ["tier"]
    search_fields = ["customer__name"]
    ordering = ["-id"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
    inlines = [LotInline]
    fields = [
        "customer",
        "program",
        "tier",
        "tier_ends_on",
        "floor_tier",
        "floor_ends_on",
        "floor_reason",
        "balance",
        "held",
        "pending",
        "debt",
        "version",
        "opened_at",
        "closed_at",
        "newest_entries",
    ]
    readonly_fields = ["newest_entries"]
    actions_detail = ["adjust", "give_tier", "end_given_tier"]

    @display(description="Newest entries")
    def newest_entries(self, account: Account) -> SafeString:
        """The last twenty entries, each with its reason."""
        entries = account.entries.select_related("account__program").order_by("-seq")[:20]
        return format_html(
            '<ul class="points-history">{}</ul><p><a href="{}?account__id__exact={}">{}</a></p>',
            format_html_join(
                "",
                '<li><a href="{}"><b>{}</b> {} · {} → {}</a></li>',
                (
                    (
                        reverse("admin:loyalty_pointsentry_change", args=[entry.pk]),
                        f"{entry.points:+d}",
                        entry.reason,
                        entry.occurred_at.date(),
                        entry.balance_after,
                    )
                    for entry in entries
                ),
            ),
            reverse("admin:loyalty_pointsentry_changelist"),
            account.pk,
            "All entries",
        )

    def has_adjust_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may correct balances."""
        return request.user.has_perm("loyalty.adjust_points")

    @action(description="Adjust points", permissions=["adjust"])
    def adjust(self, request: Any, object_id: int) -> HttpResponse:
        """A form for a correction with its reason."""
        if not self.has_adjust_permission(request):
            raise PermissionDenied
        account = get_object_or_404(
            Account.objects.select_related("customer", "program"), pk=object_id
        )
        form = AdjustPointsForm(request.POST or None, initial={"token": uuid.uuid4().hex})
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            try:
                adjustment = request_adjustment(
                    account=account,
                    points=data["points"],
                    cause=data["cause"],
                    note=data["note"],
                    document=data["document"],
                    token=data["token"],
                    acting_user=request.user,
                )
            except DomainError as error:
                form.add_error("points", str(error))
            else:
                self._tell(request, adjustment)
                return HttpResponseRedirect(
                    reverse("admin:loyalty_account_change", args=[account.pk])
                )
        context = {
            **self.admin_site.each_context(request),
            "title": f"Adjust the points of {account.customer}",
            "account": account,
            "form": form,
            "limit": adjustment_limit(request.user),
            "opts": self.model._meta,
        }
        return render(request, "admin/loyalty/adjust.html", context)

    def _tell(self, request: HttpRequest, adjustment: Adjustment) -> None:
        if adjustment.entry is None:
            self.message_user(
                request,
                "This is more than you may correct alone in a day. It waits for a second person.",
                messages.WARNING,
            )
        else:
            after = adjustment.entry.balance_after
            self.message_user(request, f"{adjustment.points:+d} points; the balance is {after}.")


@admin.register(PointsEntry)
class PointsEntryAdmin(ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]
    """The ledger: every entry says why."""

    list_display = ["occurred_at", "customer", "kind_badge", "points", "balance_after", "reason"]
    list_select_related = ["account__customer"]
    list_filter = ["kind"]
    search_fields = ["reference", "account__customer__name"]
    ordering = ["-id"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
    actions = ["reverse_entries"]
    fields = [
        "customer",
        "seq",
        "kind",
        "points",
        "requested",
        "balance_after",
        "reason",
        "explanation",
        "purchase",
        "reverses",
        "reference",
        "actor",
        "occurred_at",
        "recorded_at",
    ]
    readonly_fields = ["customer", "explanation"]

    @display(description="Customer", ordering="account__customer__name")
    def customer(self, entry: PointsEntry) -> str:
        """Whose entry it is."""
        return entry.account.customer.name

    @display(
        description="Kind",
        ordering="kind",
        label={
            "Earned": "success",
            "Redeemed": "info",
            "Expired": "warning",
            "Reversed": "danger",
            "Taken back": "danger",
        },
    )
    def kind_badge(self, entry: PointsEntry) -> str:
        """The kind as a badge."""
        return entry.get_kind_display()

    @display(description="Why")
    def explanation(self, entry: PointsEntry) -> SafeString:
        """The arithmetic in sentences, as customer and API see it."""
        sentences = explain_entry(entry).sentences
        return format_html_join("", "<p>{}</p>", ((sentence,) for sentence in sentences))

    def has_reverse_permission(self, request: HttpRequest) -> bool:
        """Who may undo entries."""
        return request.user.has_perm("loyalty.reverse_points")

    @admin.action(description="Reverse the chosen entries", permissions=["reverse"])
    def reverse_entries(self, request: Any, queryset: QuerySet[PointsEntry]) -> None:
        done = 0
        for entry in queryset.select_related("account__program").order_by("pk")[:100]:
            try:
                outcome = reverse_entry(
                    entry=entry, reason=f"Reversal of “{entry.reason}”", acting_user=request.user
                )
                if outcome.replayed:
                    raise EntryAlreadyReversedError
            except DomainError as error:
                self.message_user(request, f"Entry {entry.pk}: {error}", messages.ERROR)
            else:
                done += 1
        if done:
            self.message_user(request, f"{done} entries are reversed.")
