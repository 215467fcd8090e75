"""The rules for who brought a bill, bound customers, and what affiliates were seen to do."""

from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from affiliates.admin.base import ReadOnly, moment
from affiliates.forms import BindForm, ClaimForm, PolicyForm, ReasonForm
from affiliates.models import AttributionPolicy, Binding, Touch
from affiliates.selectors import WAYS
from affiliates.services import bind_customer, claim_phone, end_binding
from loyalty_site.common.errors import DomainError
from loyalty_site.common.one_row import OneRow
from loyalty_site.common.pagination import BoundedPaginator
from loyalty_site.staff.models import User

_MOST_CHOSEN = 100


@admin.register(AttributionPolicy)
class AttributionPolicyAdmin(OneRow, ModelAdmin):  # type: ignore[misc]
    """Which way of bringing a bill counts more; one row for the shop."""

    form = PolicyForm
    list_display = ["order", "winner_share"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [
            (
                "Who brought a bill: the first way that fits decides",
                {
                    "fields": [rung.value for rung in WAYS],
                    "description": "What staff decide by hand always comes first. Bills that"
                    " were decided before keep their affiliate.",
                },
            ),
            ("When several affiliates reached the customer", {"fields": ["winner_share"]}),
        ]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return super().get_form(request, obj, change, **{**kwargs, "fields": ["winner_share"]})

    @admin.display(description="Ways, strongest first")
    def order(self, policy: AttributionPolicy) -> str:
        labels = {rung.value: label for rung, label in WAYS.items()}
        return " → ".join(labels[way] for way in policy.ladder or labels)


class LiveFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "Bound"), ("ended", "No longer")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        if self.value():
            return queryset.filter(ended_at__isnull=self.value() == "live")
        return queryset


@admin.register(Binding)
class BindingAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Whose customers are whose; moved and ended with a reason."""

    list_display = ["customer", "affiliate", "since", "until", "state", "bill", "reason"]
    list_filter = [LiveFilter, "enrolment__plan"]
    list_select_related = ["customer", "enrolment__affiliate", "purchase"]
    search_fields = ["customer__name", "enrolment__affiliate__name"]
    search_help_text = "Customer or affiliate"
    ordering = ["-pk"]
    show_full_result_count = False
    paginator = BoundedPaginator
    fields = ["customer", "affiliate", "since", "until", "state", "bill", "reason", "recorded_by"]
    readonly_fields = fields
    actions = ["end_chosen"]
    actions_list = ["bind"]

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        own = [path("end/", guarded(self.end_view), name="affiliates_binding_end")]
        return [*own, *super().get_urls()]

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may say who brought somebody."""
        return request.user.has_perm("affiliates.attribute_conversion")

    @admin.display(description="Affiliate")
    def affiliate(self, binding: Binding) -> str:
        return binding.enrolment.affiliate.name

    @admin.display(description="Since", ordering="bound_at")
    def since(self, binding: Binding) -> str:
        return moment(binding.bound_at)

    @admin.display(description="Until")
    def until(self, binding: Binding) -> str:
        until = binding.ended_at or binding.ends_at
        return moment(until) if until else "for ever"

    @display(description="State", label={"Bound": "success", "Lapsed": "info", "Ended": "warning"})
    def state(self, binding: Binding) -> str:
        if binding.ended_at:
            return "Ended"
        is_over = binding.ends_at is not None and binding.ends_at <= timezone.now()
        return "Lapsed" if is_over else "Bound"

    @admin.display(description="First bill")
    def bill(self, binding: Binding) -> str:
        return binding.purchase.number if binding.purchase else "-"

    @admin.action(description="End: later bills stand for themselves", permissions=["decide"])
    def end_chosen(self, request: HttpRequest, queryset: QuerySet[Binding]) -> HttpResponse:
        ids = ",".join(map(str, queryset.values_list("pk", flat=True)[:_MOST_CHOSEN]))
        return HttpResponseRedirect(f"{reverse('admin:affiliates_binding_end')}?ids={ids}")

    def end_view(self, request: HttpRequest) -> HttpResponse:
        """The chosen bindings, the reason, and then what became of each."""
        self._refuse_strangers(request)
        given = request.GET.get("ids", "").split(",")[:_MOST_CHOSEN]
        ids = [int(text) for text in given if text.isascii() and text.isdigit() and len(text) < 19]
        chosen = list(
            Binding.objects.filter(pk__in=ids).select_related("customer", "enrolment__affiliate")
        )
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            done = 0
            for binding in chosen:
                try:
                    end_binding(
                        binding=binding,
                        reason=form.cleaned_data["reason"],
                        acting_user=cast(User, request.user),
                    )
                    done += 1
                except DomainError as error:
                    self.message_user(request, f"{binding.customer}: {error}", messages.ERROR)
            if done:
                self.message_user(request, f"{done} customers are no longer bound.")
            return self._back()
        names = [f"{one.customer}, brought by {one.enrolment.affiliate}" for one in chosen]
        intro = "Later bills of these customers stand for themselves. Paid commission stays."
        return self._ask(request, "End bindings", form, "End", intro=intro, chosen=names)

    @action(description="Bind a customer", permissions=["decide"], url_path="bind")
    def bind(self, request: HttpRequest) -> HttpResponse:
        """Bind a customer to an affiliate, or move one from another."""
        self._refuse_strangers(request)
        form = BindForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            try:
                binding = bind_customer(
                    customer=given["customer"],
                    enrolment=given["code"],
                    reason=given["reason"],
                    ends_at=given["ends_at"],
                    acting_user=cast(User, request.user),
                )
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                who = f"{binding.customer} is bound to {binding.enrolment.affiliate} from now on."
                self.message_user(request, who)
                return self._back()
        intro = "A binding to somebody else ends now; what bills earned before stays."
        return self._ask(request, "Bind a customer", form, "Bind", intro=intro)

    def _refuse_strangers(self, request: HttpRequest) -> None:
        if not self.has_decide_permission(request):
            raise PermissionDenied

    def _back(self) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:affiliates_binding_changelist"))

    def _ask(
        self, request: HttpRequest, title: str, form: Any, button: str, **context: Any
    ) -> HttpResponse:
        context |= {
            **self.admin_site.each_context(request),
            "title": title,
            "form": form,
            "button": button,
            "opts": self.model._meta,
        }
        return render(request, "admin/affiliates/ask.html", context)


@admin.register(Touch)
class TouchAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Whom affiliates reached, and how; and the counter's question who sent a customer."""

    list_display = ["at", "affiliate", "way", "who", "place", "recorded_by"]
    list_filter = ["way", "place"]
    list_select_related = ["enrolment__affiliate", "customer", "recorded_by"]
    search_fields = ["customer__name", "enrolment__affiliate__name", "order_key"]
    search_help_text = "Customer, affiliate or order"
    ordering = ["-pk"]
    show_full_result_count = False
    paginator = BoundedPaginator
    fields = ["at", "affiliate", "way", "who", "place", "click", "recorded_at", "recorded_by"]
    readonly_fields = fields

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        own = [path("counter/", guarded(self.counter), name="affiliates_counter")]
        return [*own, *super().get_urls()]

    @admin.display(description="When", ordering="touched_at")
    def at(self, touch: Touch) -> str:
        return moment(touch.touched_at)

    @admin.display(description="Affiliate")
    def affiliate(self, touch: Touch) -> str:
        return touch.enrolment.affiliate.name

    @admin.display(description="Whom")
    def who(self, touch: Touch) -> str:
        if touch.customer:
            return touch.customer.name
        return f"Order {touch.order_key}" if touch.order_key else "A phone nobody registered yet"

    def counter(self, request: HttpRequest) -> HttpResponse:
        """“Who sent you?”: the customer's phone and the affiliate's code."""
        if not request.user.has_perm("affiliates.add_touch"):
            raise PermissionDenied
        form = ClaimForm(request.POST or None)
        done = ""
        if request.method == "POST" and form.is_valid():
            enrolment = form.cleaned_data["code"]
            try:
                claim_phone(
                    enrolment=enrolment,
                    phone=form.cleaned_data["phone"],
                    place="counter",
                    acting_user=cast(User, request.user),
                )
            except DomainError as error:
                form.add_error(getattr(error, "field", None), str(error))
            else:
                done, form = f"Noted: {enrolment.affiliate.name} sent this customer.", ClaimForm()
        context = {
            **self.admin_site.each_context(request),
            "title": "Who sent you?",
            "form": form,
            "done": done,
        }
        return render(request, "admin/affiliates/counter.html", context)
