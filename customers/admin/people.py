from collections.abc import Iterator
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from customers.forms import ConsentForm, CustomerForm
from customers.models import Customer, Store
from customers.panels import panels_for
from customers.selectors import search_customers
from customers.services import (
    change_customer,
    change_status,
    record_consent,
    register_customer,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.staff.models import User

_PROFILE = "profile"
_STORES_OFFERED = 300


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _sees_contacts(request: HttpRequest) -> bool:
    return _user(request).has_perm("customers.view_contact")


class CityFilter(admin.SimpleListFilter):
    """A city, typed: a list of all cities would need to read all customers."""

    title = "city"
    parameter_name = "city"
    template = "admin/customers/city_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        yield {"value": self.value() or ""}

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Customer]
    ) -> QuerySet[Customer] | None:
        city = (self.value() or "").strip()
        return queryset.filter(city__iexact=city) if city else None


class HomeStoreFilter(admin.SimpleListFilter):
    """A home store, of a bounded list."""

    title = "home store"
    parameter_name = "home_store"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = Store.objects.values_list("pk", "name")[:_STORES_OFFERED]
        return [(str(store_id), name) for store_id, name in rows]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Customer]
    ) -> QuerySet[Customer] | None:
        chosen = self.value() or ""
        return queryset.filter(home_store_id=int(chosen)) if chosen.isdecimal() else None


@admin.register(Customer)
class CustomerAdmin(ModelAdmin):  # type: ignore[misc]
    """Customers: found by any spelling of their phone; each with a page of tabs."""

    form = CustomerForm
    autocomplete_fields = ["home_store"]
    list_filter = ["status", HomeStoreFilter, CityFilter]
    list_filter_submit = True
    list_select_related = ["home_store"]
    list_per_page = 50
    show_full_result_count = False
    search_fields = ["name"]
    search_help_text = "Name, phone in any spelling, or e-mail address"
    ordering = ["-id"]
    actions = ["block", "unblock"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Customer], search_term: str
    ) -> tuple[QuerySet[Customer], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(pk__in=search_customers(search_term).values("pk")), False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_list_display(self, request: HttpRequest) -> list[str]:
        phone = "full_phone" if _sees_contacts(request) else "masked_phone"
        return ["name", phone, "city", "home_store", "shown_status", "created_at"]

    @display(description="phone")
    def full_phone(self, customer: Customer) -> str:
        """The phone, for those who may see contacts."""
        return str(customer.phone)

    @display(description="phone")
    def masked_phone(self, customer: Customer) -> str:
        """The phone's ends, for the others."""
        return customer.masked_phone

    @display(description="status", label={"Active": "success", "Blocked": "danger"})
    def shown_status(self, customer: Customer) -> str:
        """The status as a coloured label."""
        return customer.get_status_display()

    @admin.action(description="Block: no sign-in, no messages", permissions=["change"])
    def block(self, request: HttpRequest, queryset: QuerySet[Customer]) -> None:
        self._set_status(request, queryset, Customer.Status.BLOCKED)

    @admin.action(description="Unblock", permissions=["change"])
    def unblock(self, request: HttpRequest, queryset: QuerySet[Customer]) -> None:
        self._set_status(request, queryset, Customer.Status.ACTIVE)

    def _set_status(
        self, request: HttpRequest, queryset: QuerySet[Customer], status: Customer.Status
    ) -> None:
        count = change_status(
            customers=list(queryset[:1000]), status=status, acting_user=_user(request)
        )
        self.message_user(request, f"{count} customers are now {status.label.lower()}.")

    # --- one customer ---------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        consent = path(
            "<int:customer_id>/consent/",
            self.admin_site.admin_view(require_POST(self.consent_view)),
            name="customers_customer_consent",
        )
        return [consent, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The tab that the address names; the profile is the form, the others are panels."""
        panels = {panel.key: panel for panel in panels_for(_user(request))}
        chosen = request.GET.get("tab") or next(iter(panels), _PROFILE)
        customer = self.get_object(request, object_id)
        if customer is None or request.method == "POST" or chosen not in panels:
            extra = {**(extra_context or {}), "customer": customer}
            extra["customer_tabs"] = self._tabs(request, _PROFILE)
            return cast(HttpResponse, super().change_view(request, object_id, form_url, extra))
        if not self.has_view_permission(request, customer):
            raise PermissionDenied
        panel = panels[chosen]
        context = {
            **self.admin_site.each_context(request),
            **panel.context(customer),
            "opts": self.opts,
            "original": customer,
            "title": customer.name,
            "customer": customer,
            "customer_tabs": self._tabs(request, chosen),
            "panel": panel,
            "shows_contacts": _sees_contacts(request),
            "consent_form": ConsentForm(),
        }
        return render(request, "admin/customers/customer/panel.html", context)

    def _tabs(self, request: HttpRequest, chosen: str) -> list[dict[str, Any]]:
        tabs = [(panel.key, panel.title) for panel in panels_for(_user(request))]
        return [
            {
                "title": title,
                "link": f"?tab={key}",
                "active": key == chosen,
                "has_permission": True,
            }
            for key, title in [*tabs, (_PROFILE, "Profile")]
        ]

    def consent_view(self, request: HttpRequest, customer_id: int) -> HttpResponse:
        """Write a statement of consent down."""
        if not _user(request).has_perm("customers.record_consent"):
            raise PermissionDenied
        customer = get_object_or_404(Customer.objects.live(), pk=customer_id)
        form = ConsentForm(request.POST)
        if form.is_valid():
            try:
                consent = record_consent(
                    customer=customer,
                    source="back office",
                    acting_user=_user(request),
                    **form.cleaned_data,
                )
            except DomainError as error:
                messages.error(request, str(error))
            else:
                messages.success(request, f"Recorded: {customer} {consent}.")
        else:
            messages.error(request, "Choose a channel and a purpose.")
        page = reverse("admin:customers_customer_change", args=[customer_id])
        return HttpResponseRedirect(f"{page}?tab=consents")

    # --- the form -------------------------------------------------------------------------------

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A refusal of the service appears at the field that it is about."""
        try:
            return cast(HttpResponse, super().changeform_view(request, *args, **kwargs))
        except DomainError as error:
            request._refusal = error  # type: ignore[attr-defined]
            return cast(HttpResponse, super().changeform_view(request, *args, **kwargs))

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[CustomerForm]:
        form = super().get_form(request, obj, change=change, **kwargs)
        # A declared field leaves a form only when a subclass sets it to None.
        hidden = dict.fromkeys(self._hidden_fields(request, obj))
        own = {**hidden, "refusal": getattr(request, "_refusal", None)}
        return cast(type[CustomerForm], type(form.__name__, (form,), own))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        hidden = self._hidden_fields(request, obj)
        return [name for name in CustomerForm.Meta.fields if name not in hidden]

    def _hidden_fields(self, request: HttpRequest, obj: Any) -> tuple[str, ...]:
        """Contacts of a known customer, for those who may not see them."""
        return CustomerForm.CONTACTS if obj and not _sees_contacts(request) else ()

    def save_model(
        self, request: HttpRequest, obj: Customer, form: CustomerForm, change: bool
    ) -> None:
        user = _user(request)
        if change:
            change_customer(
                customer_id=obj.pk, changes=form.changes, source="back office", acting_user=user
            )
        else:
            customer = register_customer(source="back office", acting_user=user, **form.changes)
            obj.pk, obj.name = customer.pk, customer.name
