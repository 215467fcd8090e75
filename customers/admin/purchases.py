from typing import Any, ClassVar, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from customers.models import BillPolicy, Product, Purchase, PurchaseLine, Store
from customers.selectors import list_purchases
from loyalty_site.common.one_row import OneRow


class LineInline(TabularInline):  # type: ignore[misc]
    """A bill's lines, read-only."""

    model = PurchaseLine
    fields = ["key", "product", "quantity", "gross", "discount", "tax", "net", "returns_key"]
    readonly_fields = fields
    per_page = 50
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[PurchaseLine]:
        lines = super().get_queryset(request).select_related("product").order_by("id")
        return cast(QuerySet[PurchaseLine], lines)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Purchase)
class PurchaseAdmin(ModelAdmin):  # type: ignore[misc]
    """Bills and returns as tills and the ERP sent them; corrections come from there."""

    list_display = ["number", "occurred_at", "store", "customer", "shown_kind", "standing", "net"]
    list_filter = ["kind", "status", "standing"]
    list_filter_submit = True
    list_per_page = 50
    show_full_result_count = False
    search_fields = ["number__startswith", "external_id__exact"]
    search_help_text = "Beginning of the bill number, or the key in the system it came from"
    ordering = ["-occurred_at", "-id"]
    inlines: ClassVar[list[type[LineInline]]] = [LineInline]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("number", "occurred_at"),
                    ("store", "customer"),
                    ("kind", "status", "standing"),
                    ("gross", "discount", "tax"),
                    ("net", "currency"),
                    ("codes", "tenders"),
                ]
            },
        ),
        (
            "Where it came from",
            {
                "fields": [
                    ("source", "external_id"),
                    ("sale", "sale_external_id"),
                    ("version", "recorded_at", "updated_at"),
                ]
            },
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Purchase]:
        return list_purchases()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(
        description="kind",
        label={"Sale": "success", "Return": "warning", "Cancelled": "danger"},
    )
    def shown_kind(self, purchase: Purchase) -> str:
        """Sale or return, or that it no longer counts."""
        return purchase.get_kind_display() if purchase.is_active else "Cancelled"


@admin.register(Store)
class StoreAdmin(ModelAdmin):  # type: ignore[misc]
    """Branches; new ones also appear with their first bill."""

    list_display = ["code", "name", "zone", "currency"]
    search_fields = ["code", "name"]
    list_per_page = 50

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Product)
class ProductAdmin(ModelAdmin):  # type: ignore[misc]
    """Articles; new ones also appear with the first bill that names them."""

    list_display = ["sku", "name", "category", "brand"]
    search_fields = ["sku__startswith", "name"]
    show_full_result_count = False
    list_per_page = 50
    ordering = ["id"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(BillPolicy)
class BillPolicyAdmin(OneRow, ModelAdmin):  # type: ignore[misc]
    """What happens to bills whose customer nobody knows; one row for the shop."""

    list_display = ["unknown_customer", "claim_days", "claim_tries"]
