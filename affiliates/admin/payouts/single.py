"""Single payouts with their statements."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from affiliates.admin.base import ReadOnly
from affiliates.admin.payouts.common import LINK, PAYOUT_LABELS
from affiliates.models import (
    Payout,
)
from affiliates.selectors import (
    explain_payout,
    payout_rows,
    payout_statement,
    statement_csv,
    statement_pdf,
)
from loyalty_site.common.money import format_money
from loyalty_site.common.pagination import BoundedPaginator


@admin.register(Payout)
class PayoutAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Single payouts with what they pay, and their statements."""

    list_display = ["reference", "affiliate", "net_money", "label", "batch", "paid_at"]
    list_filter = ["state", "batch__method"]
    list_select_related = ["affiliate", "batch"]
    search_fields = ["reference", "affiliate__name"]
    search_help_text = "Reference or affiliate"
    ordering = ["-pk"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
    fields = [
        "reference",
        "affiliate",
        "batch",
        "label",
        "to",
        "gross_money",
        "withheld_money",
        "net_money",
        "arithmetic",
        "paid_at",
        "statements",
    ]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payout]:
        return payout_rows().defer("batch__content")

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<int:payout_id>/statement.<slug:kind>",
            self.admin_site.admin_view(self.statement_view),
            name="affiliates_payout_statement",
        )
        return [page, *super().get_urls()]

    def statement_view(self, request: HttpRequest, payout_id: int, kind: str) -> HttpResponse:
        """The statement that the affiliate gets."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        statement = payout_statement(get_object_or_404(payout_rows(), pk=payout_id))
        if kind == "pdf":
            response = HttpResponse(statement_pdf(statement), content_type="application/pdf")
        elif kind == "csv":
            text = statement_csv(statement)
            response = HttpResponse(text, content_type="text/csv; charset=utf-8")
        else:
            raise Http404
        response["Content-Disposition"] = f'attachment; filename="{statement.file_name}.{kind}"'
        return response

    @display(description="State", ordering="state", label=PAYOUT_LABELS)
    def label(self, payout: Payout) -> str:
        return payout.get_state_display()

    @admin.display(description="To")
    def to(self, payout: Payout) -> str:
        details = payout.details
        return f"{details.get_method_display()} {details.masked_account}".strip()

    @admin.display(description="Due")
    def gross_money(self, payout: Payout) -> str:
        return format_money(payout.gross, payout.batch.currency)

    @admin.display(description="Tax withheld")
    def withheld_money(self, payout: Payout) -> str:
        return format_money(payout.withheld, payout.batch.currency)

    @admin.display(description="Paid out", ordering="net")
    def net_money(self, payout: Payout) -> str:
        net = format_money(payout.net, payout.batch.currency)
        return net if payout.points is None else f"{net} = {payout.points:,d} points"

    @admin.display(description="How it comes to that")
    def arithmetic(self, payout: Payout) -> SafeString:
        sentences = explain_payout(payout)
        return format_html_join("", "<p>{}</p>", ((one,) for one in sentences)) or SafeString("-")

    @admin.display(description="Statement")
    def statements(self, payout: Payout) -> SafeString:
        return format_html_join(
            " · ",
            '<a class="{}" href="{}">{}</a>',
            (
                (
                    LINK,
                    reverse("admin:affiliates_payout_statement", args=[payout.pk, kind]),
                    kind.upper(),
                )
                for kind in ("pdf", "csv")
            ),
        )
